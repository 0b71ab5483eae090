/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The task API from a client's end, with stand-ins for QEMU, virtiofsd (fake_qemu.h) and the guest
 * (fake_agent.h), and a containerd that notes the events. Each test has a daemon of its own, in the
 * test's process; tear-down checks that it has left nothing.
 *
 * Needs root for its mounts, and a host without /dev/vhost-vsock (there the kernel would be the way
 * to the guest).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fake_agent.h"
#include "shim/shim.h"
#include "task.pb-c.h"
#include "wire/ttrpc_client.h"

struct fixture {
	char dir[40], run_root[64], bundle[64], config[64], address[64], events_address[64],
		script[FAKE_AGENT_SCRIPT_SIZE];
	/* Of what is created or added; "": none. */
	char output[512]; /* stdout and stderr */
	char input[128];  /* stdin */
	bool terminal;
	struct cli cli;
	struct shim shim;
	struct ttrpc_client *client;
	struct ttrpc_server *containerd;
	struct buf events; /* "/tasks/create c1\n" and so on, in the order of their coming */
};

/* One call's answer. */
struct answer {
	bool has_come;
	int status; /* 0: fine */
	char msg[256];
	uint32_t pid, exit_status;
	size_t n_processes;
	int task_status;
	char stats_type[64];
	struct slice stats; /* good until the next Stats */
};

/* For main(): the status to exit with, because this process plays a part or cannot run the tests;
 * -1: run them. */
int fixture_main(int argc, char **argv);
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
#define shim_test(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

/* The client leaves, and another one takes its place. */
void fixture_reconnect(struct fixture *f);

/* What the guest (fake_agent.h) and QEMU (fake_qemu.h) are to do; before create(). */
void script(struct fixture *f, const char *words);
void configure(struct fixture *f, const char *qemu_word);
void write_file(const char *dir, const char *name, const char *text);
/* config.json, with these members in its annotations, and this root file system. */
void fixture_write_bundle(struct fixture *f, const char *annotations, const char *rootfs);
#define FIXTURE_TYPE(type) "\"io.kubernetes.cri.container-type\":\"" type "\""
#define FIXTURE_SANDBOX(id) "\"io.kubernetes.cri.sandbox-id\":\"" id "\""
/* No process of ours, no directory of any sandbox. */
void assert_nothing_left(struct fixture *f);

/* Lets the loop run until *flag, or fails the test. */
void run_until(struct fixture *f, const bool *flag);
/* The same until this event has come, as "/tasks/exit c1". */
void run_until_event(struct fixture *f, const char *event);

#define INIT(type) CONTAINERD__TASK__V2__##type##__INIT
extern char c1[];
extern char *task_id; /* the container's id in all that follows: c1 unless a test changes it */

/* reply NULL: it has no content. */
void begin(struct fixture *f, struct answer *a, const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *reply);
struct answer call(struct fixture *f, const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *reply);
void begin_create(struct fixture *f, struct answer *a);
struct answer create(struct fixture *f);
/* exec_id NULL: the container. */
struct answer start(struct fixture *f, char *exec_id);
void begin_wait(struct fixture *f, struct answer *a, char *exec_id);
struct answer state(struct fixture *f);
struct answer kill_task(struct fixture *f, char *exec_id, uint32_t signo);
struct answer delete_task(struct fixture *f, char *exec_id);
void begin_pause(struct fixture *f, struct answer *a);
struct answer pause_task(struct fixture *f);
struct answer resume_task(struct fixture *f);
struct answer resize(struct fixture *f, char *exec_id);
struct answer exec(struct fixture *f, char *exec_id);
