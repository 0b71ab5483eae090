/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim's agent client and output streams take from a guest whose frames are in order but
 * whose answers are absurd. Frames out of order: test_ttrpc_client; both in a real VM:
 * tests/e2e/hostile.bats.
 */
#include <stdlib.h>
#include <string.h>

#include "guest_rig.h"
#include "runtime/stream.h"

enum { MIB = 1 << 20 };

struct fixture {
	struct guest_rig rig;

	/* The guest's answers. */
	size_t chunk;	      /* bytes for each read */
	size_t text, n_texts; /* in its details */
	size_t n_reads;

	size_t n_ended, n_replies, n_failures;
	struct err why;
};

static void on_read(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	static uint8_t bytes[MIB];
	Grpc__ReadStreamResponse reply = GRPC__READ_STREAM_RESPONSE__INIT;
	struct fixture *f = user;

	(void)request;
	f->n_reads++;
	reply.has_data = 1;
	reply.data.data = bytes;
	reply.data.len = f->chunk;
	ttrpc_call_reply(call, &reply.base);
}

static void on_details(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__GuestDetailsResponse reply = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails details = GRPC__AGENT_DETAILS__INIT;
	struct fixture *f = user;
	auto_free char *text = calloc(1, f->text + 1);
	auto_free char **list = calloc(f->n_texts, sizeof(*list));

	(void)request;
	memset(text, 'x', f->text);
	for (size_t i = 0; i < f->n_texts; i++)
		list[i] = text;
	details.device_handlers = list;
	details.n_device_handlers = f->n_texts;
	reply.agent_details = &details;
	ttrpc_call_reply(call, &reply.base);
}

static const struct ttrpc_method methods[] = {
	GUEST_METHOD("ReadStdout", read_stream_request, on_read),
	GUEST_METHOD("GetGuestDetails", guest_details_request, on_details),
};

static void on_ended(void *data)
{
	struct fixture *f = data;

	f->n_ended++;
}

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct fixture *f = data;

	f->n_replies += reply != NULL;
	f->n_failures += err != NULL;
	if (err)
		f->why = *err;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_rig_init(&f->rig, methods, ARRAY_SIZE(methods), f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	guest_rig_fini(&f->rig);
	free(f);
	return 0;
}

static struct stream_out *start_stream(struct fixture *f)
{
	struct stream_config config = {.loop = f->rig.loop, .cid = "c1", .eid = ""};
	struct stdio_sink sink = STDIO_SINK_INIT;
	struct stream_out *s;

	assert_int_equal(stream_out_new(&config, &sink, AGENT_READ_STDOUT, &s, NULL), 0);
	assert_int_equal(stream_out_start(s, f->rig.agent, on_ended, f), 0);
	return s;
}

static void more_output_than_was_asked_for_ends_the_stream(void **state)
{
	struct fixture *f = *state;
	struct stream_out *s;

	f->chunk = STREAM_CHUNK_SIZE + 1;
	s = start_stream(f);
	run_until(&f->rig, &f->n_ended, 1);
	assert_int_equal(f->n_reads, 1);
	assert_int_equal(f->rig.n_lost, 0);
	stream_out_free(s);
}

static void output_that_goes_on_after_the_kill_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct stream_out *s;

	f->chunk = STREAM_CHUNK_SIZE;
	s = start_stream(f);
	run_until(&f->rig, &f->n_reads, 1000);
	assert_int_equal(f->n_ended, 0);
	f->n_reads = 0;
	stream_out_hurry(s);
	run_until(&f->rig, &f->n_ended, 1);
	/* Not before all has come that a pipe can have held. */
	assert_true(f->n_reads * STREAM_CHUNK_SIZE >= 2 * MIB);
	stream_out_free(s);
}

static void large_replies_end_the_connection(void **state)
{
	static const struct {
		size_t text, n_texts;
		const char *part; /* of the error; NULL: it is fine */
	} rows[] = {
		{500000, 1, NULL},
		{1000, 500, NULL},
		{530000, 1, "bytes"},
		{1, 200000, "bytes"},
		/* Little on the wire, much in memory. */
		{0, 200000, "more than 16384 times"},
	};
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture *f;

		set_up(state);
		f = *state;
		f->text = rows[i].text;
		f->n_texts = rows[i].n_texts;
		assert_int_equal(agent_call(f->rig.agent, AGENT_GET_GUEST_DETAILS, &request.base,
					 on_reply, f, NULL),
			0);
		run_until(&f->rig, rows[i].part ? &f->rig.n_lost : &f->n_replies, 1);
		assert_int_equal(f->n_failures, rows[i].part ? 1 : 0);
		if (rows[i].part && !strstr(f->why.msg, rows[i].part))
			fail_msg("row %zu: %s", i, f->why.msg);
		tear_down(state);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(more_output_than_was_asked_for_ends_the_stream),
		TEST(output_that_goes_on_after_the_kill_is_given_up),
		cmocka_unit_test(large_replies_end_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
