/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "agent/relay.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "oom.h"

/* The test's ends are write_fd and read_fd. */
struct fixture {
	struct loop *loop;
	struct relay *relay;
	int write_fd, read_fd;
	int n_ended;
};

static void on_ended(void *data)
{
	struct fixture *f = data;

	f->n_ended++;
}

static void on_ended_free(void *data)
{
	struct fixture *f = data;

	f->n_ended++;
	relay_free(take_ptr(&f->relay));
}

/* Two pairs of connected sockets, and the relay between them. */
static int open_relay(struct fixture *f, relay_ended_fn *ended, bool outlives_reader)
{
	int in[2], out[2];
	struct relay_config config = {
		.outlives_reader = outlives_reader, .ended = ended, .data = f};

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, in), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out), 0);
	f->write_fd = in[0];
	config.from_fd = in[1];
	config.to_fd = out[0];
	f->read_fd = out[1];
	return relay_new(f->loop, &config, &f->relay);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	return loop_new(&f->loop);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	relay_free(f->relay);
	close_fd(f->write_fd);
	close_fd(f->read_fd);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void turn(struct fixture *f, int rounds)
{
	for (int i = 0; i < rounds; i++)
		assert_int_equal(loop_run_once(f->loop, 0), 0);
}

static void run_to_end(struct fixture *f)
{
	int64_t deadline_ns = clock_now_ns() + 10 * NS_PER_S;

	while (f->n_ended == 0) {
		assert_true(clock_now_ns() < deadline_ns);
		assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
	}
	assert_int_equal(f->n_ended, 1);
}

static void expect(struct fixture *f, const char *text)
{
	char got[64] = "";

	assert_int_equal(recv(f->read_fd, got, sizeof(got) - 1, 0), strlen(text));
	assert_string_equal(got, text);
}

static void what_is_written_arrives_and_then_the_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_relay(f, on_ended_free, false), 0);
	assert_int_equal(send(f->write_fd, "one", 3, 0), 3);
	turn(f, 2);
	expect(f, "one");
	assert_int_equal(send(f->write_fd, "two", 3, 0), 3);
	assert_int_equal(shutdown(f->write_fd, SHUT_WR), 0);
	run_to_end(f);
	expect(f, "two");
	assert_int_equal(recv(f->read_fd, &(char){0}, 1, 0), 0);
}

/* Writes until nothing fits any more; how much that was. */
static size_t fill(struct fixture *f)
{
	static const char zeros[4096];
	size_t n_sent = 0;

	for (int quiet = 0; quiet < 10;) {
		ssize_t n = send(f->write_fd, zeros, sizeof(zeros), 0);

		quiet = n > 0 ? 0 : quiet + 1;
		n_sent += n > 0 ? (size_t)n : 0;
		turn(f, 1);
	}
	return n_sent;
}

static size_t drain(struct fixture *f)
{
	char chunk[8192];
	size_t n_read = 0;

	for (int quiet = 0; quiet < 10;) {
		ssize_t n = recv(f->read_fd, chunk, sizeof(chunk), 0);

		quiet = n > 0 ? 0 : quiet + 1;
		n_read += n > 0 ? (size_t)n : 0;
		turn(f, 1);
	}
	return n_read;
}

static void a_reader_that_stops_stops_the_writer(void **state)
{
	struct fixture *f = *state;
	int64_t from_ns;
	size_t n_sent;

	assert_int_equal(open_relay(f, on_ended, false), 0);
	n_sent = fill(f);
	assert_true(n_sent < 4 << 20);
	/* It waits without turning round and round. */
	from_ns = clock_now_ns();
	assert_int_equal(loop_run_once(f->loop, 50 * NS_PER_MS), 0);
	assert_true(clock_now_ns() - from_ns >= 45 * NS_PER_MS);
	/* The end comes behind what waits. */
	assert_int_equal(shutdown(f->write_fd, SHUT_WR), 0);
	relay_finish(f->relay);
	assert_int_equal(loop_run_once(f->loop, 700 * NS_PER_MS), 0);
	assert_int_equal(f->n_ended, 0);
	assert_int_equal(drain(f), n_sent);
	run_to_end(f);
	assert_true(relay_has_ended(f->relay));
}

static void a_reader_that_leaves_ends_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_relay(f, on_ended_free, false), 0);
	close_fd(take_fd(&f->read_fd));
	assert_int_equal(send(f->write_fd, "x", 1, 0), 1);
	run_to_end(f);
	assert_int_equal(send(f->write_fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

static void a_reader_that_leaves_in_the_middle_ends_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_relay(f, on_ended, false), 0);
	(void)fill(f);
	close_fd(take_fd(&f->read_fd));
	run_to_end(f);
}

static void without_its_reader_it_goes_on_where_that_is_wanted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_relay(f, on_ended, true), 0);
	(void)fill(f);
	close_fd(take_fd(&f->read_fd));
	for (int i = 0; i < 100; i++) {
		static const char zeros[65536];

		assert_true(send(f->write_fd, zeros, sizeof(zeros), 0) > 0 || errno == EAGAIN);
		turn(f, 10);
	}
	assert_int_equal(f->n_ended, 0);
	assert_int_equal(shutdown(f->write_fd, SHUT_WR), 0);
	run_to_end(f);
}

static void what_goes_nowhere_is_read_all_the_same(void **state)
{
	struct fixture *f = *state;
	int in[2];
	struct relay_config config = {.to_fd = -1, .ended = on_ended, .data = f};

	assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
	config.from_fd = in[0];
	f->write_fd = in[1];
	f->read_fd = -1;
	assert_int_equal(relay_new(f->loop, &config, &f->relay), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(write(f->write_fd, "0123456789abcdef", 16), 16);
		turn(f, 1);
	}
	close_fd(take_fd(&f->write_fd));
	run_to_end(f);
}

static void silence_after_the_finish_ends_it(void **state)
{
	struct fixture *f = *state;
	int64_t from_ns = clock_now_ns();

	assert_int_equal(open_relay(f, on_ended_free, false), 0);
	relay_finish(f->relay);
	assert_int_equal(loop_run_once(f->loop, 300 * NS_PER_MS), 0);
	/* What comes meanwhile makes it last. */
	assert_int_equal(send(f->write_fd, "late", 4, 0), 4);
	run_to_end(f);
	assert_true(clock_now_ns() - from_ns >= 750 * NS_PER_MS);
	expect(f, "late");
}

static void without_memory_there_is_none(void **state)
{
	struct fixture *f = *state;

	OOM_SWEEP(n)
	{
		int r;

		oom_arm(n);
		r = open_relay(f, on_ended, false);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		relay_free(take_ptr(&f->relay));
		/* Both descriptors have been closed. */
		assert_int_equal(recv(f->read_fd, &(char){0}, 1, 0), 0);
		close_fd(take_fd(&f->read_fd));
		close_fd(take_fd(&f->write_fd));
	}
}

#define relay_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		relay_test(what_is_written_arrives_and_then_the_end),
		relay_test(a_reader_that_stops_stops_the_writer),
		relay_test(a_reader_that_leaves_ends_it),
		relay_test(a_reader_that_leaves_in_the_middle_ends_it),
		relay_test(without_its_reader_it_goes_on_where_that_is_wanted),
		relay_test(what_goes_nowhere_is_read_all_the_same),
		relay_test(silence_after_the_finish_ends_it),
		relay_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
