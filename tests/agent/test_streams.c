/* SPDX-License-Identifier: Apache-2.0 */
/* What processes read and write, through pipes and terminals. */
#include <signal.h>
#include <stdio.h>

#include "fixture.h"

enum { MIB = 1 << 20 };

static void assert_output(struct fixture *f, const char *exec_id, const char *expected)
{
	struct buf out = BUF_INIT;

	read_all(f, "c1", exec_id, &out);
	assert_string_equal(buf_str(&out), expected);
	buf_fini(&out);
}

static void stdout_and_stderr_are_apart(void **state)
{
	struct buf err = BUF_INIT;
	struct fixture *f = *state;

	run_container(f, "c1", "echo out; echo err >&2; exit 4");
	while (read_once(f, "ReadStderr", "c1", "", &err) > 0)
		;
	assert_string_equal(buf_str(&err), "err\n");
	assert_output(f, "", "out\n");
	/* After the end there is only the end. */
	assert_output(f, "", "");
	assert_int_equal(wait_process(f, "c1", ""), 4);
	buf_fini(&err);
}

/* Sends data to `cat` and takes it back, with one write and one read in flight. */
static void echo_through_cat(struct fixture *f, const struct buf *data, struct buf *back)
{
	struct slice rest = buf_slice(data);
	struct reply read, write;
	bool writing = false;

	read_start(f, "ReadStdout", "c1", "", 64 << 10, &read);
	while (buf_len(back) < buf_len(data)) {
		if (!writing && rest.len > 0) {
			size_t n = rest.len < 100000 ? rest.len : 100000;

			write_start(f, "c1", "", slice_of(rest.p, n), &write);
			rest = slice_of(rest.p + n, rest.len - n);
			writing = true;
		}
		assert_int_equal(loop_run_once(f->loop, 10 * NS_PER_S), 0);
		if (writing && write.done) {
			assert_false(err_is_set(&write.err));
			reply_fini(&write);
			writing = false;
		}
		if (read.done) {
			assert_true(read_result(&read, back) > 0);
			read_start(f, "ReadStdout", "c1", "", 64 << 10, &read);
		}
	}
	assert_int_equal(close_stdin(f, "c1", ""), 0);
	call_wait(f, &read);
	assert_int_equal(read_result(&read, back), 0);
}

static void ten_megabytes_come_back_unchanged(void **state)
{
	struct buf data = BUF_INIT, back = BUF_INIT;
	struct fixture *f = *state;
	uint32_t x = 1;

	assert_non_null(buf_reserve(&data, 10 * MIB));
	for (size_t i = 0; i < 10 * MIB; i++) {
		x = x * 1664525 + 1013904223;
		data.data[i] = (uint8_t)(x >> 24);
	}
	buf_commit(&data, 10 * MIB);
	run_container(f, "c1", "exec cat");
	echo_through_cat(f, &data, &back);
	assert_int_equal(buf_len(&back), buf_len(&data));
	assert_memory_equal(buf_slice(&back).p, buf_slice(&data).p, buf_len(&data));
	assert_int_equal(wait_process(f, "c1", ""), 0);
	buf_fini(&data);
	buf_fini(&back);
}

static void a_reader_that_stops_costs_nothing(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;
	size_t before, after;

	run_container(f, "c1", "head -c 20000000 /dev/zero; exec sleep 1000");
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	before = fixture_agent_memory_kb(f);
	/* The pipe is full by now or soon; calls of others are served meanwhile. */
	for (int i = 0; i < 200; i++)
		assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	after = fixture_agent_memory_kb(f);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
	if (after > before + 200)
		fail_msg("the agent grew from %zu to %zu kB", before, after);
#else
	(void)before, (void)after;
#endif
	while (buf_len(&out) < 20000000)
		assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	assert_int_equal(buf_len(&out), 20000000);
	buf_fini(&out);
}

