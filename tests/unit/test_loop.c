/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "loop/loop.h"

enum { N = 8 };

struct fixture {
	struct loop *loop;
	struct source *sources[N];
	int pipes[N][2];
	int counts[N];
	char order[64];
	uint32_t events;
	int signo, status;
	pid_t pid;
};

/* What a callback gets: which of the sources it is. */
struct slot {
	struct fixture *f;
	int i;
};

static struct slot slots[N];

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){.loop = NULL};
	assert_int_equal(loop_new(&f.loop), 0);
	for (int i = 0; i < N; i++) {
		slots[i] = (struct slot){.f = &f, .i = i};
		assert_int_equal(pipe2(f.pipes[i], O_CLOEXEC | O_NONBLOCK), 0);
	}
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < N; i++) {
		source_free(f->sources[i]);
		close(f->pipes[i][0]);
		close(f->pipes[i][1]);
	}
	loop_free(f->loop);
	return 0;
}

static void note(struct slot *slot)
{
	size_t len = strlen(slot->f->order);

	slot->f->counts[slot->i]++;
	assert_true(len < sizeof(slot->f->order) - 1);
	slot->f->order[len] = (char)('0' + slot->i);
}

static void drop(struct fixture *f, int i)
{
	source_free(take_ptr(&f->sources[i]));
}

static void run(struct fixture *f)
{
	assert_int_equal(loop_run_once(f->loop, 0), 0);
}

static void send_byte(struct fixture *f, int i)
{
	assert_int_equal(write(f->pipes[i][1], "x", 1), 1);
}

/* io */

static void on_io(void *data, int fd, uint32_t events)
{
	struct slot *slot = data;

	assert_int_equal(fd, slot->f->pipes[slot->i][0]);
	slot->f->events = events;
	note(slot);
}

static void add_io(struct fixture *f, int i, uint32_t events, loop_io_fn *fn)
{
	assert_int_equal(
		loop_add_io(f->loop, f->pipes[i][0], events, fn, &slots[i], &f->sources[i]), 0);
}

static void io_is_told_as_long_as_it_is_there(void **state)
{
	struct fixture *f = *state;
	char c;

	add_io(f, 0, EPOLLIN, on_io);
	run(f);
	assert_int_equal(f->counts[0], 0);
	send_byte(f, 0);
	run(f);
	run(f);
	assert_int_equal(f->counts[0], 2);
	assert_int_equal(f->events, EPOLLIN);
	assert_int_equal(read(f->pipes[0][0], &c, 1), 1);
	run(f);
	assert_int_equal(f->counts[0], 2);
}

static void a_parked_source_sleeps_even_through_a_hangup(void **state)
{
	struct fixture *f = *state;

	add_io(f, 0, EPOLLIN, on_io);
	assert_int_equal(source_set_events(f->sources[0], 0), 0);
	assert_int_equal(source_set_events(f->sources[0], 0), 0);
	send_byte(f, 0);
	close(f->pipes[0][1]);
	f->pipes[0][1] = -1;
	run(f);
	assert_int_equal(f->counts[0], 0);
	assert_int_equal(source_set_events(f->sources[0], EPOLLIN), 0);
	run(f);
	assert_int_equal(f->counts[0], 1);
	assert_int_equal(f->events, EPOLLIN | EPOLLHUP);
	assert_int_equal(source_set_events(f->sources[0], EPOLLPRI), 0);
	run(f);
	assert_int_equal(f->events, EPOLLHUP);
}

static void a_source_may_start_parked(void **state)
{
	struct fixture *f = *state;

	add_io(f, 0, 0, on_io);
	send_byte(f, 0);
	run(f);
	assert_int_equal(f->counts[0], 0);
	assert_int_equal(source_set_events(f->sources[0], EPOLLIN), 0);
	run(f);
	assert_int_equal(f->counts[0], 1);
}

static void what_epoll_cannot_watch_is_an_error(void **state)
{
	struct fixture *f = *state;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(loop_add_io(f->loop, fd, EPOLLIN, on_io, NULL, &f->sources[0]), -EPERM);
	assert_int_equal(loop_add_io(f->loop, -1, EPOLLIN, on_io, NULL, &f->sources[0]), -EBADF);
	assert_null(f->sources[0]);
	close(fd);
}

