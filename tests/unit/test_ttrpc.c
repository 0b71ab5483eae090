/* SPDX-License-Identifier: Apache-2.0 */
/* Our server and our client together. What each does with a peer that is not ours:
 * test_ttrpc_server.c, test_ttrpc_client.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "loop_until.h"
#include "oom.h"
#include "wire/dial.h"
#include "wire/message.h"
#include "wire/status.h"
#include "wire/ttrpc_client.h"
#include "wire/ttrpc_server.h"

enum { MAX_PARKED = 16 };

struct fixture {
	struct loop *loop;
	struct ttrpc_server *server;
	struct ttrpc_client *client;
	struct ttrpc_call *parked[MAX_PARKED];
	size_t n_parked, n_cancelled;
	size_t n_replies, n_failures, n_closed;
	struct err last;
	int32_t exit_status;
	int order[MAX_PARKED];
};

static void handle_check(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	(void)request;
	(void)user;
	MESSAGE_SET(&reply, status, GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	ttrpc_call_reply(call, &reply.base);
}

static void on_cancel(void *data)
{
	struct fixture *f = data;

	f->n_cancelled++;
}

static void handle_wait(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct fixture *f = user;

	(void)request;
	assert_true(f->n_parked < MAX_PARKED);
	ttrpc_call_on_cancel(call, on_cancel, f);
	f->parked[f->n_parked++] = call;
}

static void handle_signal(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct err err = ERR_INIT;

	(void)request;
	(void)user;
	err_set(&err, ESRCH, "no such process");
	ttrpc_call_fail(call, &err);
}

static const struct ttrpc_method methods[] = {
	{"grpc.Health", "Check", &grpc__check_request__descriptor, handle_check},
	{"grpc.AgentService", "WaitProcess", &grpc__wait_process_request__descriptor, handle_wait},
	{"grpc.AgentService", "SignalProcess", &grpc__signal_process_request__descriptor,
		handle_signal},
};

static void on_closed(void *data, const struct err *why)
{
	struct fixture *f = data;

	f->n_closed++;
	f->last = *why;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct ttrpc_server_config config = {.methods = methods,
		.n_methods = ARRAY_SIZE(methods),
		.user = f,
		.unknown_service_status = WIRE_INVALID_ARGUMENT};
	int fds[2];

	*state = f;
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(ttrpc_server_new(f->loop, -1, &config, &f->server), 0);
	assert_int_equal(ttrpc_server_add(f->server, fds[0]), 0);
	assert_int_equal(ttrpc_client_new(f->loop, fds[1], on_closed, f, &f->client), 0);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ttrpc_client_free(f->client);
	ttrpc_server_free(f->server);
	for (size_t i = 0; i < f->n_parked; i++)
		if (f->parked[i])
			ttrpc_call_drop(f->parked[i]);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct fixture *f = data;

	if (err) {
		f->n_failures++;
		f->last = *err;
		return;
	}
	if (reply && reply->descriptor == &grpc__wait_process_response__descriptor) {
		f->exit_status = ((const Grpc__WaitProcessResponse *)reply)->status;
		f->order[f->n_replies] = f->exit_status;
	}
	if (reply && reply->descriptor == &grpc__health_check_response__descriptor)
		assert_int_equal(((const Grpc__HealthCheckResponse *)reply)->status, 1);
	f->n_replies++;
}

static void call_wait(struct fixture *f, int64_t timeout_ns, struct ttrpc_pending **ret)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;
	char id[] = "c1";

	request.container_id = id;
	assert_int_equal(
		ttrpc_client_call(f->client, "grpc.AgentService", "WaitProcess", &request.base,
			timeout_ns, &grpc__wait_process_response__descriptor, on_reply, f, ret),
		0);
}

static void reply_wait(struct fixture *f, size_t i, int32_t status)
{
	Grpc__WaitProcessResponse reply = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	MESSAGE_SET(&reply, status, status);
	ttrpc_call_reply(f->parked[i], &reply.base);
	f->parked[i] = NULL;
}

static int try_check(struct fixture *f)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	return ttrpc_client_call(f->client, "grpc.Health", "Check", &request.base, NS_PER_S,
		&grpc__health_check_response__descriptor, on_reply, f, NULL);
}

static void a_call_is_answered_from_the_loop(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(try_check(f), 0);
	assert_int_equal(f->n_replies, 0);
	loop_until(f->loop, f->n_replies >= 1);
	assert_int_equal(f->n_failures, 0);
	assert_true(ttrpc_server_is_idle(f->server));
}

static void parked_calls_are_answered_in_any_order(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		call_wait(f, 0, NULL);
	loop_until(f->loop, f->n_parked >= 3);
	assert_false(ttrpc_server_is_idle(f->server));
	reply_wait(f, 2, -2);
	reply_wait(f, 0, 137);
	reply_wait(f, 1, 1);
	loop_until(f->loop, f->n_replies >= 3);
	assert_int_equal(f->order[0], -2);
	assert_int_equal(f->order[1], 137);
	assert_int_equal(f->order[2], 1);
}

static void a_failure_carries_status_and_text(void **state)
{
	struct fixture *f = *state;
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	assert_int_equal(ttrpc_client_call(f->client, "grpc.AgentService", "SignalProcess",
				 &request.base, 0, NULL, on_reply, f, NULL),
		0);
	loop_until(f->loop, f->n_failures >= 1);
	assert_int_equal(f->last.code, ENOENT);
	assert_int_equal(f->last.status, WIRE_NOT_FOUND);
	assert_string_equal(f->last.msg, "no such process");
}

static void a_timeout_ends_the_call_at_both_ends(void **state)
{
	struct fixture *f = *state;

	call_wait(f, 20 * NS_PER_MS, NULL);
	loop_until(f->loop, f->n_failures >= 1);
	assert_int_equal(f->last.code, ETIMEDOUT);
	loop_until(f->loop, f->n_cancelled >= 1);
	/* The server's own answer, late, is not taken for a wrong stream. */
	call_wait(f, 0, NULL);
	loop_until(f->loop, f->n_parked >= 2);
	reply_wait(f, 1, 7);
	loop_until(f->loop, f->n_replies >= 1);
	assert_int_equal(f->exit_status, 7);
	assert_int_equal(f->n_closed, 0);
	/* Its handler may still finish; that goes nowhere. */
	assert_true(ttrpc_call_is_cancelled(f->parked[0]));
	reply_wait(f, 0, 9);
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	assert_int_equal(f->n_replies, 1);
}

