/* SPDX-License-Identifier: Apache-2.0 */
/* Events against a containerd that runs on the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "events.pb-c.h"
#include "forward.pb-c.h"
#include "loop_until.h"
#include "shim/events.h"
#include "wire/dial.h"
#include "wire/message.h"
#include "wire/status.h"
#include "wire/ttrpc_server.h"

enum { LIMIT_S = 20, MAX_SEEN = 8 };

struct fixture {
	struct loop *loop;
	struct events *events;
	struct ttrpc_server *containerd;
	char dir[32], address[64];
	bool refuses;

	char topics[MAX_SEEN][32], types[MAX_SEEN][48];
	uint32_t exit_status;
	int64_t exited_at_ns;
	size_t n_seen, n_flushed;
	uint32_t pids[2]; /* of the first and the last /tasks/start */
};

/* Of many, only who they are. */
static void note_start(struct fixture *f, const ProtobufCBinaryData *event)
{
	struct message_budget budget = {.limit = 1 << 20};
	ProtobufCMessage *message;

	assert_int_equal(message_decode(&containerd__events__task_start__descriptor,
				 slice_of(event->data, event->len), &budget, &message, NULL),
		0);
	f->pids[1] = ((const Containerd__Events__TaskStart *)message)->pid;
	if (f->n_seen == 0)
		f->pids[0] = f->pids[1];
	message_free(message, &budget);
}