static void on_io_free_all(void *data, int fd, uint32_t events)
{
	struct slot *slot = data;

	(void)fd;
	(void)events;
	note(slot);
	for (int i = 0; i < N; i++)
		drop(slot->f, i);
}

/* All are ready in the same round; the first one frees itself and the others. */
static void a_freed_source_is_not_called_again(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < N; i++) {
		add_io(f, i, EPOLLIN, on_io_free_all);
		send_byte(f, i);
	}
	run(f);
	run(f);
	assert_int_equal(strlen(f->order), 1);
}

static void on_io_replace(void *data, int fd, uint32_t events)
{
	struct slot *slot = data;

	(void)fd;
	(void)events;
	note(slot);
	drop(slot->f, slot->i);
	/* The new source may get the memory or the number of the old one. */
	add_io(slot->f, slot->i, EPOLLIN, on_io);
}

static void a_source_may_be_replaced_in_its_callback(void **state)
{
	struct fixture *f = *state;

	add_io(f, 0, EPOLLIN, on_io_replace);
	send_byte(f, 0);
	run(f);
	assert_int_equal(f->counts[0], 1);
	run(f);
	assert_int_equal(f->counts[0], 2);
}

static void on_io_count(void *data, int fd, uint32_t events)
{
	int *count = data;

	(void)fd;
	(void)events;
	++*count;
}

static void more_events_than_a_round_holds_all_arrive(void **state)
{
	enum { MANY = 100 };
	struct fixture *f = *state;
	struct source *sources[MANY];
	int fds[MANY], counts[MANY] = {0};

	send_byte(f, 0);
	for (int i = 0; i < MANY; i++) {
		fds[i] = fcntl(f->pipes[0][0], F_DUPFD_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
		assert_int_equal(
			loop_add_io(f->loop, fds[i], EPOLLIN, on_io_count, &counts[i], &sources[i]),
			0);
	}
	for (int i = 0; i < MANY; i++)
		run(f);
	for (int i = 0; i < MANY; i++) {
		assert_true(counts[i] > 0);
		source_free(sources[i]);
		close(fds[i]);
	}
}

/* Timers */

static void on_timer(void *data)
{
	note(data);
}

static void add_timer(struct fixture *f, int i, int64_t deadline_ns, loop_timer_fn *fn)
{
	assert_int_equal(loop_add_timer(f->loop, deadline_ns, fn, &slots[i], &f->sources[i]), 0);
}

static void timers_fire_once_in_the_order_of_their_deadlines(void **state)
{
	struct fixture *f = *state;
	int64_t now = clock_now_ns();

	add_timer(f, 0, now - 1, on_timer);
	add_timer(f, 1, now - 3, on_timer);
	add_timer(f, 2, now - 2, on_timer);
	add_timer(f, 3, INT64_MAX, on_timer);
	add_timer(f, 4, now + NS_PER_S * 1000, on_timer);
	run(f);
	run(f);
	assert_string_equal(f->order, "120");
	source_set_deadline(f->sources[2], now);
	source_set_deadline(f->sources[0], now);
	source_set_deadline(f->sources[0], INT64_MAX);
	run(f);
	assert_string_equal(f->order, "1202");
}

static void a_timer_never_fires_early_and_ends_the_wait(void **state)
{
	struct fixture *f = *state;
	int64_t deadline = clock_now_ns() + 3 * NS_PER_MS + 1;

	add_timer(f, 0, deadline, on_timer);
	assert_int_equal(loop_run_once(f->loop, -1), 0);
	assert_true(clock_now_ns() >= deadline);
	assert_int_equal(f->counts[0], 1);
	/* Without events it is the given limit that ends it. */
	deadline = clock_now_ns() + 2 * NS_PER_MS;
	assert_int_equal(loop_run_once(f->loop, 2 * NS_PER_MS), 0);
	assert_true(clock_now_ns() >= deadline);
	assert_int_equal(f->counts[0], 1);
}

static void on_timer_again(void *data)
{
	struct slot *slot = data;

	note(slot);
	source_set_deadline(slot->f->sources[slot->i], 0);
}

static void a_timer_armed_for_the_past_lets_others_run(void **state)
{
	struct fixture *f = *state;

	add_timer(f, 0, 0, on_timer_again);
	add_io(f, 1, EPOLLIN, on_io);
	send_byte(f, 1);
	for (int i = 1; i <= 3; i++) {
		run(f);
		assert_int_equal(f->counts[0], i);
		assert_int_equal(f->counts[1], i);
	}
}

static void on_timer_free_all(void *data)
{
	struct slot *slot = data;

	note(slot);
	for (int i = 0; i < N; i++)
		drop(slot->f, i);
	add_timer(slot->f, 1, 0, on_timer);
}

static void a_freed_timer_does_not_fire(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < N; i++)
		add_timer(f, i, i, on_timer_free_all);
	run(f);
	assert_string_equal(f->order, "0");
	run(f);
	assert_string_equal(f->order, "01");
}

