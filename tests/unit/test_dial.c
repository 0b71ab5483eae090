/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "loop_until.h"
#include "wire/address.h"
#include "wire/dial.h"

struct fixture {
	struct loop *loop;
	char dir[64];
	char address[128];
	/* What the dial said. */
	size_t n_calls;
	int fd;
	struct err err;
	/* The hybrid vsock device at the other end: answers connection i with answers[i]. */
	int device_fd;
	struct source *device;
	const char *answers[4]; /* NULL: hangs up; "": says nothing */
	size_t n_accepted;
	int peers[4];
	char request[4][32];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->fd = f->device_fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(f->peers); i++)
		f->peers[i] = -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/test_dial.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	return loop_new(&f->loop);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	source_free(f->device);
	close_fd(f->device_fd);
	close_fd(f->fd);
	for (size_t i = 0; i < ARRAY_SIZE(f->peers); i++)
		close_fd(f->peers[i]);
	loop_free(f->loop);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

static void on_dialled(void *data, int fd, const struct err *err)
{
	struct fixture *f = data;

	f->n_calls++;
	f->fd = fd;
	if (err)
		f->err = *err;
	assert_true((fd >= 0) == (err == NULL));
}

static void start(struct fixture *f, int64_t deadline_ns, struct dial **ret)
{
	const struct dial_config config = {.address = f->address,
		.retry_ns = NS_PER_MS,
		.deadline_ns = clock_now_ns() + deadline_ns,
		.attempt_ns = 50 * NS_PER_MS};

	assert_int_equal(dial_start(f->loop, &config, on_dialled, f, ret, &f->err), 0);
	assert_int_equal(f->n_calls, 0);
}

