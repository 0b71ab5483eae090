/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a call: its end by deadline, by its peer, by its server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "base/clock.h"
#include "ttrpc_peer.h"

static void calls_may_be_dropped_while_they_are_cancelled(void **state)
{
	struct fixture *f = *state;

	f->drops_on_cancel = true;
	for (uint32_t i = 0; i < 100; i++)
		send_request(f, 2 * i + 1, wait_process);
	run_until(f, &f->n_parked, 100);
	close_peer(f);
	run_until(f, &f->n_cancelled, 100);
	assert_true(ttrpc_server_is_idle(f->server));
}

static void a_half_closed_peer_gets_what_was_answered(void **state)
{
	struct fixture *f = *state;

	f->reply_size = 1 << 20;
	send_request(f, 1, wait_process);
	send_request(f, 3, metrics);
	send_request(f, 5, check);
	assert_int_equal(shutdown(f->peer.fd, SHUT_WR), 0);
	expect_response(f, 3, WIRE_OK, "");
	expect_response(f, 5, WIRE_OK, "");
	assert_false(next_response(f));
	assert_int_equal(f->n_cancelled, 1);
}

static void a_deadline_is_answered_once(void **state)
{
	struct fixture *f = *state;
	struct request r = wait_process;

	r.timeout_ns = NS_PER_MS;
	send_request(f, 1, r);
	run_until(f, &f->n_parked, 1);
	assert_true(ttrpc_call_deadline_ns(f->parked[0]) < clock_now_ns() + NS_PER_S);
	run_until(f, &f->n_cancelled, 1);
	expect_response(f, 1, WIRE_DEADLINE_EXCEEDED, "timeout");
	assert_true(ttrpc_call_is_cancelled(f->parked[0]));
	ttrpc_call_reply(f->parked[0], NULL);
	f->n_parked = 0;
	expect_alive(f, 3);
	/* A second cause does not cancel again. */
	send_request(f, 5, r);
	run_until(f, &f->n_cancelled, 2);
	close_peer(f);
	run(f);
	run(f);
	assert_int_equal(f->n_cancelled, 2);
}

static void deadlines_pass_in_their_order(void **state)
{
	struct fixture *f = *state;
	struct request r = wait_process;

	r.timeout_ns = 20 * NS_PER_MS;
	send_request(f, 1, r);
	r.timeout_ns = NS_PER_MS;
	send_request(f, 3, r);
	r.timeout_ns = 10 * NS_PER_MS;
	send_request(f, 5, r);
	expect_response(f, 3, WIRE_DEADLINE_EXCEEDED, "timeout");
	expect_response(f, 5, WIRE_DEADLINE_EXCEEDED, "timeout");
	expect_response(f, 1, WIRE_DEADLINE_EXCEEDED, "timeout");
}

static void no_timeout_and_an_absurd_one_never_pass(void **state)
{
	const int64_t timeouts_ns[] = {0, -1, INT64_MIN, INT64_MAX};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < ARRAY_SIZE(timeouts_ns); i++) {
		struct request r = wait_process;

		r.timeout_ns = timeouts_ns[i];
		send_request(f, 2 * i + 1, r);
		run_until(f, &f->n_parked, i + 1);
		assert_true(ttrpc_call_deadline_ns(f->parked[i]) == INT64_MAX);
	}
	run(f);
	assert_int_equal(f->n_cancelled, 0);
}

static void metadata_is_found_by_key(void **state)
{
	static const char *const pairs[] = {
		"x", "1", "TraceParent", "first", "traceparent", "second", NULL};
	static const char *const valueless[] = {"traceparent", NULL, NULL};
	struct fixture *f = *state;
	struct request r = check;

	r.metadata = pairs;
	send_request(f, 1, r);
	expect_response(f, 1, WIRE_OK, "");
	assert_string_equal(f->metadata, "first");
	r.metadata = valueless;
	send_request(f, 3, r);
	expect_response(f, 3, WIRE_OK, "");
	assert_string_equal(f->metadata, "");
	send_request(f, 5, check);
	expect_response(f, 5, WIRE_OK, "");
	assert_string_equal(f->metadata, "(none)");
}

static void a_call_shows_its_request_and_method(void **state)
{
	struct fixture *f = *state;
	struct request r = wait_process;
	static const char *const pairs[] = {"k", "v", NULL};

	r.payload = slice_of("\x0a\2c1", 4);
	r.metadata = pairs;
	send_request(f, 1, r);
	run_until(f, &f->n_parked, 1);
	assert_string_equal(ttrpc_call_method(f->parked[0])->method, "WaitProcess");
	assert_string_equal(
		((const Grpc__WaitProcessRequest *)ttrpc_call_request(f->parked[0]))->container_id,
		"c1");
	assert_string_equal(ttrpc_call_metadata(f->parked[0], "k"), "v");
	assert_null(ttrpc_call_metadata(f->parked[0], "v"));
}

