/* SPDX-License-Identifier: Apache-2.0 */
/* The debug console: shells over a port, and on the guest's console. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/console.h"
#include "agent/terminal.h"
#include "base/io.h"
#include "fixture.h"

enum { PORT = 1026, MANY = 1000 };
#define LIMIT_NS (20 * NS_PER_S)

#define CONFIG "debug_console = true\ndebug_console_vport = 1026\nlaunch_process_timeout = 60\n"

static int set_up(void **state)
{
	return fixture_set_up_with(state, CONFIG);
}

static int set_up_port_only(void **state)
{
	return fixture_set_up_with(state, "debug_console_vport = 1026\n");
}

/* Reads until the text has come; false at the end. */
static bool read_until(int fd, const char *text, struct buf *out)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_NS;

	while (!strstr(buf_str(out), text)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char chunk[4096];
		ssize_t n;

		assert_true(clock_now_ns() < deadline_ns);
		if (poll(&p, 1, 1000) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			return false;
		assert_int_equal(buf_append(out, chunk, (size_t)n), 0);
	}
	return true;
}

static void expect(int fd, const char *text)
{
	struct buf out = BUF_INIT;

	if (!read_until(fd, text, &out))
		fail_msg("the end came before \"%s\": %s", text, buf_str(&out));
	buf_fini(&out);
}

static void expect_end(int fd)
{
	struct buf out = BUF_INIT;

	assert_false(read_until(fd, "\001 never written", &out));
	buf_fini(&out);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The number that follows name in what comes. */
static long ask_number(int fd, const char *command, const char *name)
{
	struct buf out = BUF_INIT;
	char end[32];
	long n;

	say(fd, command);
	snprintf(end, sizeof(end), "end-%s", name);
	assert_true(read_until(fd, end, &out));
	n = strtol(strstr(buf_str(&out), name) + strlen(name), NULL, 10);
	buf_fini(&out);
	return n;
}

static pid_t shell_pid(int fd)
{
	/* Not what the terminal echoes: that has the quotes in it. */
	return (pid_t)ask_number(fd, "echo p'id='$$; echo e'nd-p'id=\n", "pid=");
}

static bool is_gone(pid_t pid)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_NS;

	while (kill(pid, 0) == 0 && clock_now_ns() < deadline_ns)
		usleep(2000);
	return kill(pid, 0) < 0;
}

static void a_connection_has_a_shell_on_a_terminal(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect_port(f, PORT, 0);
	pid_t pid;

	say(fd, "tty && echo is-a'-tty'\n");
	expect(fd, "is-a-tty");
	/* It leads a session of which the terminal is the controlling one. */
	say(fd, "echo ok > /dev/tty; cat /proc/$$/stat | cut -d' ' -f6 | sed s/^/ses'sion='/; "
		"echo; pwd | sed 's/^/cwd'=/\n");
	expect(fd, "cwd=/\r\n");
	pid = shell_pid(fd);
	assert_true(pid > 1);
	assert_int_equal(getsid(pid), pid);
	say(fd, "exit\n");
	expect_end(fd);
	assert_true(is_gone(pid));
	close(fd);
}

static void the_rest_of_the_output_comes_before_the_end(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect_port(f, PORT, 0);
	struct buf out = BUF_INIT;

	say(fd, "stty -echo; head -c 300000 /dev/zero | tr '\\0' x; echo; echo la''st; exit\n");
	assert_false(read_until(fd, "\001 never written", &out));
	assert_true(buf_len(&out) > 300000);
	assert_non_null(strstr(buf_str(&out), "last\r\n"));
	buf_fini(&out);
	close(fd);
}

static void the_end_of_a_connection_kills_its_shell_and_no_other(void **state)
{
	struct fixture *f = *state;
	int fds[2] = {fixture_connect_port(f, PORT, 0), fixture_connect_port(f, PORT, 0)};
	pid_t pids[2] = {shell_pid(fds[0]), shell_pid(fds[1])};

	assert_int_not_equal(pids[0], pids[1]);
	/* It would not go for a hang-up. */
	say(fds[0], "trap '' HUP TERM; echo re''ady\n");
	expect(fds[0], "ready\r\n");
	assert_int_equal(shutdown(fds[0], SHUT_WR), 0);
	assert_true(is_gone(pids[0]));
	assert_int_equal(kill(pids[1], 0), 0);
	assert_int_equal(shell_pid(fds[1]), pids[1]);
	close(fds[0]);
	close(fds[1]);
	assert_true(is_gone(pids[1]));
}

static void a_foreground_program_goes_with_its_connection(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect_port(f, PORT, 0);
	pid_t pid = (pid_t)ask_number(
		fd, "sh -c 'echo p\"id=\"$$; echo e\"nd-p\"id=; exec sleep 1000'\n", "pid=");

	assert_int_equal(kill(pid, 0), 0);
	close(fd);
	assert_true(is_gone(pid));
}

