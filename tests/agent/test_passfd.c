/* SPDX-License-Identifier: Apache-2.0 */
/* Processes whose streams are connections of the host. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/passfd.h"
#include "fixture.h"

enum { PORT = 1027, MIB = 1 << 20, MANY = 1000 };
#define LIMIT_NS (20 * NS_PER_S)

static int set_up(void **state)
{
	return fixture_set_up_with(
		state, "passfd_listener_port = 1027\nlaunch_process_timeout = 60\n");
}

static int connect_from(const struct fixture *f, uint32_t own)
{
	return fixture_connect_port(f, PORT, own);
}

/* What comes until the end, which must come. */
static void read_to_end(int fd, struct buf *out)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_NS;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char chunk[8192];
		ssize_t n;

		assert_true(clock_now_ns() < deadline_ns);
		if (poll(&p, 1, 1000) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			return;
		assert_int_equal(buf_append(out, chunk, (size_t)n), 0);
	}
}

static void expect_all(int fd, const char *text)
{
	struct buf out = BUF_INIT;

	read_to_end(fd, &out);
	assert_string_equal(buf_str(&out), text);
	buf_fini(&out);
	close(fd);
}

static void create(struct fixture *f, const struct container_options *o)
{
	struct err err = ERR_INIT;

	if (create_container(f, o, &err) != 0)
		fail_msg("create %s: %s", o->id, err.msg);
	assert_int_equal(start_container(f, o->id), 0);
}

static void three_streams_are_copied(void **state)
{
	struct container_options o = {
		.id = "c1", .script = "cat; echo err >&2; exit 5", .ports = {101, 102, 103}};
	struct fixture *f = *state;
	int in = connect_from(f, 101), out = connect_from(f, 102), err = connect_from(f, 103);

	/* Before the request, with its end. */
	assert_int_equal(send(in, "hello\n", 6, 0), 6);
	assert_int_equal(shutdown(in, SHUT_WR), 0);
	create(f, &o);
	assert_int_equal(wait_process(f, "c1", ""), 5);
	/* All of it has been copied by the time the exit is told. */
	expect_all(out, "hello\n");
	expect_all(err, "err\n");
	close(in);
}

static void a_terminal_is_copied_both_ways(void **state)
{
	struct container_options o = {.id = "c1",
		.script = "stty -echo; stty size; read x; echo got $x; exit 6",
		.terminal = true,
		.ports = {101, 102, 0}};
	struct fixture *f = *state;
	int in = connect_from(f, 101), out = connect_from(f, 102);

	create(f, &o);
	assert_int_equal(send(in, "word\n", 5, 0), 5);
	assert_int_equal(wait_process(f, "c1", ""), 6);
	{
		struct buf text = BUF_INIT;

		read_to_end(out, &text);
		assert_non_null(strstr(buf_str(&text), "got word\r\n"));
		buf_fini(&text);
	}
	close(in);
	close(out);
}

static void an_exec_has_streams_of_its_own(void **state)
{
	static const uint32_t ports[] = {201, 202, 203};
	struct container_options o = {
		.id = "c1", .script = "exec sleep 1000", .ports = {0, 102, 0}};
	struct fixture *f = *state;
	int out = connect_from(f, 102), fds[3];
	struct reply reply;

	create(f, &o);
	for (uint32_t i = 0; i < 3; i++)
		fds[i] = connect_from(f, ports[i]);
	exec_start_ports(f, "c1", "e1", "read x; echo $x; echo 2 >&2", false, ports, &reply);
	call_wait(f, &reply);
	assert_false(err_is_set(&reply.err));
	assert_int_equal(send(fds[0], "in\n", 3, 0), 3);
	assert_int_equal(wait_process(f, "c1", "e1"), 0);
	expect_all(fds[1], "in\n");
	expect_all(fds[2], "2\n");
	/* Nobody reads any more. */
	expect_all(fds[0], "");
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
	assert_int_equal(wait_process(f, "c1", ""), 128 + SIGKILL);
	expect_all(out, "");
}

