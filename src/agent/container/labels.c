/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/labels.h"

#include <fcntl.h>
#include <string.h>

#include "agent/container/report.h"
#include "base/own.h"
#include "linux/lsm.h"
#include "wire/status.h"

enum { LABEL_MAX = 4000 }; /* the kernel takes a page */

static const char guest[] = "/";

static bool is_given(const char *s)
{
	return s && *s;
}

/* What engines confine containers with when nobody has asked for another profile. */
static bool is_engines_default(const char *profile)
{
	static const char *const names[] = {
		"cri-containerd.apparmor.d", "crio-default", "docker-default"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], profile) == 0)
			return true;
	return strncmp(profile, "containers-default-", 19) == 0 ||
	       strncmp(profile, "nerdctl-default", 15) == 0;
}

/* user:role:type, perhaps with a range; nothing that would end it early in mount options. */
static bool is_selinux_label(const char *label)
{
	size_t colons = 0;

	if (strlen(label) > LABEL_MAX)
		return false;
	for (const char *at = label; *at; at++) {
		if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\')
			return false;
		if (*at == ':' && colons < 3) {
			if (at == label || at[-1] == ':' || !at[1])
				return false;
			colons++;
		}
	}
	return colons >= 2;
}

static bool is_profile_name(const char *name)
{
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < ' ')
			return false;
	return *name != ' ' && strlen(name) <= LABEL_MAX;
}

static int check_selinux(const char *what, const char *label, struct err *err)
{
	if (!is_given(label))
		return 0;
	if (!is_selinux_label(label))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"%s \"%.256s\" is no label (user:role:type:range)", what, label);
	if (!lsm_is_on(LSM_SELINUX, guest))
		return err_set(err, ENOTSUP,
			"%s \"%.256s\" is not supported: there is no SELinux in the guest", what,
			label);
	return 0;
}

int labels_check_process(const Grpc__Process *p, struct err *err)
{
	int r = check_selinux("selinuxLabel", p->selinuxlabel, err);

	if (r < 0 || !is_given(p->apparmorprofile))
		return r;
	if (!is_profile_name(p->apparmorprofile))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"apparmorProfile \"%.256s\" is no name of a profile", p->apparmorprofile);
	if (!lsm_is_on(LSM_APPARMOR, guest) && !is_engines_default(p->apparmorprofile))
		return err_set(err, ENOTSUP,
			"apparmorProfile \"%.256s\" is not supported: there is no AppArmor in the "
			"guest",
			p->apparmorprofile);
	return 0;
}

int labels_check_mounts(const Grpc__Linux *l, struct err *err)
{
	return check_selinux("mountLabel", l->mountlabel, err);
}

int labels_prepare(const Grpc__Process *p, int report_fd, struct labels *ret, struct err *err)
{
	struct labels labels = LABELS_INIT;

	if (is_given(p->selinuxlabel))
		labels.selinux = p->selinuxlabel;
	if (is_given(p->apparmorprofile) && lsm_is_on(LSM_APPARMOR, guest))
		labels.apparmor = p->apparmorprofile;
	else if (is_given(p->apparmorprofile))
		report_log(report_fd, LOG_WARN,
			"apparmorProfile %.256s is left out: there is no AppArmor in the guest",
			p->apparmorprofile);
	if (labels.selinux || labels.apparmor) {
		labels.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (labels.proc_fd < 0)
			return err_sys(err, errno, "open /proc");
	}
	*ret = labels;
	return 0;
}

int labels_open(struct labels *labels, struct err *err)
{
	int r = 0;

	if (labels->selinux)
		r = labels->selinux_fd = lsm_open(LSM_SELINUX, labels->proc_fd);
	if (r >= 0 && labels->apparmor)
		r = labels->apparmor_fd = lsm_open(LSM_APPARMOR, labels->proc_fd);
	close_fd(take_fd(&labels->proc_fd));
	return r < 0 ? err_sys(err, -r, "open the label of the process") : 0;
}

int labels_apply(const struct labels *labels, struct err *err)
{
	int r = labels->selinux ? lsm_set(LSM_SELINUX, labels->selinux_fd, labels->selinux) : 0;

	if (r < 0)
		return err_sys(err, -r, "set selinuxLabel \"%.256s\"", labels->selinux);
	if (labels->apparmor)
		r = lsm_set(LSM_APPARMOR, labels->apparmor_fd, labels->apparmor);
	if (r == -ENOENT)
		return err_set(err, ENOENT, "apparmorProfile \"%.256s\" is not loaded in the guest",
			labels->apparmor);
	return r < 0 ? err_sys(err, -r, "set apparmorProfile \"%.256s\"", labels->apparmor) : 0;
}