static void connections_past_the_bound_are_closed(void **state)
{
	struct fixture *f = *state;
	int fds[CONSOLE_MAX_SESSIONS], fd;
	size_t before;

	/* The first call settles what the agent has open. */
	assert_int_equal(signal_process(f, "nosuch", "", 9, NULL), WIRE_INVALID_ARGUMENT);
	before = fixture_count_fds(f);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = fixture_connect_port(f, PORT, 0);
		(void)shell_pid(fds[i]);
	}
	fd = fixture_connect_port(f, PORT, 0);
	expect_end(fd);
	close(fd);
	/* One goes, and there is room for another. */
	close(fds[0]);
	do {
		struct pollfd p;

		fds[0] = fixture_connect_port(f, PORT, 0);
		p = (struct pollfd){.fd = fds[0], .events = POLLIN};
		assert_int_equal(poll(&p, 1, 10000), 1);
		if (recv(fds[0], &(char){0}, 1, MSG_PEEK) == 1)
			break;
		close(fds[0]);
	} while (true);
	(void)shell_pid(fds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (int i = 0; i < 1000 && fixture_count_fds(f) > before; i++)
		usleep(5000);
	assert_int_equal(fixture_count_fds(f), before);
}

static void a_thousand_silent_connections_hold_up_nobody(void **state)
{
	struct fixture *f = *state;
	int fds[MANY];
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fixture_connect_port(f, PORT, 0);
	run_container(f, "c1", "exit 3");
	assert_int_equal(wait_process(f, "c1", ""), 3);
	assert_true(fixture_count_fds(f) < 200);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		n += recv(fds[i], &(char){0}, 1, 0) == 0;
	assert_int_equal(n, MANY - CONSOLE_MAX_SESSIONS);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void a_reader_that_stops_costs_nothing(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect_port(f, PORT, 0);
	pid_t pid = shell_pid(fd);
	size_t before = fixture_agent_memory_kb(f);

	say(fd, "yes\n");
	for (int i = 0; i < 20; i++) {
		char id[] = {'c', (char)('a' + i), '\0'};

		run_container(f, id, "exit 0");
		assert_int_equal(wait_process(f, id, ""), 0);
		assert_int_equal(remove_container(f, id), 0);
	}
#ifndef __SANITIZE_ADDRESS__
	assert_true(fixture_agent_memory_kb(f) < before + 200);
#endif
	(void)before;
	close(fd);
	assert_true(is_gone(pid));
}

static void there_is_none_unless_asked_for(void **state)
{
	struct fixture *f = *state;

	/* Nobody has the name: it can be had. */
	close(fixture_listen_port(f, PORT));
}

/* The guest's console is a terminal of the test's. */
static int console_fd = -1, console_slave_fd = -1;

static int set_up_device(void **state)
{
	char name[64];

	/* The slave stays open: while nobody has it open the master has nothing but errors. */
	assert_int_equal(terminal_open(&console_fd, &console_slave_fd), 0);
	assert_int_equal(ptsname_r(console_fd, name, sizeof(name)), 0);
	assert_int_equal(mount(name, "/dev/console", NULL, MS_BIND, NULL), 0);
	return fixture_set_up_with(state, "debug_console = true\n");
}

static int tear_down_device(void **state)
{
	int r = fixture_tear_down(state);

	assert_int_equal(umount2("/dev/console", MNT_DETACH), 0);
	close(console_fd);
	close(console_slave_fd);
	return r;
}

static void without_a_port_the_shell_is_on_the_console(void **state)
{
	pid_t pid;
	char text[] = "case $- in *i*) echo inter''active;; esac; tty\n";

	(void)state;
	assert_int_equal(write(console_fd, text, strlen(text)), strlen(text));
	expect(console_fd, "interactive\r\n");
	{
		struct buf out = BUF_INIT;
		char ask[] = "echo p'id='$$; echo e'nd-p'id=\n";

		assert_int_equal(write(console_fd, ask, strlen(ask)), strlen(ask));
		assert_true(read_until(console_fd, "end-pid=", &out));
		pid = (pid_t)strtol(strstr(buf_str(&out), "pid=") + 4, NULL, 10);
		buf_fini(&out);
	}
	assert_true(pid > 1);
	assert_int_equal(getsid(pid), pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(is_gone(pid));
}

#define console_test(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		console_test(a_connection_has_a_shell_on_a_terminal),
		console_test(the_rest_of_the_output_comes_before_the_end),
		console_test(the_end_of_a_connection_kills_its_shell_and_no_other),
		console_test(a_foreground_program_goes_with_its_connection),
		console_test(connections_past_the_bound_are_closed),
		console_test(a_thousand_silent_connections_hold_up_nobody),
		console_test(a_reader_that_stops_costs_nothing),
		agent_test(there_is_none_unless_asked_for),
		cmocka_unit_test_setup_teardown(
			there_is_none_unless_asked_for, set_up_port_only, fixture_tear_down),
		cmocka_unit_test_setup_teardown(without_a_port_the_shell_is_on_the_console,
			set_up_device, tear_down_device),
	};

	fixture_require();
#ifdef OVER_VSOCK
	fixture_require_vsock();
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