static void a_write_is_answered_when_all_is_written(void **state)
{
	struct buf data = BUF_INIT, out = BUF_INIT;
	struct fixture *f = *state;
	struct reply write, second;

	run_container(f, "c1", "read go; exec wc -c");
	assert_non_null(buf_reserve(&data, 3 * MIB));
	memset(data.data, 'x', 3 * MIB);
	buf_commit(&data, 3 * MIB);
	data.data[2] = '\n';
	assert_int_equal(exec_process(f, "c1", "e1", "exec sleep 1000", false, NULL), 0);
	/* Nobody reads in e1: the first write stays, the second waits behind it. */
	write_start(f, "c1", "e1", buf_slice(&data), &write);
	write_start(f, "c1", "e1", slice_of("y", 1), &second);
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	assert_false(write.done);
	assert_false(second.done);
	assert_int_equal(signal_process(f, "c1", "e1", SIGKILL, NULL), 0);
	call_wait(f, &write);
	call_wait(f, &second);
	assert_int_equal(wire_status_of(&write.err), WIRE_INTERNAL);
	assert_int_equal(wire_status_of(&second.err), WIRE_INTERNAL);

	write_start(f, "c1", "", buf_slice(&data), &write);
	call_wait(f, &write);
	assert_int_equal(((Grpc__WriteStreamResponse *)write.message)->len, 3 * MIB);
	reply_fini(&write);
	/* An empty write closes. */
	assert_int_equal(write_stdin(f, "c1", "", slice_of(NULL, 0)), 0);
	read_all(f, "c1", "", &out);
	assert_string_equal(buf_str(&out), "3145725\n");
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("x")), WIRE_INTERNAL);
	buf_fini(&data);
	buf_fini(&out);
}

static void closing_stdin_waits_for_what_was_written(void **state)
{
	struct buf data = BUF_INIT, out = BUF_INIT;
	struct fixture *f = *state;
	struct reply write;

	run_container(f, "c1", "sleep 0.2; exec wc -c");
	assert_non_null(buf_reserve(&data, MIB));
	memset(data.data, 'x', MIB);
	buf_commit(&data, MIB);
	write_start(f, "c1", "", buf_slice(&data), &write);
	assert_int_equal(close_stdin(f, "c1", ""), 0);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("late")), WIRE_INTERNAL);
	read_all(f, "c1", "", &out);
	assert_string_equal(buf_str(&out), "1048576\n");
	call_wait(f, &write);
	assert_false(err_is_set(&write.err));
	reply_fini(&write);
	buf_fini(&data);
	buf_fini(&out);
}

static void parked_reads_are_served_in_order(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;
	struct reply reads[3];

	run_container(f, "c1", "exec cat");
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		read_start(f, "ReadStdout", "c1", "", 1, &reads[i]);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("abc")), 0);
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
		call_wait(f, &reads[i]);
		assert_int_equal(read_result(&reads[i], &out), 1);
	}
	assert_string_equal(buf_str(&out), "abc");
	buf_fini(&out);
}

static void a_read_of_nothing_is_answered_at_once(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;
	struct reply read;

	run_container(f, "c1", "exec cat");
	read_start(f, "ReadStdout", "c1", "", 0, &read);
	call_wait(f, &read);
	assert_int_equal(read_result(&read, &out), 0);
	read_start(f, "ReadStdout", "c1", "", UINT32_MAX, &read);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("x")), 0);
	call_wait(f, &read);
	assert_int_equal(read_result(&read, &out), 1);
	buf_fini(&out);
}

static void a_reader_that_leaves_takes_no_data_with_it(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	struct reply read;

	run_container(f, "c1", "exec cat");
	read_start_on(f, other, "c1", 0, &read);
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	ttrpc_client_free(other);
	/* The agent has seen it go before this is answered. */
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("kept")), 0);
	assert_int_equal(read_once(f, "ReadStdout", "c1", "", &out), 4);
	assert_string_equal(buf_str(&out), "kept");
	buf_fini(&out);
}

static void a_read_can_time_out(void **state)
{
	struct fixture *f = *state;
	struct reply read;

	run_container(f, "c1", "exec cat");
	read_start_on(f, f->client, "c1", 20 * NS_PER_MS, &read);
	call_wait(f, &read);
	assert_int_equal(wire_status_of(&read.err), WIRE_DEADLINE_EXCEEDED);
}

static void an_exit_is_told_after_the_output_has_been_read(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;
	struct reply wait, init;

	run_container(f, "c1", "exec sleep 1000");
	/* As much as a pipe holds: the process ends without a reader. */
	assert_int_equal(
		exec_process(f, "c1", "e1", "head -c 65536 /dev/zero; exit 5", false, NULL), 0);
	assert_true(read_once(f, "ReadStdout", "c1", "e1", &out) > 0);
	wait_start(f, "c1", "e1", &wait);
	wait_start(f, "c1", "", &init);
	while (buf_len(&out) < 65536) {
		assert_false(wait.done);
		assert_true(read_once(f, "ReadStdout", "c1", "e1", &out) > 0);
	}
	assert_int_equal(read_once(f, "ReadStdout", "c1", "e1", &out), 0);
	call_wait(f, &wait);
	assert_int_equal(wait_code(&wait), 5);
	assert_false(init.done);
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
	call_wait(f, &init);
	reply_fini(&wait);
	reply_fini(&init);
	buf_fini(&out);
}