static void a_peer_that_leaves_cancels_its_calls(void **state)
{
	struct fixture *f = *state;

	call_wait(f, 0, NULL);
	call_wait(f, 0, NULL);
	loop_until(f->loop, f->n_parked >= 2);
	ttrpc_client_free(f->client);
	f->client = NULL;
	loop_until(f->loop, f->n_cancelled >= 2);
	assert_false(ttrpc_server_is_idle(f->server));
	ttrpc_call_drop(f->parked[0]);
	ttrpc_call_drop(f->parked[1]);
	f->n_parked = 0;
	assert_true(ttrpc_server_is_idle(f->server));
}

static void a_server_that_ends_fails_every_pending_call(void **state)
{
	struct fixture *f = *state;

	call_wait(f, 0, NULL);
	call_wait(f, 0, NULL);
	loop_until(f->loop, f->n_parked >= 2);
	ttrpc_server_free(f->server);
	f->server = NULL;
	assert_int_equal(f->n_cancelled, 2);
	loop_until(f->loop, f->n_closed >= 1);
	assert_int_equal(f->n_failures, 2);
	assert_int_equal(f->last.code, ECONNRESET);
}

static void a_cancelled_call_is_not_called_back(void **state)
{
	struct fixture *f = *state;
	struct ttrpc_pending *pending;

	call_wait(f, 0, &pending);
	call_wait(f, 0, NULL);
	loop_until(f->loop, f->n_parked >= 2);
	ttrpc_pending_cancel(pending);
	reply_wait(f, 0, 1);
	reply_wait(f, 1, 2);
	loop_until(f->loop, f->n_replies >= 1);
	assert_int_equal(f->exit_status, 2);
	assert_int_equal(f->n_closed, 0);
}

/* Whatever fails, and at whichever end: the call ends, once. */
static void a_call_survives_no_memory(void **state)
{
	OOM_SWEEP(n)
	{
		struct fixture *f;
		int r;

		tear_down(state);
		set_up(state);
		f = *state;
		oom_arm(n);
		r = try_check(f);
		while (r == 0 && f->n_replies + f->n_failures == 0)
			assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
		oom_disarm();
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(f->n_replies + f->n_failures, r == 0);
	}
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* The socket is taken over either way. */
static void ends_that_cannot_be_made_close_their_socket(void **state)
{
	struct fixture *f = *state;
	const struct ttrpc_server_config config = {
		.methods = methods, .n_methods = ARRAY_SIZE(methods)};

	OOM_SWEEP(n)
	{
		struct ttrpc_server *server = NULL;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		oom_arm(n);
		if (ttrpc_server_new(f->loop, fds[0], &config, &server) == 0)
			(void)!ttrpc_server_add(server, fds[1]);
		else
			close(fds[1]);
		ttrpc_server_free(server);
		oom_disarm();
		assert_false(is_open(fds[0]) || is_open(fds[1]));
	}
	OOM_SWEEP(n)
	{
		struct ttrpc_client *client = NULL;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		oom_arm(n);
		if (ttrpc_client_new(f->loop, fds[0], NULL, NULL, &client) == 0)
			ttrpc_client_free(client);
		oom_disarm();
		assert_false(is_open(fds[0]));
		close(fds[1]);
	}
	OOM_SWEEP(n)
	{
		const struct dial_config dial_config = {.address = "unix:///nowhere"};
		struct dial *dial = NULL;
		struct err err = ERR_INIT;

		oom_arm(n);
		if (dial_start(f->loop, &dial_config, NULL, NULL, &dial, &err) < 0)
			assert_int_equal(err.code, ENOMEM);
		dial_cancel(dial);
		oom_disarm();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_call_is_answered_from_the_loop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			parked_calls_are_answered_in_any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_failure_carries_status_and_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_timeout_ends_the_call_at_both_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_peer_that_leaves_cancels_its_calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_server_that_ends_fails_every_pending_call, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_cancelled_call_is_not_called_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_survives_no_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			ends_that_cannot_be_made_close_their_socket, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