static void on_forward(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *request =
		(const void *)message;
	const Containerd__Services__Events__Ttrpc__V1__Envelope *e = request->envelope;
	struct message_budget budget = {.limit = 1 << 20};
	struct fixture *f = user;
	struct err err = ERR_INIT;
	ProtobufCMessage *event;

	assert_string_equal(e->namespace_, "default");
	assert_true(e->timestamp->seconds > 0);
	if (f->n_seen < MAX_SEEN) {
		snprintf(f->topics[f->n_seen], sizeof(f->topics[0]), "%s", e->topic);
		snprintf(f->types[f->n_seen], sizeof(f->types[0]), "%s", e->event->type_url);
	}
	if (strcmp(e->topic, "/tasks/start") == 0)
		note_start(f, &e->event->value);
	if (strcmp(e->topic, "/tasks/exit") == 0) {
		const Containerd__Events__TaskExit *exit;

		assert_int_equal(message_decode(&containerd__events__task_exit__descriptor,
					 slice_of(e->event->value.data, e->event->value.len),
					 &budget, &event, NULL),
			0);
		exit = (const void *)event;
		assert_string_equal(exit->container_id, "c1");
		assert_string_equal(exit->id, "e1");
		assert_int_equal(exit->pid, 77);
		f->exit_status = exit->exit_status;
		f->exited_at_ns = exit->exited_at->seconds * NS_PER_S + exit->exited_at->nanos;
		message_free(event, &budget);
	}
	f->n_seen++;
	err_status(&err, EIO, WIRE_INTERNAL, "no room for events");
	if (f->refuses)
		ttrpc_call_fail(call, &err);
	else
		ttrpc_call_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {
	{"containerd.services.events.ttrpc.v1.Events", "Forward",
		&containerd__services__events__ttrpc__v1__forward_request__descriptor, on_forward},
};

static void start_containerd(struct fixture *f)
{
	struct ttrpc_server_config server = {
		.methods = methods, .n_methods = ARRAY_SIZE(methods), .user = f};

	assert_int_equal(
		ttrpc_server_new(f->loop, dial_listen(f->address, NULL), &server, &f->containerd),
		0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_events.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->address, sizeof(f->address), "unix://%s/containerd", f->dir);
	assert_int_equal(loop_new(&f->loop), 0);
	/* containerd gives the bare path. */
	assert_int_equal(
		events_new(f->loop, f->address + strlen("unix://"), "default", &f->events), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	events_free(f->events);
	ttrpc_server_free(f->containerd);
	loop_free(f->loop);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

static void publish_a_life(struct fixture *f)
{
	Containerd__Task__V2__CreateTaskRequest request =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	const struct events_exit exit = {.pid = 77, .status = 137, .at_ns = 12 * NS_PER_S + 345};
	char id[] = "c1";

	request.id = id;
	events_create(f->events, &request, 77);
	events_start(f->events, "c1", 77);
	events_exec_added(f->events, "c1", "e1");
	events_exec_started(f->events, "c1", "e1", 77);
	events_exit(f->events, "c1", "e1", &exit);
	events_delete(f->events, "c1", "c1", &exit);
}

static void check_a_life(const struct fixture *f)
{
	static const char *const topics[] = {"/tasks/create", "/tasks/start", "/tasks/exec-added",
		"/tasks/exec-started", "/tasks/exit", "/tasks/delete"};
	static const char *const types[] = {"TaskCreate", "TaskStart", "TaskExecAdded",
		"TaskExecStarted", "TaskExit", "TaskDelete"};

	for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
		char type[48];

		snprintf(type, sizeof(type), "containerd.events.%s", types[i]);
		assert_string_equal(f->topics[i], topics[i]);
		assert_string_equal(f->types[i], type);
	}
	assert_int_equal(f->exit_status, 137);
	assert_true(f->exited_at_ns == 12 * NS_PER_S + 345);
}

static void on_flushed(void *data)
{
	struct fixture *f = data;

	f->n_flushed++;
}

static void events_arrive_in_their_order(void **state)
{
	struct fixture *f = *state;

	start_containerd(f);
	publish_a_life(f);
	loop_until_count(f->loop, &f->n_seen, 6);
	check_a_life(f);
}

static void events_wait_for_a_containerd_that_restarts(void **state)
{
	struct fixture *f = *state;

	publish_a_life(f);
	assert_int_equal(loop_run_once(f->loop, 10 * NS_PER_MS), 0);
	start_containerd(f);
	loop_until_count(f->loop, &f->n_seen, 6);
	check_a_life(f);
	/* Gone once more: the next one is kept and sent over a new connection. */
	ttrpc_server_free(f->containerd);
	f->containerd = NULL;
	unlink(f->address + strlen("unix://"));
	loop_settle(f->loop);
	events_start(f->events, "c2", 1);
	start_containerd(f);
	loop_until_count(f->loop, &f->n_seen, 7);
	assert_string_equal(f->topics[6], "/tasks/start");
}

static void a_containerd_that_stays_away_costs_the_oldest(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 1; i <= 2048 + 5; i++)
		events_start(f->events, "c1", i);
	start_containerd(f);
	loop_until_count(f->loop, &f->n_seen, 2048);
	assert_int_equal(f->pids[0], 1 + 5);
	assert_int_equal(f->pids[1], 2048 + 5);
	/* And it goes on. */
	events_start(f->events, "c1", 1);
	loop_until_count(f->loop, &f->n_seen, 2048 + 1);
}

static void what_containerd_refuses_is_not_repeated(void **state)
{
	struct fixture *f = *state;

	f->refuses = true;
	start_containerd(f);
	events_start(f->events, "c1", 1);
	events_start(f->events, "c1", 2);
	assert_int_equal(
		events_on_flushed(f->events, clock_now_ns() + LIMIT_S * NS_PER_S, on_flushed, f),
		0);
	loop_until_count(f->loop, &f->n_flushed, 1);
	assert_int_equal(f->n_seen, 2);
}

static void a_flush_ends_at_its_deadline(void **state)
{
	struct fixture *f = *state;

	events_start(f->events, "c1", 1);
	assert_int_equal(
		events_on_flushed(f->events, clock_now_ns() + 20 * NS_PER_MS, on_flushed, f), 0);
	loop_until_count(f->loop, &f->n_flushed, 1);
	loop_settle(f->loop);
	assert_int_equal(f->n_flushed, 1);
}

static void without_an_address_nothing_is_kept(void **state)
{
	struct fixture *f = *state;
	struct events *events;

	assert_int_equal(events_new(f->loop, NULL, "default", &events), 0);
	events_start(events, "c1", 1);
	assert_int_equal(events_on_flushed(events, INT64_MAX, on_flushed, f), 0);
	loop_until_count(f->loop, &f->n_flushed, 1);
	events_free(events);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(events_arrive_in_their_order),
		TEST(events_wait_for_a_containerd_that_restarts),
		TEST(a_containerd_that_stays_away_costs_the_oldest),
		TEST(what_containerd_refuses_is_not_repeated),
		TEST(a_flush_ends_at_its_deadline),
		TEST(without_an_address_nothing_is_kept),
	};

	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
