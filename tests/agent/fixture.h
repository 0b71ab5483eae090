/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An agent to test: the built kata-agent as an ordinary process, with a directory, a socket and
 * cgroups of its own, and a client on a loop. Needs root, and cgroups that can be
 * written to; main() leaves with 77 where they are missing.
 *
 * Containers run a root file system that holds the machine's static busybox. What a test did not
 * remove itself must be gone when the agent has been stopped: tear-down checks that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent.pb-c.h"
#include "base/buf.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "wire/message.h"
#include "wire/status.h"
#include "wire/ttrpc_client.h"

enum { PATH_SIZE = 128 };

struct fixture {
	char dir[PATH_SIZE], run_dir[PATH_SIZE], address[PATH_SIZE], rootfs[PATH_SIZE];
	char cgroup[PATH_SIZE]; /* parent of the containers' */
	char ports[PATH_SIZE];	/* KIHON_AGENT_PORTS (agent/port.h): a directory, or "local" */
	char config[PATH_SIZE]; /* its configuration file; empty: none */
	pid_t agent_pid;
	struct loop *loop;
	struct ttrpc_client *client;
};

/* Unshares mounts, or exits 77 with the reason. Before cmocka runs. */
void fixture_require(void);
/* The first half of it: for who changes the mounts before the second. */
void fixture_require_namespace(void);
int fixture_set_up(void **state);
/* With a configuration file of this text; NULL: none. */
int fixture_set_up_with(void **state, const char *config);
int fixture_tear_down(void **state);

/* Another connection to the same agent; freed by its user. */
struct ttrpc_client *fixture_connect(struct fixture *f);
/* A bare socket. */
int fixture_socket(const struct fixture *f);
/* Connects to a port of the agent, from a port of its own (0: from none). */
int fixture_connect_port(const struct fixture *f, uint32_t number, uint32_t own);
/* Listens where the agent looks for a port of the host. */
int fixture_listen_port(const struct fixture *f, uint32_t number);
/* From now on the ports are vsock's, and this machine is the host; leaves with 77 where vsock has no
 * loopback. Before cmocka runs. */
void fixture_require_vsock(void);

/* RssAnon, and how many files it has open. */
size_t fixture_agent_memory_kb(const struct fixture *f);
size_t fixture_count_fds(const struct fixture *f);

/* A call in flight. reply is owned; NULL after a failure or when no descriptor was given. */
struct reply {
	const ProtobufCMessageDescriptor *desc;
	bool done;
	struct err err;
	ProtobufCMessage *message;
	struct ttrpc_pending *pending;
};

/* On f->client; the service is grpc.AgentService. desc NULL: the reply has no content. */
void call_start(struct fixture *f, const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *desc, struct reply *reply);
void call_start_on(struct fixture *f, struct ttrpc_client *client, const char *method,
	const ProtobufCMessage *request, int64_t timeout_ns, const ProtobufCMessageDescriptor *desc,
	struct reply *reply);
void call_wait(struct fixture *f, struct reply *reply);
void reply_fini(struct reply *reply);
/* Start and wait; 0 or the status. text may be NULL. */
int call(struct fixture *f, const char *method, const ProtobufCMessage *request, struct err *err);
/* Lets the loop run until *condition, or fails the test. */
void run_until(struct fixture *f, const bool *condition);

/* Requests borrow text as char *, and only read it. */
static inline char *text(const char *s)
{
	return message_text(s);
}

/* A container that runs a shell script, or args if script is NULL. */
struct container_options {
	const char *id;
	const char *script;
	char **args; /* NULL-terminated */
	bool terminal, shared_pid;
	uint32_t ports[3];	  /* where its streams come from (agent/passfd.h) */
	const char *cgroups_path; /* NULL: one of the test's own */
	const char *root;	  /* NULL: the busybox one */
	Grpc__Storage **storages;
	size_t n_storages;
	int64_t timeout_ns;	     /* of the creation; 0: none */
	struct ttrpc_client *client; /* NULL: the fixture's */
	struct reply *reply;	     /* given: the call is only started */
	/* Changes the request before it is sent. */
	void (*amend)(Grpc__CreateContainerRequest *request, void *data);
	void *data;
};
int create_container(struct fixture *f, const struct container_options *o, struct err *err);
int start_container(struct fixture *f, const char *id);
/* Both, which must succeed. */
void run_container(struct fixture *f, const char *id, const char *script);
int remove_container(struct fixture *f, const char *id);
int create_sandbox(struct fixture *f, const char *hostname);

int exec_process(struct fixture *f, const char *id, const char *exec_id, const char *script,
	bool terminal, struct err *err);
void exec_start_ports(struct fixture *f, const char *id, const char *exec_id, const char *script,
	bool terminal, const uint32_t ports[3], struct reply *reply);
int exec_args(struct fixture *f, const char *id, const char *exec_id, char **args, struct err *err);
void exec_start(struct fixture *f, const char *id, const char *exec_id, const char *script,
	int64_t timeout_ns, struct reply *reply);
int signal_process(
	struct fixture *f, const char *id, const char *exec_id, uint32_t signo, struct err *err);
/* The exit code, or minus the status of a failed call. */
int wait_process(struct fixture *f, const char *id, const char *exec_id);
void wait_start(struct fixture *f, const char *id, const char *exec_id, struct reply *reply);
void wait_start_on(struct fixture *f, struct ttrpc_client *client, const char *id,
	const char *exec_id, struct reply *reply);
int wait_code(const struct reply *reply);

void read_start(struct fixture *f, const char *method, const char *id, const char *exec_id,
	uint32_t len, struct reply *reply);
void read_start_on(struct fixture *f, struct ttrpc_client *client, const char *id,
	int64_t timeout_ns, struct reply *reply);
/* Appends what a read that is done gave, and frees it; 0 at the end, or minus a status. */
int read_result(struct reply *reply, struct buf *out);
/* Appends what one read gives; 0 at the end, or minus a status. */
int read_once(struct fixture *f, const char *method, const char *id, const char *exec_id,
	struct buf *out);
/* Reads stdout to its end. */
void read_all(struct fixture *f, const char *id, const char *exec_id, struct buf *out);
void write_start(struct fixture *f, const char *id, const char *exec_id, struct slice data,
	struct reply *reply);
int write_stdin(struct fixture *f, const char *id, const char *exec_id, struct slice data);
int close_stdin(struct fixture *f, const char *id, const char *exec_id);

#define agent_test(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
