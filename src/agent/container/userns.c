/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/userns.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "linux/process.h"
#include "wire/status.h"

int userns_check_map(const char *what, struct userns_map map, struct err *err)
{
	if (map.n == 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "%s: there are none", what);
	for (size_t i = 0; i < map.n; i++) {
		const Grpc__LinuxIDMapping *m = map.ids[i];

		/* The last one, (uid_t)-1, is nobody's. */
		if (m->size == 0 || m->size > UINT32_MAX - m->containerid ||
			m->size > UINT32_MAX - m->hostid)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"%s: %u from %u to %u are no ids", what, m->size, m->containerid,
				m->hostid);
	}
	return 0;
}

bool userns_find_id(struct userns_map map, uint32_t id, uint32_t *ret)
{
	for (size_t i = 0; i < map.n; i++) {
		const Grpc__LinuxIDMapping *m = map.ids[i];

		if (id >= m->containerid && id - m->containerid < m->size) {
			*ret = m->hostid + (id - m->containerid);
			return true;
		}
	}
	return false;
}

static struct userns_map uids_of(const Grpc__Linux *l)
{
	return (struct userns_map){l->uidmappings, l->n_uidmappings};
}

static struct userns_map gids_of(const Grpc__Linux *l)
{
	return (struct userns_map){l->gidmappings, l->n_gidmappings};
}

int userns_check(const Grpc__Linux *l, struct err *err)
{
	int r = userns_check_map("uidMappings", uids_of(l), err);
	uint32_t id;

	if (r == 0)
		r = userns_check_map("gidMappings", gids_of(l), err);
	if (r == 0 && (!userns_find_id(uids_of(l), 0, &id) || !userns_find_id(gids_of(l), 0, &id)))
		r = err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"a user namespace needs mappings of uid 0 and gid 0");
	return r;
}

static int write_map(pid_t pid, const char *file, struct userns_map map, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	char path[48];
	int r = 0;

	for (size_t i = 0; i < map.n && r == 0; i++)
		r = buf_printf(&text, "%u %u %u\n", map.ids[i]->containerid, map.ids[i]->hostid,
			map.ids[i]->size);
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	if (r == 0)
		r = io_write_file(AT_FDCWD, path, buf_str(&text));
	return r < 0 ? err_sys(err, -r, "write the user namespace's %s", file) : 0;
}

int userns_write_maps(pid_t pid, struct userns_map uids, struct userns_map gids, struct err *err)
{
	int r = write_map(pid, "uid_map", uids, err);

	return r < 0 ? r : write_map(pid, "gid_map", gids, err);
}

int userns_become_root(struct err *err)
{
	/* By system call, as in creds.c. */
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
		syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(err, errno, "become root in the user namespace");
	/* Changing ids has reset both. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	return 0;
}

int userns_open(struct userns_map uids, struct userns_map gids, struct err *err)
{
	pid_t pid = process_clone(CLONE_NEWUSER, -1);
	char path[40];
	int fd = -1, r;

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	if (pid < 0)
		return err_sys(err, -pid, "make a user namespace");
	r = userns_write_maps(pid, uids, gids, err);
	if (r == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			r = err_sys(err, errno, "open a user namespace");
	}
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : fd;
}

static int give(int dir_fd, const char *name, uint32_t uid, gid_t gid)
{
	if (fchownat(dir_fd, name, uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == EPERM || errno == EROFS || errno == EINVAL || errno == ENOENT ? 0 : -errno;
}

int userns_give_stdio(const Grpc__Linux *l, const Grpc__User *user, struct err *err)
{
	uint32_t uid;

	if (!userns_find_id(uids_of(l), user ? user->uid : 0, &uid))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"uid %u has no mapping in the container", user ? user->uid : 0);
	for (int i = 0; i < 3; i++) {
		struct stat st;
		int r;

		/* /dev/null is everybody's. */
		if (fstat(i, &st) == 0 && S_ISCHR(st.st_mode) && !isatty(i))
			continue;
		r = give(i, "", uid, (gid_t)-1);
		if (r < 0)
			return err_sys(err, -r, "give stdio to uid %u", uid);
	}
	return 0;
}

static bool is_writable_cgroup(const Grpc__Mount *m)
{
	const char *type = m->type ? m->type : "";
	bool rw = false;

	if (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0)
		return false;
	for (size_t i = 0; i < m->n_options; i++) {
		if (strcmp(m->options[i], "rw") == 0)
			rw = true;
		if (strcmp(m->options[i], "ro") == 0)
			rw = false;
	}
	return rw;
}

int userns_delegate_cgroup(const struct cgroup *cgroup, const Grpc__Spec *spec, struct err *err)
{
	/* What /sys/kernel/cgroup/delegate has named since it is there. */
	static const char files[][24] = {
		"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "memory.oom.group"};
	int fd = cgroup_fd_of_unified(cgroup);
	bool wanted = false;
	uint32_t uid, gid;

	for (size_t i = 0; i < spec->n_mounts; i++)
		wanted |= is_writable_cgroup(spec->mounts[i]);
	if (fd < 0 || !wanted || !userns_find_id(uids_of(spec->linux), 0, &uid) ||
		!userns_find_id(gids_of(spec->linux), 0, &gid))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r = give(fd, files[i], uid, gid);

		if (r < 0)
			return err_sys(err, -r, "give the cgroup to uid %u", uid);
	}
	return 0;
}