/* Signals */

static void on_signal(void *data, int signo)
{
	struct slot *slot = data;

	slot->f->signo = signo;
	note(slot);
}

static void signals_arrive_as_events(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		loop_add_signal(f->loop, SIGUSR1, on_signal, &slots[0], &f->sources[0]), 0);
	assert_int_equal(
		loop_add_signal(f->loop, SIGUSR2, on_signal, &slots[1], &f->sources[1]), 0);
	assert_int_equal(raise(SIGUSR2), 0);
	run(f);
	assert_int_equal(f->signo, SIGUSR2);
	assert_int_equal(raise(SIGUSR1), 0);
	run(f);
	run(f);
	assert_string_equal(f->order, "10");
	assert_int_equal(loop_add_signal(f->loop, 999, on_signal, NULL, &f->sources[2]), -EINVAL);
}

/* In a child that has what a loop leaves behind. */
static int check_restored(void)
{
	struct sigaction action;
	sigset_t set;

	loop_restore_signals();
	if (sigprocmask(SIG_SETMASK, NULL, &set) < 0 || sigismember(&set, SIGUSR1))
		return 1;
	if (sigaction(SIGPIPE, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
		return 2;
	return 0;
}

static void a_child_gets_its_signals_back(void **state)
{
	struct fixture *f = *state;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
	int status;
	pid_t pid;

	assert_int_equal(
		loop_add_signal(f->loop, SIGUSR1, on_signal, &slots[0], &f->sources[0]), 0);
	assert_int_equal(sigaction(SIGPIPE, &ignore, &old), 0);
	pid = fork();
	if (pid == 0)
		_exit(check_restored());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(sigaction(SIGPIPE, &old, NULL), 0);
}

/* Children */

static void on_child(void *data, pid_t pid, int status)
{
	struct slot *slot = data;

	slot->f->pid = pid;
	slot->f->status = status;
	note(slot);
}

/* A child that leaves with code once its pipe is closed. */
static pid_t fork_waiting(struct fixture *f, int i, int code)
{
	pid_t pid = fork();

	if (pid == 0) {
		char c;

		for (int k = 0; k < N; k++)
			close(f->pipes[k][1]);
		fcntl(f->pipes[i][0], F_SETFL, 0);
		while (read(f->pipes[i][0], &c, 1) > 0)
			;
		_exit(code);
	}
	assert_true(pid > 0);
	return pid;
}

static void release(struct fixture *f, int i)
{
	close(f->pipes[i][1]);
	f->pipes[i][1] = -1;
}

static void children_are_reaped_and_told_once(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork_waiting(f, 0, 42);

	assert_int_equal(loop_add_child(f->loop, pid, on_child, &slots[0], &f->sources[0]), 0);
	run(f);
	assert_int_equal(f->counts[0], 0);
	release(f, 0);
	assert_int_equal(loop_run_once(f->loop, 10 * NS_PER_S), 0);
	assert_int_equal(f->counts[0], 1);
	assert_int_equal(f->pid, pid);
	assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 42);
	run(f);
	assert_int_equal(f->counts[0], 1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(loop_add_child(f->loop, pid, on_child, NULL, &f->sources[1]), -ESRCH);
}

static void a_killed_child_tells_its_signal(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork_waiting(f, 0, 0);

	assert_int_equal(loop_add_child(f->loop, pid, on_child, &slots[0], &f->sources[0]), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(loop_run_once(f->loop, 10 * NS_PER_S), 0);
	assert_true(WIFSIGNALED(f->status) && WTERMSIG(f->status) == SIGKILL);
}

static void a_child_that_somebody_else_reaped_is_told_too(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork_waiting(f, 0, 3);

	assert_int_equal(loop_add_child(f->loop, pid, on_child, &slots[0], &f->sources[0]), 0);
	release(f, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(loop_run_once(f->loop, 10 * NS_PER_S), 0);
	assert_int_equal(f->counts[0], 1);
	assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 255);
	run(f);
	assert_int_equal(f->counts[0], 1);
}

static void freeing_a_childs_source_leaves_the_child(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork_waiting(f, 0, 7);
	int status;

	assert_int_equal(loop_add_child(f->loop, pid, on_child, &slots[0], &f->sources[0]), 0);
	drop(f, 0);
	release(f, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	run(f);
	assert_int_equal(f->counts[0], 0);
}

/* The loop itself */

static void on_timer_stop(void *data)
{
	struct slot *slot = data;

	note(slot);
	loop_stop(slot->f->loop, 5);
}

static void a_loop_runs_until_it_is_stopped(void **state)
{
	struct fixture *f = *state;

	add_timer(f, 0, clock_now_ns() + NS_PER_MS, on_timer_stop);
	assert_int_equal(loop_run(f->loop), 5);
	assert_int_equal(f->counts[0], 1);
	/* A stop before the run counts, and only for that one. */
	loop_stop(f->loop, 6);
	assert_int_equal(loop_run(f->loop), 6);
	source_set_deadline(f->sources[0], 0);
	assert_int_equal(loop_run(f->loop), 5);
	assert_int_equal(f->counts[0], 2);
	source_free(NULL);
}

/* What the test's own caller has left open is not ours. */
enum { MAX_FD = 1024 };
static bool was_open[MAX_FD];

static void nothing_is_inherited_by_programs(void **state)
{
	struct fixture *f = *state;

	add_io(f, 0, EPOLLIN, on_io);
	assert_int_equal(
		loop_add_signal(f->loop, SIGUSR1, on_signal, &slots[1], &f->sources[1]), 0);
	for (int fd = 0; fd < MAX_FD; fd++) {
		int flags = fcntl(fd, F_GETFD);

		assert_true(flags < 0 || flags & FD_CLOEXEC || was_open[fd]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(io_is_told_as_long_as_it_is_there),
		TEST(a_parked_source_sleeps_even_through_a_hangup),
		TEST(a_source_may_start_parked),
		TEST(what_epoll_cannot_watch_is_an_error),
		TEST(a_freed_source_is_not_called_again),
		TEST(a_source_may_be_replaced_in_its_callback),
		TEST(more_events_than_a_round_holds_all_arrive),
		TEST(timers_fire_once_in_the_order_of_their_deadlines),
		TEST(a_timer_never_fires_early_and_ends_the_wait),
		TEST(a_timer_armed_for_the_past_lets_others_run),
		TEST(a_freed_timer_does_not_fire),
		TEST(signals_arrive_as_events),
		TEST(a_child_gets_its_signals_back),
		TEST(children_are_reaped_and_told_once),
		TEST(a_killed_child_tells_its_signal),
		TEST(a_child_that_somebody_else_reaped_is_told_too),
		TEST(freeing_a_childs_source_leaves_the_child),
		TEST(a_loop_runs_until_it_is_stopped),
		TEST(nothing_is_inherited_by_programs),
	};

	for (int fd = 0; fd < MAX_FD; fd++)
		was_open[fd] = fcntl(fd, F_GETFD) >= 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
