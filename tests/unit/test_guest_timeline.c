/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/path.h"
#include "fake_clock.h"
#include "runtime/agent_log.h"
#include "runtime/guest_timeline.h"
#include "runtime/timeline.h"

/* ---- Records ---- */

#define RECORD(rest) "{\"level\":\"INFO\",\"subsystem\":\"timeline\",\"msg\":\"span\"," rest "}"
#define AGENT "\"who\":\"agent\",\"what\":\"modules\","

static void records_become_spans(void **state)
{
	static const struct {
		const char *line;
		struct guest_span span;
	} rows[] = {
		{RECORD(AGENT "\"from_ns\":\"5\",\"to_ns\":\"7\""), {"agent", "modules", "", 5, 7}},
		{RECORD(AGENT "\"id\":\"c_1.x-y\",\"from_ns\":\"0\",\"to_ns\":\"0\""),
			{"agent", "modules", "c_1.x-y", 0, 0}},
		{RECORD("\"who\":\"kernel\",\"what\":\"kernel\",\"from_ns\":\"0\",\"to_ns\":"
			"\"1152921504606846976\""),
			{"kernel", "kernel", "", 0, INT64_C(1) << 60}},
		{RECORD("\"what\":\"x\",\"who\":\"agent\",\"more\":7,\"to_ns\":\"1\",\"from_ns\":"
			"\"01\""),
			{"agent", "x", "", 1, 1}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct agent_log_record record;

		agent_log_decode(slice_of_str(rows[i].line), &record);
		assert_true(record.is_span);
		assert_string_equal(record.span.who, rows[i].span.who);
		assert_string_equal(record.span.what, rows[i].span.what);
		assert_string_equal(record.span.id, rows[i].span.id);
		assert_int_equal(record.span.from_ns, rows[i].span.from_ns);
		assert_int_equal(record.span.to_ns, rows[i].span.to_ns);
	}
}

#define LONG_NAME "0123456789abcdef0123456789abcdef"
#define TIMES "\"from_ns\":\"1\",\"to_ns\":\"2\""

static void other_records_stay_records(void **state)
{
	static const char *const lines[] = {
		"{\"msg\":\"span\"," AGENT TIMES "}",
		"{\"subsystem\":\"timeline\",\"msg\":\"x\"," AGENT TIMES "}",
		"{\"subsystem\":7,\"msg\":\"span\"," AGENT TIMES "}",
		RECORD("\"who\":\"shim\",\"what\":\"x\"," TIMES),
		RECORD("\"who\":\"\",\"what\":\"x\"," TIMES),
		RECORD("\"what\":\"x\"," TIMES),
		RECORD("\"who\":\"agent\",\"what\":\"\"," TIMES),
		RECORD("\"who\":\"agent\"," TIMES),
		RECORD("\"who\":\"agent\",\"what\":7," TIMES),
		RECORD("\"who\":\"agent\",\"what\":\"" LONG_NAME "\"," TIMES),
		RECORD("\"who\":\"agent\",\"what\":\"a\\nb\"," TIMES),
		RECORD("\"who\":\"agent\",\"what\":\"\\u001b[2J\"," TIMES),
		RECORD("\"who\":\"agent\",\"what\":\"\xc3\xa4\"," TIMES),
		RECORD(AGENT "\"id\":\"a/b\"," TIMES),
		RECORD(AGENT "\"id\":\"" LONG_NAME LONG_NAME LONG_NAME LONG_NAME "\"," TIMES),
		RECORD(AGENT "\"from_ns\":\"2\",\"to_ns\":\"1\""),
		RECORD(AGENT "\"from_ns\":\"-1\",\"to_ns\":\"1\""),
		RECORD(AGENT "\"from_ns\":\"\",\"to_ns\":\"1\""),
		RECORD(AGENT "\"from_ns\":\"1\""),
		RECORD(AGENT "\"from_ns\":1,\"to_ns\":2"),
		RECORD(AGENT "\"from_ns\":\"1\",\"to_ns\":\"1152921504606846977\""),
		RECORD(AGENT "\"from_ns\":\"1\",\"to_ns\":\"99999999999999999999999999\""),
		RECORD(AGENT "\"from_ns\":\"0x1\",\"to_ns\":\"2 \""),
		"no json",
		"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct agent_log_record record;

		agent_log_decode(slice_of_str(lines[i]), &record);
		if (record.is_span)
			fail_msg("%s became a span", lines[i]);
	}
}

/* ---- Clocks ---- */

static char dir[] = "/tmp/test-guest-timeline.XXXXXX";
static struct guest_timeline t;

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-guest-timeline.XXXXXX");
	assert_non_null(mkdtemp(dir));
	timeline_init("p");
	timeline_open(dir);
	t = (struct guest_timeline){.vm_ns = 1000, .up_ns = 1100};
	clock_stopped_ns = 5000;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guest_timeline_fini(&t);
	timeline_close();
	return path_remove_tree(AT_FDCWD, dir);
}

