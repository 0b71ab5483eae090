/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests that really launch container processes: a root directory made of busybox, a plan that
 * becomes a spec, and a run of it to its end. Needs root, busybox-static and a kernel that allows
 * new namespaces; rig_set_up says so and exits 77 without them.
 */
#include <stdbool.h>

#include "agent/container/launch.h"
#include "base/buf.h"

struct rig_container;

/* Pieces of config.json; NULL takes the default. */
struct plan {
	const char *args;	  /* JSON array */
	const char *env;	  /* JSON array */
	const char *process;	  /* more members of process, each beginning with a comma */
	const char *capabilities; /* JSON object */
	const char *cwd;
	const char *mounts;	   /* JSON array without brackets, after the usual ones */
	const char *usual_mounts;  /* JSON array without brackets; "" for none */
	const char *namespaces;	   /* JSON array */
	const char *linux_members; /* each beginning with a comma */
	const char *members;	   /* of the whole spec, each beginning with a comma */
	bool terminal;
	bool readonly;
	bool in_cgroup;
	int64_t deadline_ns; /* from now; 0: ten seconds */
	const char *input;
	const struct rig_container *pod; /* whose ipc, uts and pid namespaces to join */
};

struct outcome {
	bool started;	    /* the program ran */
	bool created;	    /* set-up succeeded */
	struct err err;	    /* if not */
	int status;	    /* as waitpid has it; -1 unless started */
	char output[65536]; /* stdout and stderr together */
};

extern char rig_root[64];      /* the root directory */
extern const char *rig_cgroup; /* what plan.in_cgroup uses */
extern struct loop *rig_loop;

/* In namespaces of their own; ends the program. */
_Noreturn void rig_run_tests(const struct CMUnitTest *tests, size_t n_tests);
/* Each test begins with a fresh root directory. */
int rig_fresh_root(void **state);

/* A file, directory (content NULL) or link in the root directory. */
void rig_write(const char *path, mode_t mode, const char *content);
/* A program of this machine as path, executable. */
void rig_copy(const char *program, const char *path);
void rig_link(const char *path, const char *target);

/* Creates, starts, reads to the end, waits. */
void rig_run(const struct plan *plan, struct outcome *ret);
/* The same with a shell script in place of the args. */
void rig_sh(struct plan plan, const char *script, struct outcome *ret);
/* ["sh","-c","<script>"] */
void rig_sh_args(const char *script, struct buf *ret);

/* In pieces. */
struct rig_container {
	Grpc__Spec *spec;
	struct launch *launch;
	struct launch_result result;
	int input_fd, output_fd; /* ours; one terminal for both if the plan says so */
	bool done, failed, released, in_cgroup;
	struct err err;
};
void rig_start(const struct plan *plan, struct rig_container *ret);
/* rig_start, and the loop until it is created or has failed. */
void rig_create(const struct plan *plan, struct rig_container *ret);
launch_released_fn rig_released; /* data: the rig_container */
void rig_release(struct rig_container *c);
/* A process beside init. */
void rig_exec(struct rig_container *init, const char *process_json, struct outcome *ret);
/* Frees what is the container's here. */
void rig_close(struct rig_container *c);
/* Kills init, waits for it, and rig_close. */
void rig_destroy(struct rig_container *c);
/* Runs the loop until *flag. */
void rig_until(const bool *flag);
/* Runs the loop until there is no launch, and collects the children that have ended. */
void rig_settle(void);

#define rig_test(name) cmocka_unit_test_setup(name, rig_fresh_root)

#define assert_exits(o, code)                                                                 \
	do {                                                                                  \
		if (!(o).started)                                                             \
			fail_msg("did not start: %s", (o).err.msg);                           \
		if (!WIFEXITED((o).status) || WEXITSTATUS((o).status) != (code))              \
			fail_msg("status %#x, output: %s", (unsigned)(o).status, (o).output); \
	} while (0)