static void an_address_is_parsed(void **state)
{
	static const struct {
		const char *text;
		int family;
		uint32_t cid, port;
		const char *path; /* "@" for the NUL in front of an abstract name */
	} rows[] = {
		{"vsock://3:1024", AF_VSOCK, 3, 1024, NULL},
		{"vsock://-1:1024", AF_VSOCK, UINT32_MAX, 1024, NULL},
		{"vsock://4294967295:4294967295", AF_VSOCK, UINT32_MAX, UINT32_MAX, NULL},
		{"vsock://0:0", AF_VSOCK, 0, 0, NULL},
		{"unix:///a", AF_UNIX, 0, 0, "/a"},
		{"unix:///run/a:b", AF_UNIX, 0, 0, "/run/a:b"},
		{"unix://@n", AF_UNIX, 0, 0, "@n"},
		{"hvsock:///run/v.sock:1024", AF_UNIX, 0, 1024, "/run/v.sock"},
		{"hvsock:///run/a:b:7", AF_UNIX, 0, 7, "/run/a:b"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct address a;

		assert_int_equal(address_parse(rows[i].text, &a, NULL), 0);
		assert_int_equal(a.sa.any.sa_family, rows[i].family);
		assert_int_equal(a.is_hybrid, rows[i].text[0] == 'h');
		if (rows[i].family == AF_VSOCK) {
			assert_int_equal(a.sa.vm.svm_cid, rows[i].cid);
			assert_int_equal(a.sa.vm.svm_port, rows[i].port);
			continue;
		}
		if (a.is_hybrid)
			assert_int_equal(a.hybrid_port, rows[i].port);
		if (rows[i].path[0] == '@') {
			assert_int_equal(a.sa.un.sun_path[0], 0);
			assert_int_equal(a.sa_len, offsetof(struct sockaddr_un, sun_path) + 2);
			assert_memory_equal(a.sa.un.sun_path + 1, rows[i].path + 1, 1);
		} else {
			assert_string_equal(a.sa.un.sun_path, rows[i].path);
		}
	}
}

static void a_bad_address_is_named(void **state)
{
	static const char *const rows[] = {"", "vsock", "vsock://", "vsock://3", "vsock://:1",
		"vsock://3:", "vsock://3:-1", "vsock://-2:1", "vsock://+3:1", "vsock:// 3:1",
		"vsock://3:1 ", "vsock://4294967296:1", "vsock://3:4294967296",
		"vsock://99999999999999999999:1", "vsock://00000000003:1", "vsock://3:1:2",
		"unix://", "unix://@", "unix://relative", "hvsock://", "hvsock:///a", "hvsock://:1",
		"hvsock:///a:", "hvsock:///a:x", "tcp://1.2.3.4:5", "VSOCK://3:1", "/run/a"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct address a;

		assert_int_equal(address_parse(rows[i], &a, &err), -EINVAL);
		assert_non_null(strstr(err.msg, rows[i]));
	}
}

static void a_path_fits_or_is_refused(void **state)
{
	char text[256];
	struct address a;

	(void)state;
	/* 107 bytes and the NUL fill sun_path. */
	snprintf(text, sizeof(text), "unix:///%0106d", 0);
	assert_int_equal(address_parse(text, &a, NULL), 0);
	assert_int_equal(strlen(a.sa.un.sun_path), 107);
	snprintf(text, sizeof(text), "unix:///%0107d", 0);
	assert_int_equal(address_parse(text, &a, NULL), -EINVAL);
	/* An abstract name needs no NUL behind. */
	snprintf(text, sizeof(text), "unix://@%0107d", 0);
	assert_int_equal(address_parse(text, &a, NULL), 0);
	assert_int_equal(a.sa_len, sizeof(struct sockaddr_un));
	snprintf(text, sizeof(text), "unix://@%0108d", 0);
	assert_int_equal(address_parse(text, &a, NULL), -EINVAL);
}

static void check_flags(int fd)
{
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void a_unix_socket_is_reached_and_private(void **state)
{
	struct fixture *f = *state;
	auto_fd int listen_fd = -1, peer_fd = -1;
	struct dial *dial;
	struct stat st;

	snprintf(f->address, sizeof(f->address), "unix://%s/s", f->dir);
	listen_fd = dial_listen(f->address, NULL);
	assert_true(listen_fd >= 0);
	check_flags(listen_fd);
	assert_int_equal(stat(f->address + strlen("unix://"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	start(f, NS_PER_S, &dial);
	loop_until(f->loop, f->n_calls > 0);
	check_flags(f->fd);
	peer_fd = accept(listen_fd, NULL, NULL);
	assert_true(peer_fd >= 0);
	assert_int_equal(send(f->fd, "x", 1, 0), 1);
	assert_int_equal(recv(peer_fd, f->request[0], 2, 0), 1);
}

static void an_abstract_socket_is_reached(void **state)
{
	struct fixture *f = *state;
	auto_fd int listen_fd = -1;
	struct dial *dial;

	snprintf(f->address, sizeof(f->address), "unix://@%s", f->dir);
	listen_fd = dial_listen(f->address, NULL);
	assert_true(listen_fd >= 0);
	start(f, NS_PER_S, &dial);
	loop_until(f->loop, f->n_calls > 0);
	assert_true(f->fd >= 0);
}

static void a_vsock_is_reached(void **state)
{
	struct fixture *f = *state;
	auto_fd int listen_fd = -1;
	struct sockaddr_vm own;
	socklen_t len = sizeof(own);
	struct dial *dial;

	/* Port any, then through the loopback CID, where the kernel has it. */
	listen_fd = dial_listen("vsock://-1:4294967295", &f->err);
	if (listen_fd < 0) {
		print_message("skipped: %s\n", f->err.msg);
		skip();
	}
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&own, &len), 0);
	snprintf(f->address, sizeof(f->address), "vsock://1:%u", own.svm_port);
	start(f, 100 * NS_PER_MS, &dial);
	loop_until(f->loop, f->n_calls > 0);
	if (f->fd < 0) {
		print_message("skipped: %s\n", f->err.msg);
		skip();
	}
}

static void a_stale_socket_is_replaced_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct stat st;
	int fd;

	snprintf(f->address, sizeof(f->address), "unix://%s/s", f->dir);
	fd = dial_listen(f->address, NULL);
	assert_true(fd >= 0);
	/* Somebody listens: stays. */
	assert_int_equal(dial_listen(f->address, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, f->address));
	close(fd);
	fd = dial_listen(f->address, NULL);
	assert_true(fd >= 0);
	close(fd);
	/* A file that is no socket stays too. */
	assert_int_equal(unlink(f->address + strlen("unix://")), 0);
	assert_int_equal(
		io_replace_file(AT_FDCWD, f->address + strlen("unix://"), 0600, "x", 1), 0);
	assert_int_equal(dial_listen(f->address, NULL), -EADDRINUSE);
	assert_int_equal(stat(f->address + strlen("unix://"), &st), 0);
	assert_int_equal(st.st_size, 1);
}

static void listening_on_hybrid_vsock_is_refused(void **state)
{
	(void)state;
	assert_int_equal(dial_listen("hvsock:///run/x:1", NULL), -EINVAL);
}

static void listen_now(void *data)
{
	struct fixture *f = data;

	f->device_fd = dial_listen(f->address, NULL);
	assert_true(f->device_fd >= 0);
}

static void a_dial_waits_for_the_listener(void **state)
{
	struct fixture *f = *state;
	struct source *timer;
	struct dial *dial;

	snprintf(f->address, sizeof(f->address), "unix://%s/s", f->dir);
	assert_int_equal(
		loop_add_timer(f->loop, clock_now_ns() + 10 * NS_PER_MS, listen_now, f, &timer), 0);
	start(f, 5 * NS_PER_S, &dial);
	loop_until(f->loop, f->n_calls > 0);
	assert_true(f->device_fd >= 0);
	assert_true(f->fd >= 0);
	source_free(timer);
}

static void the_deadline_ends_a_dial_with_the_last_reason(void **state)
{
	struct fixture *f = *state;
	int64_t start_ns = clock_now_ns();
	struct dial *dial;

	snprintf(f->address, sizeof(f->address), "unix://%s/s", f->dir);
	start(f, 10 * NS_PER_MS, &dial);
	loop_until(f->loop, f->n_calls > 0);
	assert_int_equal(f->err.code, ENOENT);
	assert_non_null(strstr(f->err.msg, f->address));
	assert_in_range(clock_now_ns() - start_ns, 5 * NS_PER_MS, 3 * NS_PER_S);
}

static void what_cannot_pass_is_not_tried_again(void **state)
{
	struct fixture *f = *state;
	int64_t start_ns = clock_now_ns();
	struct dial *dial;

	snprintf(f->address, sizeof(f->address), "%s/file", f->dir);
	assert_int_equal(io_replace_file(AT_FDCWD, f->address, 0600, "x", 1), 0);
	snprintf(f->address, sizeof(f->address), "unix://%s/file/s", f->dir);
	start(f, 60 * NS_PER_S, &dial);
	loop_until(f->loop, f->n_calls > 0);
	assert_int_equal(f->err.code, ENOTDIR);
	assert_true(clock_now_ns() - start_ns < 5 * NS_PER_S);
}

static void a_cancelled_dial_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct dial *dial;

	snprintf(f->address, sizeof(f->address), "unix://%s/s", f->dir);
	start(f, NS_PER_S, &dial);
	dial_cancel(dial);
	dial_cancel(NULL);
	assert_int_equal(loop_run_once(f->loop, 5 * NS_PER_MS), 0);
	/* In the middle of an attempt as well. */
	listen_now(f);
	start(f, NS_PER_S, &dial);
	assert_int_equal(loop_run_once(f->loop, 0), 0);
	dial_cancel(dial);
	assert_int_equal(loop_run_once(f->loop, 5 * NS_PER_MS), 0);
	assert_int_equal(f->n_calls, 0);
}

static void on_device(void *data, int fd, uint32_t events)
{
	struct fixture *f = data;
	size_t i = f->n_accepted++;
	struct timeval wait = {.tv_sec = 2};

	(void)events;
	assert_true(i < ARRAY_SIZE(f->peers));
	f->peers[i] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(f->peers[i] >= 0);
	if (!f->answers[i]) {
		assert_int_equal(shutdown(f->peers[i], SHUT_WR), 0);
		return;
	}
	/* Answers before it has read: the other end cannot tell, and nobody waits here. */
	assert_int_equal(setsockopt(f->peers[i], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(send(f->peers[i], f->answers[i], strlen(f->answers[i]), 0),
		(ssize_t)strlen(f->answers[i]));
}

static void set_up_device(struct fixture *f)
{
	char address[128];

	snprintf(address, sizeof(address), "unix://%s/v", f->dir);
	f->device_fd = dial_listen(address, NULL);
	assert_true(f->device_fd >= 0);
	assert_int_equal(loop_add_io(f->loop, f->device_fd, EPOLLIN, on_device, f, &f->device), 0);
	snprintf(f->address, sizeof(f->address), "hvsock://%s/v:1024", f->dir);
}

static void hybrid_vsock_is_asked_for_the_port(void **state)
{
	struct fixture *f = *state;
	struct dial *dial;
	char rest[8] = "";

	set_up_device(f);
	/* The guest speaks first: that is not the handshake's to eat. */
	f->answers[0] = "OK 1073741824\nhello";
	start(f, 5 * NS_PER_S, &dial);
	loop_until(f->loop, f->n_calls > 0);
	assert_true(f->fd >= 0);
	check_flags(f->fd);
	assert_int_equal(recv(f->fd, rest, sizeof(rest), 0), 5);
	assert_string_equal(rest, "hello");
	assert_int_equal(recv(f->peers[0], f->request[0], sizeof(f->request[0]) - 1, 0),
		strlen("CONNECT 1024\n"));
	assert_string_equal(f->request[0], "CONNECT 1024\n");
}

static void an_answer_in_pieces_is_put_together(void **state)
{
	struct fixture *f = *state;
	struct dial *dial;
	const char *answer = "OK 1\n";

	set_up_device(f);
	f->answers[0] = "";
	start(f, 5 * NS_PER_S, &dial);
	loop_until(f->loop, f->n_accepted > 0);
	for (; *answer; answer++) {
		assert_int_equal(f->n_calls, 0);
		assert_int_equal(send(f->peers[0], answer, 1, 0), 1);
		assert_int_equal(loop_run_once(f->loop, 20 * NS_PER_MS), 0);
	}
	loop_until(f->loop, f->n_calls > 0);
	assert_true(f->fd >= 0);
}

static void a_guest_that_does_not_listen_yet_is_tried_again(void **state)
{
	struct fixture *f = *state;
	struct dial *dial;

	set_up_device(f);
	f->answers[1] = "ERR\n";
	f->answers[2] = "";
	f->answers[3] = "OK\n";
	start(f, 5 * NS_PER_S, &dial);
	loop_until(f->loop, f->n_calls > 0);
	assert_int_equal(f->n_accepted, 4);
	assert_true(f->fd >= 0);
}

static void a_wrong_answer_is_no_connection(void **state)
{
	static const char *const rows[] = {"\n", "OKAY 1\n", "ok 1\n", " OK 1\n", "O\n",
		"CONNECT 1024\n",
		"OK 1111111111111111111111111111111111111111111111111111111111111"};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture *f;
		struct dial *dial;

		set_up(state);
		f = *state;
		set_up_device(f);
		for (size_t n = 0; n < ARRAY_SIZE(f->answers); n++)
			f->answers[n] = rows[i];
		start(f, 2 * NS_PER_MS, &dial);
		loop_until(f->loop, f->n_calls > 0);
		assert_int_equal(f->fd, -1);
		assert_non_null(strstr(f->err.msg, f->address));
		if (i + 1 < ARRAY_SIZE(rows))
			tear_down(state);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_parsed),
		cmocka_unit_test(a_bad_address_is_named),
		cmocka_unit_test(a_path_fits_or_is_refused),
		TEST(a_unix_socket_is_reached_and_private),
		TEST(an_abstract_socket_is_reached),
		TEST(a_vsock_is_reached),
		TEST(a_stale_socket_is_replaced_and_nothing_else),
		cmocka_unit_test(listening_on_hybrid_vsock_is_refused),
		TEST(a_dial_waits_for_the_listener),
		TEST(the_deadline_ends_a_dial_with_the_last_reason),
		TEST(what_cannot_pass_is_not_tried_again),
		TEST(a_cancelled_dial_says_nothing),
		TEST(hybrid_vsock_is_asked_for_the_port),
		TEST(an_answer_in_pieces_is_put_together),
		TEST(a_guest_that_does_not_listen_yet_is_tried_again),
		cmocka_unit_test_teardown(a_wrong_answer_is_no_connection, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
