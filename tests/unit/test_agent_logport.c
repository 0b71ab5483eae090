/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/logport.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

enum { PATH_SIZE = 64 };

struct fixture {
	struct loop *loop;
	struct logport *port;
	char path[PATH_SIZE], address[PATH_SIZE + 8];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	*state = f;
	snprintf(f->path, sizeof(f->path), "/tmp/kihon-logport-%d", (int)getpid());
	snprintf(f->address, sizeof(f->address), "unix://%s", f->path);
	assert_int_equal(logport_begin(), 0);
	log_write(LOG_INFO, "test", "before the port is open", NULL);
	return loop_new(&f->loop) || logport_open(f->loop, f->address, &f->port, &err);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	logport_close(f->port);
	loop_free(f->loop);
	unlink(f->path);
	free(f);
	return 0;
}

static int connect_to(const struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Runs the port until the text has arrived. */
static void expect(struct fixture *f, int fd, const char *text)
{
	int64_t deadline_ns = clock_now_ns() + 10 * NS_PER_S;
	struct buf got = BUF_INIT;
	char chunk[1024];

	while (!strstr(buf_str(&got), text)) {
		ssize_t n;

		assert_true(clock_now_ns() < deadline_ns);
		assert_int_equal(loop_run_once(f->loop, 10 * NS_PER_MS), 0);
		n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		assert_true(n != 0);
		if (n > 0)
			assert_int_equal(buf_append(&got, chunk, (size_t)n), 0);
	}
	buf_fini(&got);
}

static void records_from_before_a_connection_are_kept(void **state)
{
	struct fixture *f = *state;
	int fd;

	log_write(LOG_INFO, "test", "before anybody listens", NULL);
	fd = connect_to(f);
	expect(f, fd, "before the port is open");
	log_write(LOG_INFO, "test", "while somebody listens", NULL);
	expect(f, fd, "while somebody listens");
	close(fd);
}

static void another_connection_takes_over(void **state)
{
	struct fixture *f = *state;
	int first = connect_to(f), second = connect_to(f);

	expect(f, first, "before the port is open");
	close(first);
	log_write(LOG_INFO, "test", "for the second", NULL);
	/* It may have been sent to the first before its end was seen. */
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	log_write(LOG_INFO, "test", "surely for the second", NULL);
	expect(f, second, "surely for the second");
	close(second);
}

static void what_a_connection_says_is_ignored(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(f);

	expect(f, fd, "before the port is open");
	assert_int_equal(write(fd, "hello", 5), 5);
	log_write(LOG_INFO, "test", "still there", NULL);
	expect(f, fd, "still there");
	close(fd);
}

static void a_reader_that_stops_makes_records_drop_not_wait(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(f);

	expect(f, fd, "before the port is open");
	/* More than pipe and socket hold. */
	for (int i = 0; i < 20000; i++) {
		log_printf(LOG_INFO, "test", "record %d", i);
		assert_int_equal(loop_run_once(f->loop, 0), 0);
	}
	/* The reader comes back; what was dropped is counted. */
	expect(f, fd, "record 0\"");
	for (int i = 0; i < 10000; i++) {
		char chunk[8192];

		assert_int_equal(loop_run_once(f->loop, 0), 0);
		if (recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT) < 0)
			break;
	}
	log_write(LOG_INFO, "test", "after the flood", NULL);
	expect(f, fd, "dropped-before");
	close(fd);
}

static void closing_sends_the_rest(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(f);
	char chunk[4096];
	ssize_t n;

	expect(f, fd, "before the port is open");
	log_write(LOG_INFO, "test", "last words", NULL);
	logport_close(take_ptr(&f->port));
	n = recv(fd, chunk, sizeof(chunk) - 1, 0);
	assert_true(n > 0);
	chunk[n] = '\0';
	assert_non_null(strstr(chunk, "last words"));
	assert_int_equal(recv(fd, chunk, sizeof(chunk), 0), 0);
	close(fd);
}

static void without_a_port_records_go_to_standard_output(void **state)
{
	char path[] = "/tmp/kihon-logport-stdout.XXXXXX";
	int fd = mkstemp(path), saved = io_dup(STDOUT_FILENO);
	struct err err = ERR_INIT;
	struct buf text = BUF_INIT;
	struct logport *port;

	(void)state;
	assert_true(fd >= 0 && saved >= 0);
	assert_int_equal(logport_begin(), 0);
	log_write(LOG_INFO, "test", "early", NULL);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	assert_int_equal(logport_open(NULL, NULL, &port, &err), 0);
	log_write(LOG_INFO, "test", "late", NULL);
	dup2(saved, STDOUT_FILENO);
	assert_null(port);
	logport_close(port);
	assert_int_equal(io_read_file(AT_FDCWD, path, 4096, &text), 0);
	assert_non_null(strstr(buf_str(&text), "early"));
	assert_non_null(strstr(buf_str(&text), "late"));
	log_set_fd(-1);
	buf_fini(&text);
	unlink(path);
	close(fd);
	close(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			records_from_before_a_connection_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(another_connection_takes_over, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_connection_says_is_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_reader_that_stops_makes_records_drop_not_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(closing_sends_the_rest, setup, teardown),
		cmocka_unit_test(without_a_port_records_go_to_standard_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