/* Each span of the file as "who what from to,". */
static void assert_spans(const char *wanted)
{
	auto_buf struct buf text = BUF_INIT, all = BUF_INIT;
	char path[64], who[32], what[32];
	long long from, to;
	const char *at;

	snprintf(path, sizeof(path), "%s/timeline.json", dir);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &text), 0);
	for (at = buf_str(&text); *at; at = strchr(at, '\n') + 1) {
		assert_int_equal(
			sscanf(at,
				"{\"pod\":\"p\",\"who\":\"%31[^\"]\",\"what\":\"%31[^\"]\","
				"\"from_ns\":%lld,\"to_ns\":%lld}",
				who, what, &from, &to),
			4);
		assert_int_equal(buf_printf(&all, "%s %s %lld %lld,", who, what, from, to), 0);
	}
	assert_string_equal(buf_str(&all), wanted);
}

static void add(const char *who, const char *what, int64_t from_ns, int64_t to_ns)
{
	struct guest_span span = {.from_ns = from_ns, .to_ns = to_ns};

	snprintf(span.who, sizeof(span.who), "%s", who);
	snprintf(span.what, sizeof(span.what), "%s", what);
	guest_timeline_add(&t, &span);
}

/* Asked at 3000, answered at 3200, the guest's clock says 600 between: its 0 is 2500. */
static void spans_wait_for_both_clocks(void **state)
{
	(void)state;
	add("kernel", "kernel", 0, 300);
	add("agent", "clock", 600, 600);
	assert_spans("");
	guest_timeline_set_exchange(&t, 3000, 3200);
	assert_spans("vm firmware 1100 2500,kernel kernel 2500 2800,");
	add("agent", "x", 700, 800);
	assert_spans("vm firmware 1100 2500,kernel kernel 2500 2800,agent x 3200 3300,");
}

static void the_clock_may_come_after_the_answer(void **state)
{
	(void)state;
	guest_timeline_set_exchange(&t, 3000, 3200);
	add("kernel", "kernel", 0, 300);
	assert_spans("");
	add("agent", "clock", 600, 600);
	/* The first counts. */
	add("agent", "clock", 5, 5);
	guest_timeline_set_exchange(&t, 1, 2);
	add("agent", "x", 700, 800);
	assert_spans("vm firmware 1100 2500,kernel kernel 2500 2800,agent x 3200 3300,");
}

static void no_span_leaves_the_vms_time(void **state)
{
	(void)state;
	guest_timeline_set_exchange(&t, 3000, 3200);
	add("agent", "clock", 2600, 2600);
	/* The guest's 0 is 500, before there was a VM. */
	add("kernel", "early", 0, 100);
	add("agent", "late", 4000, INT64_C(1) << 60);
	add("agent", "future", INT64_C(1) << 59, INT64_C(1) << 60);
	assert_spans("kernel early 1000 1000,agent late 4500 5000,agent future 5000 5000,");
}

static void a_clock_out_of_all_bounds_does_no_harm(void **state)
{
	(void)state;
	guest_timeline_set_exchange(&t, 3000, 3200);
	add("agent", "clock", INT64_C(1) << 60, INT64_C(1) << 60);
	add("agent", "a", 0, INT64_C(1) << 60);
	assert_spans("agent a 1000 3100,");
}

static void a_guest_that_tells_no_clock_costs_a_bounded_array(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * GUEST_TIMELINE_MAX; i++)
		add("agent", "a", 1, 2);
	assert_int_equal(t.n_held, GUEST_TIMELINE_HELD_MAX);
	assert_spans("");
}

static void only_so_many_spans_are_taken(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	char path[64];
	size_t n = 0;

	(void)state;
	t.up_ns = 0;
	guest_timeline_set_exchange(&t, 3000, 3200);
	add("agent", "clock", 600, 600);
	for (int i = 0; i < 2 * GUEST_TIMELINE_MAX; i++)
		add("agent", "a", 1, 2);
	snprintf(path, sizeof(path), "%s/timeline.json", dir);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &text), 0);
	for (const char *at = buf_str(&text); (at = strchr(at, '\n')); at++)
		n++;
	assert_int_equal(n, GUEST_TIMELINE_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_become_spans),
		cmocka_unit_test(other_records_stay_records),
		TEST(spans_wait_for_both_clocks),
		TEST(the_clock_may_come_after_the_answer),
		TEST(no_span_leaves_the_vms_time),
		TEST(a_clock_out_of_all_bounds_does_no_harm),
		TEST(a_guest_that_tells_no_clock_costs_a_bounded_array),
		TEST(only_so_many_spans_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
