/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces as a spec lists them: what is refused, and those that it names by path. */
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "agent/container/namespaces.h"
#include "agent/container/userns.h"
#include "base/path.h"
#include "linux/namespace.h"
#include "wire/status.h"

#define invalid(err, ...) err_status((err), EINVAL, WIRE_INVALID_ARGUMENT, __VA_ARGS__)

static const char *path_of(const Grpc__LinuxNamespace *ns)
{
	return ns->path ? ns->path : "";
}

static int check_one(const Grpc__LinuxNamespace *n, unsigned int *seen, struct err *err)
{
	const char *type = n->type ? n->type : "";
	int ns = namespaces_parse(type);

	if (ns < 0)
		return invalid(err, "unknown namespace type \"%.32s\"", type);
	if (*seen >> ns & 1)
		return invalid(err, "namespace %s is listed twice", type);
	*seen |= 1U << ns;
	if (!*path_of(n))
		return 0;
	if (*path_of(n) != '/')
		return invalid(err, "the path of namespace %s, \"%.256s\", is not absolute", type,
			path_of(n));
	/* The root is built in one that nobody else sees, by who owns it. */
	if (ns == LAUNCH_NS_MNT || ns == LAUNCH_NS_USER)
		return err_set(err, ENOTSUP, "a %s namespace by path (%.256s) is not supported",
			type, n->path);
	return 0;
}

static int check_offset(const char *clock, const Grpc__LinuxTimeOffset *offset, struct err *err)
{
	if (offset && offset->nanosecs >= 1000000000)
		return invalid(err, "timeOffsets.%s: %u nanosecs are a second or more", clock,
			offset->nanosecs);
	return 0;
}

static int check_offsets(const Grpc__Linux *l, struct err *err)
{
	int r;

	if (!l->timeoffsets)
		return 0;
	for (size_t i = 0; i < l->n_namespaces; i++) {
		if (namespaces_parse(l->namespaces[i]->type) != LAUNCH_NS_TIME)
			continue;
		if (*path_of(l->namespaces[i]))
			break;
		r = check_offset("monotonic", l->timeoffsets->monotonic, err);
		return r < 0 ? r : check_offset("boottime", l->timeoffsets->boottime, err);
	}
	return invalid(err, "timeOffsets need a time namespace of the container's own");
}

int namespaces_check(const Grpc__Linux *l, struct err *err)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		int r = check_one(l->namespaces[i], &seen, err);

		if (r < 0)
			return r;
	}
	if (!(seen >> LAUNCH_NS_USER & 1) && (l->n_uidmappings > 0 || l->n_gidmappings > 0))
		return invalid(err, "id mappings need a user namespace");
	if (!(seen >> LAUNCH_NS_MNT & 1))
		return invalid(err, "the spec lists no mount namespace");
	if (seen >> LAUNCH_NS_USER & 1) {
		int r = userns_check(l, err);

		if (r < 0)
			return r;
	}
	return check_offsets(l, err);
}

/* Whether both fds are of one namespace. */
static bool is_same(int fd, int other_fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstat(other_fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* The agent, and all that is the guest's, would be seen and signalled from inside. */
static int refuse_own_pid(int fd, const char *path, struct err *err)
{
	auto_fd int own = namespace_open_self("pid");

	if (own < 0)
		return err_sys(err, -own, "open the agent's pid namespace");
	return is_same(fd, own)
		       ? err_set(err, EPERM, "%.256s is the agent's own pid namespace", path)
		       : 0;
}

/* A path may lead to anything, and opening a fifo or a device does something. */
static int open_namespace(const char *path, int flag, const char *type, struct err *err)
{
	auto_fd int place = open(path, O_PATH | O_CLOEXEC), fd = -1;
	char self[PATH_FD_SIZE];
	struct statfs fs;
	int found;

	if (place < 0 || fstatfs(place, &fs) < 0)
		return err_sys(err, errno, "open the %s namespace %.256s", type, path);
	if ((unsigned long)fs.f_type != NSFS_MAGIC)
		return invalid(err, "%.256s is no namespace", path);
	fd = open(path_of_fd(place, self), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open the %s namespace %.256s", type, path);
	found = namespace_type(fd);
	if (found < 0)
		return err_sys(err, -found, "ask for the type of namespace %.256s", path);
	if (found != flag)
		return invalid(err, "%.256s is no %s namespace", path, type);
	return take_fd(&fd);
}

int namespaces_open_paths(struct launch_request *request, struct err *err)
{
	const Grpc__Linux *l = request->spec->linux;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const char *type = l->namespaces[i]->type ? l->namespaces[i]->type : "";
		const char *path = path_of(l->namespaces[i]);
		int ns = namespaces_parse(type), fd;

		if (ns < 0 || !*path || request->ns_fds[ns] >= 0)
			continue;
		fd = open_namespace(path, namespaces_flag((enum launch_ns)ns), type, err);
		if (fd < 0)
			return fd;
		request->ns_fds[ns] = fd;
		if (ns == LAUNCH_NS_PID && refuse_own_pid(fd, path, err) < 0)
			return -EPERM;
	}
	return 0;
}
