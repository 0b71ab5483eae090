/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/shared_mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/rpc.h"
#include "agent/storage/place.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "linux/mountinfo.h"
#include "linux/namespace.h"
#include "wire/message.h"
#include "wire/status.h"

enum { MAX_MOUNTINFO = 4 << 20 };

int shared_mounts_check(const Grpc__CreateContainerRequest *request, struct err *err)
{
	for (size_t i = 0; i < request->n_shared_mounts; i++) {
		const Grpc__SharedMount *m = request->shared_mounts[i];

		if (!storage_place_is_valid(rpc_str(m->src_path)) ||
			!storage_place_is_valid(rpc_str(m->dst_path)))
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"shared mount %s: \"%s\" and \"%s\" must be absolute paths without "
				"\"..\"",
				rpc_str(m->name), rpc_str(m->src_path), rpc_str(m->dst_path));
	}
	return 0;
}

static bool is_called(const Grpc__Spec *spec, const char *name)
{
	static const char *const keys[] = {
		"io.kubernetes.cri.container-name", "io.kubernetes.cri-o.ContainerName"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		for (size_t k = 0; k < spec->n_annotations; k++)
			if (strcmp(rpc_str(spec->annotations[k]->key), keys[i]) == 0)
				return strcmp(rpc_str(spec->annotations[k]->value), name) == 0;
	return false;
}

/* The container of that name whose init is there; NULL if there is none. */
static const struct container *find_by_name(const struct container *but, const char *name)
{
	MAP_FOREACH (e, &but->agent->sandbox.containers) {
		const struct container *c = e->value;
		ProtobufCMessage *spec;
		bool found;

		if (c == but || !c->init || buf_len(&c->spec) == 0 ||
			message_decode(&grpc__spec__descriptor, buf_slice(&c->spec), NULL, &spec,
				NULL) < 0)
			continue;
		found = is_called((const Grpc__Spec *)spec, name);
		message_free(spec, NULL);
		if (found)
			return c;
	}
	return NULL;
}

/* /proc is the agent's: what is entered has its own. */
static int open_process(int proc_fd, const struct container *c, struct err *err)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d", (int)c->init->pid);
	fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "process of container %s", c->id) : fd;
}

static bool is_same_path(const char *a, const char *b)
{
	while (*a || *b) {
		size_t len_a, len_b;

		a += strspn(a, "/");
		b += strspn(b, "/");
		len_a = strcspn(a, "/");
		len_b = strcspn(b, "/");
		if (len_a != len_b || memcmp(a, b, len_a) != 0)
			return false;
		a += len_a;
		b += len_b;
	}
	return true;
}

static int has_mount(int process_fd, const char *path)
{
	auto_buf struct buf text = BUF_INIT;
	int r = io_read_file(process_fd, "mountinfo", MAX_MOUNTINFO, &text);
	struct mountinfo info;
	char *at;

	if (r < 0)
		return r;
	at = (char *)text.data + text.start;
	while (buf_len(&text) > 0 && mountinfo_next(&at, &info))
		if (is_same_path(info.mount_point, path))
			return 1;
	return 0;
}

/* 0: it did not come, or the process has ended. */
static int wait_for_mount(int process_fd, const char *path)
{
	auto_fd int fd = openat(process_fd, "mountinfo", O_RDONLY | O_CLOEXEC);
	int64_t deadline_ns = clock_now_ns() + SHARED_MOUNTS_WAIT_NS;
	struct pollfd p = {.fd = fd, .events = POLLPRI};

	while (fd >= 0) {
		int64_t left_ns = deadline_ns - clock_now_ns();
		int r = has_mount(process_fd, path);

		if (r != 0 || left_ns <= 0)
			return r > 0;
		/* Woken when the namespace's mounts change. */
		if (poll(&p, 1, (int)(left_ns / NS_PER_MS) + 1) < 0 && errno != EINTR)
			return 0;
	}
	return 0;
}

/* Goes into the mount namespace of the process; returns its root directory. */
static int enter(int process_fd, struct err *err)
{
	auto_fd int ns_fd = openat(process_fd, "ns/mnt", O_RDONLY | O_CLOEXEC);
	int r = ns_fd < 0 ? -errno : namespace_enter(ns_fd, CLONE_NEWNS), root_fd;

	if (r < 0)
		return err_sys(err, -r, "enter a mount namespace");
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? err_sys(err, errno, "root of a container") : root_fd;
}

static int copy_from(int process_fd, const char *path, bool *ret_is_dir, struct err *err)
{
	auto_fd int root_fd = enter(process_fd, err), fd = -1;
	struct stat st;
	int r;

	if (root_fd < 0)
		return root_fd;
	fd = path_open_in_root(root_fd, path, O_PATH, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, fd < 0 ? -fd : errno, "open %s", path);
	*ret_is_dir = S_ISDIR(st.st_mode);
	r = mountfd_clone(fd, "", true);
	return r < 0 ? err_sys(err, -r, "copy the mount of %s", path) : r;
}

static int attach_in(int process_fd, int mount_fd, const char *path, bool is_dir, struct err *err)
{
	auto_fd int root_fd = enter(process_fd, err), fd = -1;
	int r;

	if (root_fd < 0)
		return root_fd;
	fd = is_dir ? path_mkdir_in_root(root_fd, path, 0755)
		    : path_create_in_root(root_fd, path, 0755);
	if (fd < 0)
		return err_sys(err, -fd, "make %s", path);
	r = mountfd_attach(mount_fd, fd);
	return r < 0 ? err_sys(err, -r, "mount %s", path) : 0;
}

static int share(const struct container *c, const Grpc__SharedMount *m, int proc_fd, int to_fd,
	struct job_report *report, struct err *err)
{
	const struct container *source = find_by_name(c, rpc_str(m->src_ctr));
	auto_fd int from_fd = -1, mount_fd = -1;
	bool is_dir = false;

	from_fd = source ? open_process(proc_fd, source, NULL) : -1;
	if (from_fd < 0 || !wait_for_mount(from_fd, m->src_path)) {
		job_report_step(report);
		return 0;
	}
	mount_fd = copy_from(from_fd, m->src_path, &is_dir, err);
	return mount_fd < 0 ? mount_fd : attach_in(to_fd, mount_fd, m->dst_path, is_dir, err);
}

int shared_mounts_make(const struct container *c, const Grpc__CreateContainerRequest *request,
	struct job_report *report, struct err *err)
{
	auto_fd int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), to_fd = -1;

	if (proc_fd < 0)
		return err_sys(err, errno, "open /proc");
	if (!c->init)
		return err_set(err, ESRCH, "the init process of container %s has ended", c->id);
	to_fd = open_process(proc_fd, c, err);
	if (to_fd < 0)
		return to_fd;
	for (size_t i = 0; i < request->n_shared_mounts; i++) {
		const Grpc__SharedMount *m = request->shared_mounts[i];

		if (share(c, m, proc_fd, to_fd, report, err) < 0)
			return err_wrap(err, "shared mount %s", rpc_str(m->name));
	}
	return 0;
}
