/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/creds.h"

#include <string.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "agent/container/report.h"
#include "linux/rlimit.h"
#include "wire/status.h"

static int parse_set(char *const *names, size_t n_names, uint64_t *ret, struct err *err)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < n_names; i++) {
		const char *name = names[i];
		size_t len = strlen(name);
		char bare[32] = "";
		int nr;

		/* Some hosts send the JSON string with its quotes. */
		if (len >= 2 && name[0] == '"' && name[len - 1] == '"') {
			name++;
			len -= 2;
		}
		if (len < sizeof(bare))
			memcpy(bare, name, len);
		nr = caps_parse(bare);
		if (nr < 0)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"unknown capability \"%.*s\"", len < 64 ? (int)len : 64, name);
		mask |= UINT64_C(1) << nr;
	}
	*ret = mask;
	return 0;
}

int creds_parse_caps(const Grpc__LinuxCapabilities *c, struct caps *ret, struct err *err)
{
	struct caps caps = {0};
	int r;

	if (!c) {
		*ret = caps;
		return 0;
	}
	r = parse_set(c->bounding, c->n_bounding, &caps.bounding, err);
	if (r == 0)
		r = parse_set(c->effective, c->n_effective, &caps.effective, err);
	if (r == 0)
		r = parse_set(c->permitted, c->n_permitted, &caps.permitted, err);
	if (r == 0)
		r = parse_set(c->inheritable, c->n_inheritable, &caps.inheritable, err);
	if (r == 0)
		r = parse_set(c->ambient, c->n_ambient, &caps.ambient, err);
	if (r == 0)
		*ret = caps;
	return r;
}

int creds_check_user(const Grpc__User *user, struct err *err)
{
	const char *what = NULL;

	if (!user)
		return 0;
	/* (uid_t)-1 means "leave as is" to setresuid and setresgid, so root. */
	if (user->uid == UINT32_MAX)
		what = "uid";
	if (user->gid == UINT32_MAX)
		what = "gid";
	for (size_t i = 0; i < user->n_additionalgids; i++)
		if (user->additionalgids[i] == UINT32_MAX)
			what = "additional gid";
	if (user->umask > 0777)
		return err_status(
			err, EINVAL, WIRE_INVALID_ARGUMENT, "umask %#o is above 0777", user->umask);
	if (!what)
		return 0;
	return err_status(
		err, EINVAL, WIRE_INVALID_ARGUMENT, "%s %u is not valid", what, UINT32_MAX);
}

int creds_check_rlimits(Grpc__POSIXRlimit *const *rlimits, size_t n_rlimits, struct err *err)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < n_rlimits; i++) {
		const char *type = rlimits[i]->type ? rlimits[i]->type : "";
		int nr = rlimit_parse(type);

		if (nr < 0)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"unknown resource limit \"%.64s\"", type);
		if (seen >> nr & 1)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"resource limit %s is given twice", type);
		if (rlimits[i]->soft > rlimits[i]->hard)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"soft %s is above the hard one", type);
		seen |= UINT64_C(1) << nr;
	}
	return 0;
}

int creds_apply_rlimits(
	pid_t pid, Grpc__POSIXRlimit *const *rlimits, size_t n_rlimits, struct err *err)
{
	for (size_t i = 0; i < n_rlimits; i++) {
		int nr = rlimit_parse(rlimits[i]->type);
		int r = nr < 0 ? nr : rlimit_set(pid, nr, rlimits[i]->soft, rlimits[i]->hard);

		if (r < 0)
			return err_sys(err, -r, "set %s", rlimits[i]->type);
	}
	return 0;
}

static void leave_out_unsupported(struct caps *caps, int report_fd)
{
	uint64_t all = caps->bounding | caps->effective | caps->permitted | caps->inheritable |
		       caps->ambient;
	uint64_t supported = caps_supported();

	for (unsigned int i = 0; i < 64; i++)
		if ((all & ~supported) >> i & 1)
			report_log(report_fd, LOG_WARN, "this kernel has no capability CAP_%s",
				caps_name(i) ? caps_name(i) : "?");
	caps->bounding &= supported;
	caps->effective &= supported;
	caps->permitted &= supported;
	caps->inheritable &= supported;
	caps->ambient &= supported;
}

/* By system call: the process came from clone3, of which a C library's set*id, which may look for
 * other threads, knows nothing. */
static int take_ids(const Grpc__User *user, struct err *err)
{
	long uid = user ? user->uid : 0, gid = user ? user->gid : 0;
	size_t n_groups = user ? user->n_additionalgids : 0;
	const uint32_t *groups = user ? user->additionalgids : NULL;

	if (syscall(SYS_setgroups, n_groups, groups) < 0)
		return err_sys(err, errno, "set %zu additional groups", n_groups);
	if (syscall(SYS_setresgid, gid, gid, gid) < 0)
		return err_sys(err, errno, "set gid %ld", gid);
	if (syscall(SYS_setresuid, uid, uid, uid) < 0)
		return err_sys(err, errno, "set uid %ld", uid);
	return 0;
}

int creds_apply(
	const Grpc__User *user, struct caps *caps, bool keep_admin, int report_fd, struct err *err)
{
	uint64_t admin = keep_admin ? UINT64_C(1) << CAP_SYS_ADMIN : 0;
	struct caps now;
	int r;

	leave_out_unsupported(caps, report_fd);
	r = caps_limit_bounding(caps->bounding);
	if (r < 0)
		return err_sys(err, -r, "limit the bounding set");
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "keep capabilities");
	r = take_ids(user, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_sys(err, errno, "keep capabilities no longer");
	now = *caps;
	now.permitted |= admin;
	now.effective |= admin;
	r = caps_set(&now);
	return r < 0 ? err_sys(err, -r, "set capabilities") : 0;
}

int creds_finish(const struct caps *caps, int report_fd, struct err *err)
{
	int r = caps_set(caps);

	if (r < 0)
		return err_sys(err, -r, "set capabilities");
	r = caps_set_ambient(caps->ambient);
	if (r < 0)
		report_log(report_fd, LOG_WARN, "ambient capabilities: %s", strerror(-r));
	return 0;
}