static void a_stream_that_is_not_named_is_none(void **state)
{
	struct container_options o = {.id = "c1",
		.script = "cat; head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 7"};
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	create(f, &o);
	assert_int_equal(wait_process(f, "c1", ""), 7);
	o.id = "c2";
	o.terminal = true;
	o.script = "head -c 300000 /dev/zero; exit 8";
	create(f, &o);
	assert_int_equal(wait_process(f, "c2", ""), 8);
	o = (struct container_options){.id = "c3", .script = "exec sleep 1000"};
	create(f, &o);
	/* Calls find neither a writer nor anything to read. */
	assert_int_equal(write_stdin(f, "c3", "", slice_of("x", 1)), WIRE_INTERNAL);
	assert_int_equal(read_once(f, "ReadStdout", "c3", "", &out), 0);
	buf_fini(&out);
}

static void a_request_waits_for_a_stream_that_comes_later(void **state)
{
	struct reply reply;
	struct container_options o = {
		.id = "c1", .script = "echo late", .ports = {0, 102, 103}, .reply = &reply};
	struct fixture *f = *state;
	int fds[2];

	assert_int_equal(create_container(f, &o, NULL), 0);
	/* Others are served, and others' connections are not taken for it. */
	assert_int_equal(signal_process(f, "nosuch", "", 9, NULL), WIRE_INVALID_ARGUMENT);
	close(connect_from(f, 104));
	fds[0] = connect_from(f, 102);
	assert_int_equal(signal_process(f, "nosuch", "", 9, NULL), WIRE_INVALID_ARGUMENT);
	assert_false(reply.done);
	fds[1] = connect_from(f, 103);
	call_wait(f, &reply);
	assert_false(err_is_set(&reply.err));
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(wait_process(f, "c1", ""), 0);
	expect_all(fds[0], "late\n");
	expect_all(fds[1], "");
}

static void a_stream_that_never_comes_fails_the_request(void **state)
{
	struct container_options o = {.id = "c1", .script = "exit 0", .ports = {101, 102, 0}};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int64_t from_ns;
	int in = connect_from(f, 101);

	from_ns = clock_now_ns();
	assert_int_equal(create_container(f, &o, &err), WIRE_DEADLINE_EXCEEDED);
	assert_true(clock_now_ns() - from_ns < PASSFD_WAIT_NS + 5 * NS_PER_S);
	assert_non_null(strstr(err.msg, "stdout_port 102"));
	/* The one that was there has ended with it, and the name is free. */
	expect_all(in, "");
	o.ports[0] = o.ports[1] = 0;
	create(f, &o);
	assert_int_equal(wait_process(f, "c1", ""), 0);
}

static void a_client_that_leaves_ends_the_wait(void **state)
{
	struct reply reply;
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	struct container_options o = {.id = "c1",
		.script = "echo a",
		.ports = {0, 102, 103},
		.client = other,
		.reply = &reply};
	int fd = connect_from(f, 102), out;
	int64_t from_ns = clock_now_ns();

	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	assert_int_equal(signal_process(f, "nosuch", "", 9, NULL), WIRE_INVALID_ARGUMENT);
	ttrpc_client_free(other);
	/* Long before the wait would be over. */
	expect_all(fd, "");
	assert_true(clock_now_ns() - from_ns < PASSFD_WAIT_NS / 2);
	out = connect_from(f, 102);
	o = (struct container_options){.id = "c1", .script = "echo b", .ports = {0, 102, 0}};
	create(f, &o);
	assert_int_equal(wait_process(f, "c1", ""), 0);
	expect_all(out, "b\n");
}