static void output_that_nobody_reads_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	run_container(f, "c1", "echo out; echo err >&2; exit 6");
	assert_int_equal(wait_process(f, "c1", ""), 6);
}

static void a_process_left_behind_does_not_hold_up_the_exit(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;

	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(
		exec_process(f, "c1", "e1", "sleep 1000 & echo hi; exit 8", false, NULL), 0);
	read_all(f, "c1", "e1", &out);
	assert_string_equal(buf_str(&out), "hi\n");
	assert_int_equal(wait_process(f, "c1", "e1"), 8);
	buf_fini(&out);
}

static void run_terminal(struct fixture *f, const char *script)
{
	struct container_options o = {.id = "c1", .script = script, .terminal = true};

	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(start_container(f, "c1"), 0);
}

static int resize(struct fixture *f, const char *exec_id, uint32_t rows, uint32_t columns)
{
	Grpc__TtyWinResizeRequest request = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	char id[] = "c1", exec[16];

	snprintf(exec, sizeof(exec), "%s", exec_id);
	request.container_id = id;
	request.exec_id = exec;
	request.has_row = request.has_column = 1;
	request.row = rows;
	request.column = columns;
	return call(f, "TtyWinResize", &request.base, NULL);
}

static void a_terminal_has_one_output_and_a_size(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;

	run_terminal(f, "stty -echo; read go; stty size; echo err >&2; test -t 0 && exit 9");
	assert_int_equal(resize(f, "", 24, 80), 0);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("go\n")), 0);
	while (read_once(f, "ReadStderr", "c1", "", &out) > 0)
		;
	assert_non_null(strstr(buf_str(&out), "24 80\r\nerr\r\n"));
	assert_int_equal(wait_process(f, "c1", ""), 9);
	buf_fini(&out);
}

static void resizing_tells_the_program(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;

	run_terminal(f, "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done");
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	assert_int_equal(resize(f, "", 50, 132), 0);
	read_all(f, "c1", "", &out);
	assert_string_equal(buf_str(&out), "ready\r\n50 132\r\n");
	assert_int_equal(resize(f, "", 65536, 1), WIRE_INVALID_ARGUMENT);
	assert_int_equal(resize(f, "", 1, UINT32_MAX), WIRE_INVALID_ARGUMENT);
	buf_fini(&out);
}

static void control_c_interrupts(void **state)
{
	struct buf out = BUF_INIT;
	struct fixture *f = *state;

	run_terminal(f, "trap 'echo interrupted; exit 3' INT; echo ready; "
			"while :; do sleep 0.05; done");
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("\003")), 0);
	read_all(f, "c1", "", &out);
	assert_non_null(strstr(buf_str(&out), "interrupted"));
	assert_int_equal(wait_process(f, "c1", ""), 3);
	buf_fini(&out);
}

static void a_process_without_a_terminal_has_no_size(void **state)
{
	struct fixture *f = *state;

	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(resize(f, "", 1, 1), WIRE_UNAVAILABLE);
	assert_int_equal(resize(f, "nosuch", 1, 1), WIRE_NOT_FOUND);
	assert_int_equal(exec_process(f, "c1", "e1", "exec sleep 1000", true, NULL), 0);
	assert_int_equal(resize(f, "e1", 10, 10), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(stdout_and_stderr_are_apart),
		agent_test(ten_megabytes_come_back_unchanged),
		agent_test(a_reader_that_stops_costs_nothing),
		agent_test(a_write_is_answered_when_all_is_written),
		agent_test(closing_stdin_waits_for_what_was_written),
		agent_test(parked_reads_are_served_in_order),
		agent_test(a_read_of_nothing_is_answered_at_once),
		agent_test(a_reader_that_leaves_takes_no_data_with_it),
		agent_test(a_read_can_time_out),
		agent_test(an_exit_is_told_after_the_output_has_been_read),
		agent_test(output_that_nobody_reads_is_not_waited_for),
		agent_test(a_process_left_behind_does_not_hold_up_the_exit),
		agent_test(a_terminal_has_one_output_and_a_size),
		agent_test(resizing_tells_the_program),
		agent_test(control_c_interrupts),
		agent_test(a_process_without_a_terminal_has_no_size),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
