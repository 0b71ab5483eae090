/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "linux/procstat.h"
#include "runtime/undo.h"
#include "shim/address.h"
#include "shim/events.h"
#include "shim/group.h"
#include "shim/roles.h"
#include "task.pb-c.h"
#include "wire/message.h"

/* containerd gives the whole command five seconds. */
enum {
	KILL_LIMIT_S = 3,
	KILLED_STATUS = 128 + 9,
	PID_TEXT_MAX = 16,
	NEWBORN_S = 5,
	DYING_MS = 500,
	CMDLINE_MAX = 64 << 10
};

/* Is it a daemon of this program, for this id? */
static bool is_daemon_of(pid_t pid, const char *id)
{
	auto_buf struct buf cmdline = BUF_INIT;
	char path[48], own[PATH_MAX], its[PATH_MAX];
	ssize_t n_own = readlink("/proc/self/exe", own, sizeof(own)), n_its;
	struct slice rest;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n_its = readlink(path, its, sizeof(its));
	if (n_own <= 0 || n_own != n_its || memcmp(own, its, (size_t)n_own) != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	if (io_read_file(AT_FDCWD, path, CMDLINE_MAX, &cmdline) < 0)
		return false;
	rest = buf_slice(&cmdline);
	for (bool is_next = false; rest.len > 0;) {
		size_t len = strnlen((const char *)rest.p, rest.len);

		if (is_next && slice_equal(slice_of(rest.p, len), slice_of_str(id)))
			return true;
		is_next = slice_equal(slice_of(rest.p, len), slice_of_str("-id"));
		rest = slice_of(rest.p + len, rest.len - len);
		if (rest.len > 0)
			rest = slice_of(rest.p + 1, rest.len - 1);
	}
	return false;
}

/* Without a usable state the bundle's shim.pid is all there is to go by. The daemon's children die
 * with it. */
static int find_by_pid_file(const struct cli *cli, struct state *state)
{
	auto_buf struct buf b = BUF_INIT;
	auto_free char *file = NULL;
	struct procstat stat;
	long pid;

	if (asprintf(&file, "%s/shim.pid", cli->bundle) < 0) {
		file = NULL;
		return -ENOMEM;
	}
	if (io_read_file(AT_FDCWD, file, PID_TEXT_MAX, &b) < 0)
		return 0;
	pid = strtol(buf_str(&b), NULL, 10);
	if (pid < 2 || pid > INT_MAX || procstat_read((pid_t)pid, &stat) < 0 ||
		!is_daemon_of((pid_t)pid, cli->id))
		return 0;
	state->processes[0] = (struct state_process){
		.role = "shim", .pid = (pid_t)pid, .start_time = stat.start_time};
	state->n_processes = 1;
	return 0;
}

static void complain(int r, const struct err *err)
{
	if (r < 0)
		fprintf(stderr, "containerd-shim-kata-v2: delete: %s\n", err->msg);
}

static void unmount_rootfs(const struct cli *cli)
{
	auto_free char *rootfs = NULL;

	if (asprintf(&rootfs, "%s/rootfs", cli->bundle) < 0)
		rootfs = NULL;
	while (rootfs && mountfd_detach(rootfs) == 0)
		;
}

static void remove_all(const struct cli *cli, const struct layout *layout, struct state *state)
{
	struct undo undo = {.layout = layout, .state = state};
	struct err err[4] = {ERR_INIT};
	int r = undo_processes(&undo, KILL_LIMIT_S * NS_PER_S, &err[0]);

	/* Each goes as far as it can, whatever became of the one before. */
	complain(r, &err[0]);
	complain(undo_network(&undo, &err[3]), &err[3]);
	complain(undo_mounts(&undo, &err[1]), &err[1]);
	unmount_rootfs(cli);
	complain(undo_files(&undo, &err[2]), &err[2]);
}

static int print_response(struct err *err)
{
	Containerd__Task__V2__DeleteResponse response = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at;
	auto_buf struct buf b = BUF_INIT;
	int r;

	events_timestamp(clock_real_ns(), &at);
	MESSAGE_SET(&response, pid, 0);
	MESSAGE_SET(&response, exit_status, KILLED_STATUS);
	response.exited_at = &at;
	r = message_encode(&response.base, &b);
	if (r == 0)
		r = io_write_full(STDOUT_FILENO, b.data + b.start, buf_len(&b));
	return r < 0 ? err_sys(err, -r, "print the response") : 0;
}

/* The daemon that the state, or else the bundle, names: NULL if neither does. */
static const struct state_process *find_daemon(const struct state *state)
{
	for (size_t i = 0; i < state->n_processes; i++)
		if (strcmp(state->processes[i].role, "shim") == 0)
			return &state->processes[i];
	return NULL;
}

/* containerd calls when the daemon's socket closes: one that was killed may be a moment from its end
 * then. A zombie has ended. */
static bool is_alive(const struct state_process *daemon)
{
	auto_fd int fd = procstat_open(daemon->pid, daemon->start_time);
	struct pollfd end = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&end, 1, DYING_MS) == 0;
}