static void what_cannot_be_meant_is_refused(void **state)
{
	struct container_options o = {.id = "c1", .script = "exit 0", .ports = {101, 101, 0}};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int fd = connect_from(f, 101);

	assert_int_equal(create_container(f, &o, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "stdin_port and stdout_port are both 101"));
#ifndef OVER_VSOCK
	/* A peer without a port cannot be named; vsock gives everybody one. */
	expect_all(connect_from(f, 0), "");
#endif
	/* A request that fails for another reason ends its streams. */
	o = (struct container_options){.id = "../c1", .script = "exit 0", .ports = {101, 0, 0}};
	assert_int_equal(create_container(f, &o, &err), WIRE_INVALID_ARGUMENT);
	expect_all(fd, "");
}

static void without_the_listener_ports_are_refused(void **state)
{
	static const uint32_t ports[] = {0, 7, 0};
	struct container_options o = {.id = "c1", .script = "exit 0", .ports = {0, 0, 9}};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct reply reply;

	assert_int_equal(create_container(f, &o, &err), WIRE_FAILED_PRECONDITION);
	assert_non_null(strstr(err.msg, "stderr_port 9"));
	run_container(f, "c1", "exec sleep 1000");
	exec_start_ports(f, "c1", "e1", "exit 0", false, ports, &reply);
	call_wait(f, &reply);
	assert_int_equal(wire_status_of(&reply.err), WIRE_FAILED_PRECONDITION);
}

static void the_exit_is_told_after_a_slow_reader_has_all(void **state)
{
	struct container_options o = {
		.id = "c1", .script = "head -c 20000000 /dev/zero; exit 9", .ports = {0, 102, 0}};
	struct fixture *f = *state;
	int out = connect_from(f, 102);
	struct buf text = BUF_INIT;
	struct reply wait;
	size_t before;

	create(f, &o);
	wait_start(f, "c1", "", &wait);
	before = fixture_agent_memory_kb(f);
	for (int i = 0; i < 200; i++)
		assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
#ifndef __SANITIZE_ADDRESS__
	assert_true(fixture_agent_memory_kb(f) < before + 100);
#endif
	(void)before;
	assert_false(wait.done);
	read_to_end(out, &text);
	assert_int_equal(buf_len(&text), 20000000);
	call_wait(f, &wait);
	assert_int_equal(wait_code(&wait), 9);
	reply_fini(&wait);
	buf_fini(&text);
	close(out);
}

static void a_reader_that_stops_does_not_keep_a_container(void **state)
{
	struct container_options o = {
		.id = "c1", .script = "head -c 20000000 /dev/zero", .ports = {0, 102, 0}};
	struct fixture *f = *state;
	int out = connect_from(f, 102);

	create(f, &o);
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	close(out);
}

static void a_reader_that_leaves_breaks_a_pipe_but_no_terminal(void **state)
{
	struct container_options o = {.id = "c1", .script = "exec yes", .ports = {0, 102, 0}};
	struct fixture *f = *state;

	close(connect_from(f, 102));
	create(f, &o);
	assert_int_equal(wait_process(f, "c1", ""), 1);
	o = (struct container_options){.id = "c2",
		.script = "head -c 1000000 /dev/zero; exit 3",
		.terminal = true,
		.ports = {0, 103, 0}};
	close(connect_from(f, 103));
	create(f, &o);
	assert_int_equal(wait_process(f, "c2", ""), 3);
}

static void closing_stdin_is_heard_after_what_was_sent(void **state)
{
	struct container_options o = {.id = "c1", .script = "cat; exit 4", .ports = {101, 102, 0}};
	struct fixture *f = *state;
	int in = connect_from(f, 101), out = connect_from(f, 102);

	create(f, &o);
	assert_int_equal(send(in, "sent\n", 5, 0), 5);
	assert_int_equal(close_stdin(f, "c1", ""), 0);
	assert_int_equal(wait_process(f, "c1", ""), 4);
	expect_all(out, "sent\n");
	close(in);
}

