/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a sandbox has made on the host, written down in /run/kata/<id>/state.json before it is made,
 * so that `delete` can undo it after any crash (runtime/undo.h).
 *
 * Each state_note_* call replaces the file before it returns; only then may its caller make the
 * thing. What the layout (runtime/layout.h) implies - the directories of the sandbox - needs no
 * note. Undoing something that is not there does nothing, so a note may stay for longer than its
 * thing; a container's mounts and its loggers are forgotten when they have gone, because a pod sees
 * many.
 *
 * The file is read by a process that trusts nothing about it: a half-written, foreign or hostile
 * file is refused as a whole.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/slice.h"
#include "runtime/state_network.h"

/* Far above what one pod needs; a file that says more is not ours. */
enum {
	STATE_VERSION = 1,
	STATE_MAX_PROCESSES = 64,
	STATE_MAX_PATHS = 4096,
	STATE_MAX_SIZE = 4 << 20,
	STATE_ROLE_SIZE = 32,
};

/* The role of a process that is given a moment to end by itself. */
#define STATE_ROLE_LOGGER "logger"

struct state_process {
	char role[STATE_ROLE_SIZE]; /* "shim", "qemu", ... */
	pid_t pid;
	uint64_t start_time; /* linux/procstat.h */
};

struct state_paths {
	char **items; /* owned: absolute, without "." and ".." */
	size_t n;
};

struct state {
	char *file; /* owned; NULL: nowhere (a state that was read) */
	char *id;   /* owned: the sandbox's */
	/* Owned: the socket of the daemon it is kept by. Ids are unique in a namespace of
	 * containerd only; this tells whose sandbox it is. */
	char *owner;
	bool keep_abnormal; /* configuration: what an abnormal end leaves stays for inspection */
	struct state_process processes[STATE_MAX_PROCESSES];
	size_t n_processes;
	struct state_paths mounts; /* in the order they were made */
	struct state_paths files;  /* sockets and files to unlink */
	struct state_network network;
};

/* An empty state of the sandbox, to be kept in run_dir (which exists); nothing is written yet. */
int state_new(
	const char *run_dir, const char *id, const char *owner, struct state **ret) must_check;
void state_free(struct state *state);

/* Each returns 0, or -errno with the state and the file as before. */
int state_note_process(
	struct state *state, const char *role, pid_t pid, uint64_t start_time) must_check;
/* It has ended. 0 also when it was not noted. */
int state_forget_process(struct state *state, pid_t pid, uint64_t start_time) must_check;
int state_note_mount(struct state *state, const char *path) must_check;
/* What was noted below dir is gone. */
int state_forget_mounts(struct state *state, const char *dir) must_check;
int state_note_file(struct state *state, const char *path) must_check;
/* Once: copies it, its path too. */
int state_note_network(struct state *state, const struct state_network *network) must_check;
int state_save(const struct state *state) must_check;

/* -ENOENT: there is no file. -EINVAL: it is not a state of this version; err says where. */
int state_load(const char *run_dir, struct state **ret, struct err *err) must_check;
int state_parse(struct slice text, struct state **ret, struct err *err) must_check;