static void an_error_that_quotes_nonsense_is_utf_8(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	send_request(f, 1, wait_process);
	run_until(f, &f->n_parked, 1);
	err_status(&err, EINVAL, WIRE_INVALID_ARGUMENT, "open /\xff\xc3 \n\xe2\x82\xac");
	ttrpc_call_fail(take_ptr(&f->parked[0]), &err);
	expect_response(f, 1, WIRE_INVALID_ARGUMENT, "open /??  \xe2\x82\xac");
}

static void a_call_dropped_too_early_is_an_internal_error(void **state)
{
	struct fixture *f = *state;

	send_request(f, 1, wait_process);
	run_until(f, &f->n_parked, 1);
	ttrpc_call_drop(f->parked[0]);
	f->n_parked = 0;
	expect_response(f, 1, WIRE_INTERNAL, "the call was dropped");
}

static void who_asks_late_is_told_from_the_loop(void **state)
{
	struct fixture *f = *state;

	send_request(f, 1, wait_process);
	run_until(f, &f->n_parked, 1);
	ttrpc_call_on_cancel(f->parked[0], NULL, NULL);
	close_peer(f);
	while (!ttrpc_call_is_cancelled(f->parked[0]))
		run(f);
	assert_int_equal(f->n_cancelled, 0);
	ttrpc_call_on_cancel(f->parked[0], on_cancel, f);
	assert_int_equal(f->n_cancelled, 0);
	run_until(f, &f->n_cancelled, 1);
	/* Asked, but nobody runs the loop again: the end of the server tells. */
	ttrpc_call_on_cancel(f->parked[0], on_cancel, f);
	ttrpc_server_free(f->server);
	f->server = NULL;
	assert_int_equal(f->n_cancelled, 2);
}

static void on_flushed(void *data)
{
	struct fixture *f = data;

	f->n_flushed++;
	if (f->frees_server) {
		ttrpc_server_free(f->server);
		f->server = NULL;
	}
}

static void flushed_means_sent(void **state)
{
	struct fixture *f = *state;

	f->reply_size = 3 << 20;
	send_request(f, 1, metrics);
	run_until(f, &f->n_handled, 1);
	assert_int_equal(ttrpc_server_on_flushed(f->server, on_flushed, f), 0);
	assert_int_equal(ttrpc_server_on_flushed(f->server, on_flushed, f), -EBUSY);
	for (int i = 0; i < 10; i++)
		run(f);
	assert_int_equal(f->n_flushed, 0);
	expect_response(f, 1, WIRE_OK, "");
	run_until(f, &f->n_flushed, 1);
	/* Nothing queued: told at once, but from the loop. */
	assert_int_equal(ttrpc_server_on_flushed(f->server, on_flushed, f), 0);
	assert_int_equal(f->n_flushed, 1);
	run_until(f, &f->n_flushed, 2);
}

static void a_peer_that_leaves_counts_as_flushed(void **state)
{
	struct fixture *f = *state;

	f->reply_size = 3 << 20;
	f->frees_server = true;
	send_request(f, 1, metrics);
	run_until(f, &f->n_handled, 1);
	assert_int_equal(ttrpc_server_on_flushed(f->server, on_flushed, f), 0);
	close_peer(f);
	run_until(f, &f->n_flushed, 1);
	assert_null(f->server);
}

static void a_handler_may_end_the_server(void **state)
{
	struct fixture *f = *state;

	f->frees_server = true;
	send_request(f, 1, wait_process);
	send_request(f, 3, check);
	send_request(f, 5, check);
	run_until(f, &f->n_handled, 1);
	assert_null(f->server);
	assert_int_equal(f->n_cancelled, 1);
	assert_false(next_response(f));
	assert_int_equal(f->n_handled, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STARTED(calls_may_be_dropped_while_they_are_cancelled),
		STARTED(a_half_closed_peer_gets_what_was_answered),
		STARTED(a_deadline_is_answered_once),
		STARTED(deadlines_pass_in_their_order),
		STARTED(no_timeout_and_an_absurd_one_never_pass),
		STARTED(metadata_is_found_by_key),
		STARTED(a_call_shows_its_request_and_method),
		STARTED(an_error_that_quotes_nonsense_is_utf_8),
		STARTED(a_call_dropped_too_early_is_an_internal_error),
		STARTED(who_asks_late_is_told_from_the_loop),
		STARTED(flushed_means_sent),
		STARTED(a_peer_that_leaves_counts_as_flushed),
		STARTED(a_handler_may_end_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