static void megabytes_come_back_unchanged(void **state)
{
	struct container_options o = {.id = "c1", .script = "exec cat", .ports = {101, 102, 0}};
	struct fixture *f = *state;
	struct buf back = BUF_INIT;
	size_t sent = 0;
	uint8_t *data = malloc(8 * MIB);
	int in, out;

	for (size_t i = 0; i < 8 * MIB; i++)
		data[i] = (uint8_t)(i * 2654435761U >> 13);
	in = connect_from(f, 101);
	out = connect_from(f, 102);
	create(f, &o);
	while (buf_len(&back) < 8 * MIB) {
		struct pollfd p[2] = {{.fd = in, .events = sent < 8 * MIB ? POLLOUT : 0},
			{.fd = out, .events = POLLIN}};
		ssize_t n;

		assert_true(poll(p, 2, 10000) > 0);
		if (p[0].revents & POLLOUT) {
			n = send(in, data + sent, 8 * MIB - sent, MSG_DONTWAIT);
			sent += n > 0 ? (size_t)n : 0;
		}
		if (p[1].revents & POLLIN) {
			assert_non_null(buf_reserve(&back, 65536));
			n = read(out, buf_reserve(&back, 65536), 65536);
			assert_true(n > 0);
			buf_commit(&back, (size_t)n);
		}
	}
	assert_memory_equal(buf_slice(&back).p, data, 8 * MIB);
	close(in);
	assert_int_equal(wait_process(f, "c1", ""), 0);
	expect_all(out, "");
	buf_fini(&back);
	free(data);
}

static void a_thousand_unclaimed_connections_are_bounded(void **state)
{
	struct reply reply;
	struct container_options o = {
		.id = "c1", .script = "echo in", .ports = {0, 7777, 0}, .reply = &reply};
	struct fixture *f = *state;
	int *fds = calloc(MANY, sizeof(*fds)), out;
	size_t n_open = 0;
	int64_t from_ns = clock_now_ns();

	for (uint32_t i = 0; i < MANY; i++)
		fds[i] = connect_from(f, 5000 + i);
	assert_true(fixture_count_fds(f) < PASSFD_MAX_UNCLAIMED + 50);
	/* A stream that is waited for finds its way past them. */
	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(signal_process(f, "nosuch", "", 9, NULL), WIRE_INVALID_ARGUMENT);
	out = connect_from(f, 7777);
	call_wait(f, &reply);
	assert_false(err_is_set(&reply.err));
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(wait_process(f, "c1", ""), 0);
	expect_all(out, "in\n");
	for (uint32_t i = 0; i < MANY; i++)
		n_open += recv(fds[i], &(char){0}, 1, MSG_DONTWAIT) < 0;
	assert_int_equal(n_open, PASSFD_MAX_UNCLAIMED);
	/* Those that are kept go in the end, without anybody asking. */
	assert_int_equal(recv(fds[0], &(char){0}, 1, 0), 0);
	assert_true(clock_now_ns() - from_ns >= PASSFD_KEEP_NS - NS_PER_S);
	for (uint32_t i = 0; i < MANY; i++)
		close(fds[i]);
	free(fds);
}

#define passfd_test(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		passfd_test(three_streams_are_copied),
		passfd_test(a_terminal_is_copied_both_ways),
		passfd_test(an_exec_has_streams_of_its_own),
		passfd_test(a_stream_that_is_not_named_is_none),
		passfd_test(a_request_waits_for_a_stream_that_comes_later),
		passfd_test(a_stream_that_never_comes_fails_the_request),
		passfd_test(a_client_that_leaves_ends_the_wait),
		passfd_test(what_cannot_be_meant_is_refused),
		agent_test(without_the_listener_ports_are_refused),
		passfd_test(the_exit_is_told_after_a_slow_reader_has_all),
		passfd_test(a_reader_that_stops_does_not_keep_a_container),
		passfd_test(a_reader_that_leaves_breaks_a_pipe_but_no_terminal),
		passfd_test(closing_stdin_is_heard_after_what_was_sent),
		passfd_test(megabytes_come_back_unchanged),
		passfd_test(a_thousand_unclaimed_connections_are_bounded),
	};

	fixture_require();
#ifdef OVER_VSOCK
	fixture_require_vsock();
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