static bool is_newborn(const struct state_process *daemon)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec - (int64_t)(daemon->start_time / (uint64_t)sysconf(_SC_CLK_TCK)) <
	       NEWBORN_S;
}

/*
 * containerd may run us for a daemon that has ended when there is a new one for the same id
 * already. That is whoever listens on our socket while nothing is known of the sandbox, or a daemon
 * too young to be given up by anybody.
 */
static bool is_for_another(const struct state *state, const char *socket)
{
	const struct state_process *daemon = find_daemon(state);

	/* A daemon that is past its last step and was killed then is in no state file any more. */
	if (!address_stays_served(socket, DYING_MS))
		return false;
	return !daemon || (is_newborn(daemon) && is_alive(daemon));
}

/* What is known of the sandbox; an empty state where there is no usable one. */
static int load_state(const struct cli *cli, const struct layout *layout, const char *socket,
	struct state **ret, struct err *err)
{
	struct err load = ERR_INIT;
	int r = state_load(layout->run_dir, ret, &load);

	if (r == 0)
		return 0;
	if (r != -ENOENT)
		complain(r, &load);
	r = state_new(layout->run_dir, cli->id, socket, ret);
	if (r == 0)
		r = find_by_pid_file(cli, *ret);
	return r < 0 ? err_sys(err, -r, "delete %s", cli->id) : 0;
}

static int delete_sandbox(const struct cli *cli, struct err *err)
{
	char socket[ADDRESS_PATH_SIZE];
	struct layout layout;
	struct state *state = NULL;
	int r = layout_init(&layout, "/run", cli->id);

	if (r < 0)
		return err_sys(err, -r, "delete %s", cli->id);
	address_of(cli->address, cli->name_space, cli->id, socket);
	r = load_state(cli, &layout, socket, &state, err);
	if (r == 0 && !is_for_another(state, socket)) {
		/* The same id may be in use in another of containerd's namespaces. */
		if (strcmp(state->owner, socket) == 0 && !state->keep_abnormal)
			remove_all(cli, &layout, state);
		address_remove_dead(socket);
	}
	state_free(state);
	return r;
}

int delete_run(const struct cli *cli, struct err *err)
{
	auto_free char *sandbox = NULL;
	bool joins = false;
	struct err unknown = ERR_INIT;
	int r = group_find(cli->bundle, cli->id, &sandbox, &joins, &unknown);

	/* A bundle that says nothing usable has not come further than `start`. */
	complain(r, &unknown);
	/* All that a container of a pod had goes with the sandbox, which has a `delete` of its own,
	 * or is still there: its VM, which others may be using, is not ours to end. */
	if (joins)
		unmount_rootfs(cli);
	else
		r = delete_sandbox(cli, err);
	return r < 0 ? r : print_response(err);
}
