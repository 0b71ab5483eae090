/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/rpc.h"
#include "agent/trace.h"
#include "agent/trace_span.h"
#include "oom.h"
#include "text/json.h"

static const struct trace_span whole = {
	.trace = {.high = 0, .low = 7},
	.id = UINT64_MAX,
	.parent = 99,
	.kind = "Server",
	.name = "create_container",
	.from_ns = INT64_C(1700000000123456789),
	.to_ns = INT64_C(1700000001000000000),
	.attributes = {{"rpc.service", "grpc.AgentService"}, {"rpc.method", "CreateContainer"}},
	.error = "no \"spec\"",
};

#define NO_QUEUE "{\"queue\":null,\"max_len\":128,\"dropped_count\":0}"

static void a_span_is_framed_json(void **state)
{
	static const char json[] =
		"{\"span_context\":{\"trace_id\":7,\"span_id\":18446744073709551615,"
		"\"trace_flags\":1,\"is_remote\":false,\"trace_state\":null},"
		"\"parent_span_id\":99,\"span_kind\":\"Server\",\"name\":\"create_container\","
		"\"start_time\":{\"secs_since_epoch\":1700000000,\"nanos_since_epoch\":123456789},"
		"\"end_time\":{\"secs_since_epoch\":1700000001,\"nanos_since_epoch\":0},"
		"\"attributes\":{\"map\":{\"rpc.service\":{\"String\":\"grpc.AgentService\"},"
		"\"rpc.method\":{\"String\":\"CreateContainer\"}},"
		"\"evict_list\":[\"rpc.service\",\"rpc.method\"],\"max_len\":128,"
		"\"dropped_count\":0},\"events\":" NO_QUEUE ",\"links\":" NO_QUEUE ","
		"\"status_code\":\"Error\",\"status_message\":\"no \\\"spec\\\"\","
		"\"resource\":{\"attrs\":{\"service.name\":{\"String\":\"kata-agent\"}}}}";
	static const uint8_t header[] = {0, 0, 0, 0, 0, 0, 0, 0};
	struct buf out = BUF_INIT;
	const char *p;

	(void)state;
	assert_int_equal(trace_span_encode(&whole, &out), 0);
	p = buf_str(&out);
	assert_memory_equal(p, header, 6);
	assert_int_equal((uint8_t)p[6] << 8 | (uint8_t)p[7], strlen(json));
	assert_string_equal(p + 8, json);
	buf_fini(&out);
}

static void a_span_of_little_is_whole_too(void **state)
{
	struct trace_span span = {
		.trace = {.high = UINT64_MAX, .low = UINT64_MAX}, .kind = "Internal", .name = "n"};
	struct buf out = BUF_INIT;
	const char *json;

	(void)state;
	span.from_ns = -1;
	/* Behind another. */
	assert_int_equal(buf_append(&out, "before", 6), 0);
	assert_int_equal(trace_span_encode(&span, &out), 0);
	json = buf_str(&out) + 6 + 8;
	assert_non_null(strstr(json, "\"trace_id\":340282366920938463463374607431768211455,"));
	assert_non_null(strstr(json, "\"parent_span_id\":0,"));
	assert_non_null(
		strstr(json, "\"start_time\":{\"secs_since_epoch\":0,\"nanos_since_epoch\":0}"));
	assert_non_null(strstr(json, "{\"map\":{},\"evict_list\":[],"));
	assert_non_null(strstr(json, "\"status_code\":\"Unset\",\"status_message\":\"\""));
	buf_fini(&out);
}

static void what_cannot_be_encoded_leaves_nothing(void **state)
{
	struct trace_span span = whole;
	struct buf out = BUF_INIT;

	(void)state;
	span.error = "\xff";
	assert_int_equal(buf_append(&out, "x", 1), 0);
	assert_int_equal(trace_span_encode(&span, &out), -EILSEQ);
	assert_int_equal(buf_len(&out), 1);
	buf_fini(&out);
	OOM_SWEEP(n)
	{
		int r;

		oom_arm(n);
		r = trace_span_encode(&whole, &out);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		assert_int_equal(buf_len(&out) > 0, r == 0);
		buf_fini(&out);
	}
}

