/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/sysctl.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "agent/container/namespaces.h"
#include "agent/container/report.h"
#include "base/io.h"
#include "wire/status.h"

int sysctl_parse_key(const char *key, char **ret)
{
	size_t first = strcspn(key, "./");
	bool dotted = key[first] == '.';
	auto_free char *path = strdup(key);

	if (!path)
		return -ENOMEM;
	for (char *c = path; dotted && *c; c++) {
		if (*c == '.')
			*c = '/';
		else if (*c == '/')
			*c = '.';
	}
	for (const char *at = path;;) {
		size_t len = strcspn(at, "/");

		if (len == 0 || (len == 1 && at[0] == '.') ||
			(len == 2 && memcmp(at, "..", 2) == 0))
			return -EINVAL;
		if (!at[len])
			break;
		at += len + 1;
	}
	*ret = take_ptr(&path);
	return 0;
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_ipc(const char *path)
{
	static const char names[][24] = {
		"kernel/msgmax",
		"kernel/msgmnb",
		"kernel/msgmni",
		"kernel/sem",
		"kernel/shmall",
		"kernel/shmmax",
		"kernel/shmmni",
		"kernel/shm_rmid_forced",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], path) == 0)
			return true;
	return has_prefix(path, "fs/mqueue/");
}

static bool is_allowed(const Grpc__Linux *linux_spec, const char *path)
{
	if (has_prefix(path, "net/"))
		return true;
	if (is_ipc(path))
		return namespaces_lists(linux_spec, LAUNCH_NS_IPC);
	if (strcmp(path, "kernel/domainname") == 0)
		return namespaces_lists(linux_spec, LAUNCH_NS_UTS);
	return false;
}

int sysctl_check(const Grpc__Linux *linux_spec, struct err *err)
{
	for (size_t i = 0; i < linux_spec->n_sysctl; i++) {
		const char *key = linux_spec->sysctl[i]->key ? linux_spec->sysctl[i]->key : "";
		auto_free char *path = NULL;
		int r = sysctl_parse_key(key, &path);

		if (r == -ENOMEM)
			return err_sys(err, ENOMEM, "sysctl");
		if (r < 0 || !is_allowed(linux_spec, path))
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"sysctl \"%s\" is not in a namespace of the container", key);
	}
	return 0;
}

static int write_one(int sys_fd, const char *path, const char *value)
{
	struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	auto_fd int fd = (int)syscall(SYS_openat2, sys_fd, path, &how, sizeof(how));

	if (fd < 0)
		return -errno;
	return io_write_full(fd, value, strlen(value));
}

static enum launch_ns namespace_of(const char *path)
{
	if (has_prefix(path, "net/"))
		return LAUNCH_NS_NET;
	return is_ipc(path) ? LAUNCH_NS_IPC : LAUNCH_NS_UTS;
}

int sysctl_apply(
	const Grpc__Linux *linux_spec, unsigned int namespaces, int report_fd, struct err *err)
{
	auto_fd int sys_fd = -1;

	if (linux_spec->n_sysctl == 0)
		return 0;
	sys_fd = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (sys_fd < 0)
		return err_sys(err, errno, "open /proc/sys");
	for (size_t i = 0; i < linux_spec->n_sysctl; i++) {
		const char *key = linux_spec->sysctl[i]->key ? linux_spec->sysctl[i]->key : "";
		const char *value =
			linux_spec->sysctl[i]->value ? linux_spec->sysctl[i]->value : "";
		auto_free char *path = NULL;
		int r = sysctl_parse_key(key, &path);

		if (r == 0 && !(namespaces >> namespace_of(path) & 1))
			continue;
		if (r == 0)
			r = write_one(sys_fd, path, value);
		if (r == -ENOENT)
			report_log(report_fd, LOG_WARN, "sysctl %s: this kernel has none", key);
		else if (r < 0)
			return err_sys(err, -r, "set sysctl %s to \"%s\"", key, value);
	}
	return 0;
}