static void numbers_of_128_bits_are_written_in_decimal(void **state)
{
	static const struct {
		uint64_t high, low;
		const char *text;
	} rows[] = {
		{0, 0, "0"},
		{0, 10, "10"},
		{0, UINT64_MAX, "18446744073709551615"},
		{1, 0, "18446744073709551616"},
		{UINT64_C(0x4bf92f3577b34da6), UINT64_C(0xa3ce929d0e0e4736),
			"100985939111033328018442752961257817910"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf out = BUF_INIT;
		struct json_writer w = {.out = &out};

		json_put_u128(&w, NULL, rows[i].high, rows[i].low);
		assert_int_equal(json_finish(&w), 0);
		assert_string_equal(buf_str(&out), rows[i].text);
		buf_fini(&out);
	}
}

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void a_callers_context_is_taken(void **state)
{
	static const struct {
		const char *text;
		bool is_sampled;
	} rows[] = {
		{"00-" TRACE "-" PARENT "-01", true},
		{"00-" TRACE "-" PARENT "-00", false},
		{"00-" TRACE "-" PARENT "-ff", true},
		{"00-" TRACE "-" PARENT "-fe", false},
		{"01-" TRACE "-" PARENT "-01", true},
		{"cc-" TRACE "-" PARENT "-01-what-comes-later", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trace_context c;

		if (!trace_context_parse(rows[i].text, &c))
			fail_msg("%s", rows[i].text);
		assert_true(c.trace.high == UINT64_C(0x4bf92f3577b34da6));
		assert_true(c.trace.low == UINT64_C(0xa3ce929d0e0e4736));
		assert_true(c.parent == UINT64_C(0x00f067aa0ba902b7));
		assert_int_equal(c.is_sampled, rows[i].is_sampled);
	}
}

static void what_is_no_context_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"00",
		"00-" TRACE "-" PARENT,
		"00-" TRACE "-" PARENT "-",
		"00-" TRACE "-" PARENT "-1",
		"00-" TRACE "-" PARENT "-0g",
		"00-" TRACE "-" PARENT "-01 ",
		"00-" TRACE "-" PARENT "-01-more",
		"01-" TRACE "-" PARENT "-01.more",
		" 0-" TRACE "-" PARENT "-01",
		"ff-" TRACE "-" PARENT "-01",
		"00_" TRACE "-" PARENT "-01",
		"00-" TRACE "_" PARENT "-01",
		"00-" TRACE "-" PARENT "_01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-" TRACE "-+0f067aa0ba902b7-01",
		"00-" TRACE "-" PARENT "-01,00-" TRACE "-" PARENT "-01",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trace_context c;

		if (trace_context_parse(rows[i], &c))
			fail_msg("%s was taken", rows[i]);
	}
}

static void spans_are_named_after_their_calls(void **state)
{
	static const struct {
		const char *method, *name; /* NULL: not traced */
	} rows[] = {
		{"CreateContainer", "create_container"},
		{"TtyWinResize", "tty_win_resize"},
		{"UpdateEphemeralMounts", "update_mounts"},
		{"GetIPTables", "get_iptables"},
		{"SetIPTables", "set_iptables"},
		{"AddARPNeighbors", "add_arp_neighbors"},
		{"OnlineCPUMem", "online_cpu_mem"},
		{"SetGuestDateTime", "set_guest_date_time"},
		{"RemoveStaleVirtiofsShareMounts", "remove_stale_virtiofs_share_mounts"},
		{"WriteStdin", NULL},
		{"ReadStdout", NULL},
		{"ReadStderr", NULL},
		{"GetOOMEvent", NULL},
		{"MemAgentMemcgSet", NULL},
		{"Check", NULL},
		{"Version", NULL},
	};
	size_t n_found = 0;

	(void)state;
	for (size_t m = 0; m < rpc_n_methods; m++) {
		char name[TRACE_NAME_SIZE] = "";
		bool is_traced = trace_name_call(&rpc_methods[m], name);

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			if (strcmp(rows[i].method, rpc_methods[m].method) != 0)
				continue;
			n_found++;
			assert_int_equal(is_traced, rows[i].name != NULL);
			if (is_traced)
				assert_string_equal(name, rows[i].name);
		}
	}
	assert_int_equal(n_found, ARRAY_SIZE(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_span_is_framed_json),
		cmocka_unit_test(a_span_of_little_is_whole_too),
		cmocka_unit_test(what_cannot_be_encoded_leaves_nothing),
		cmocka_unit_test(numbers_of_128_bits_are_written_in_decimal),
		cmocka_unit_test(a_callers_context_is_taken),
		cmocka_unit_test(what_is_no_context_is_refused),
		cmocka_unit_test(spans_are_named_after_their_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
