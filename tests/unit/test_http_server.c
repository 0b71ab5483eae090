/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "wire/dial.h"
#include "wire/http_server.h"

enum { MAX_BODY = 1 << 20 };
#define GET(path) "GET " path " HTTP/1.1\r\n\r\n"

struct fixture {
	char dir[32], path[48];
	struct loop *loop;
	struct http_server *server;
	struct http_call *parked;
	size_t n_calls, n_cancelled;
	struct buf seen; /* what has been asked for */
};

static void on_cancel(void *data)
{
	struct fixture *f = data;

	f->parked = NULL;
	f->n_cancelled++;
}

/* "/park" waits, "/big" is a megabyte, anything else is told back with its body. */
static void on_call(void *user, struct http_call *call)
{
	struct fixture *f = user;
	const struct http_request *r = http_call_request(call);
	auto_buf struct buf out = BUF_INIT;

	f->n_calls++;
	if (slice_equal(r->path, slice_of_str("/park"))) {
		f->parked = call;
		http_call_on_cancel(call, on_cancel, f);
		return;
	}
	assert_int_equal(buf_append(&out, r->path.p, r->path.len), 0);
	assert_int_equal(buf_append(&out, r->body.p, r->body.len), 0);
	while (slice_equal(r->path, slice_of_str("/big")) && buf_len(&out) < 1 << 20)
		assert_int_equal(buf_append_str(&out, "0123456789abcdef"), 0);
	http_call_reply(call, 200, "text/plain", buf_slice(&out));
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct http_server_config config = {.handler = on_call, .user = f, .max_body = MAX_BODY};
	char address[64];
	int fd;

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/kihon-http.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	snprintf(address, sizeof(address), "unix://%s", f->path);
	assert_int_equal(loop_new(&f->loop), 0);
	fd = dial_listen(address, NULL);
	assert_true(fd >= 0);
	assert_int_equal(http_server_new(f->loop, fd, &config, &f->server), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_server_free(f->server);
	loop_free(f->loop);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int dial(struct fixture *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Runs the loop until what has come ends in text; false if the server hung up first. */
static bool hear(struct fixture *f, int fd, struct buf *in, const char *text)
{
	int64_t deadline_ns = clock_now_ns() + 10 * NS_PER_S;
	size_t len = strlen(text);

	while (buf_len(in) < len || strcmp(buf_str(in) + buf_len(in) - len, text) != 0) {
		char part[8192];
		ssize_t n = read(fd, part, sizeof(part));

		assert_true(clock_now_ns() < deadline_ns);
		if (n == 0)
			return false;
		if (n > 0)
			assert_int_equal(buf_append(in, part, (size_t)n), 0);
		else
			assert_int_equal(loop_run_once(f->loop, 10 * NS_PER_MS), 0);
	}
	return true;
}

static void run(struct fixture *f)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_run_once(f->loop, NS_PER_MS), 0);
}

static void one_connection_asks_again(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf in = BUF_INIT;
	auto_fd int fd = dial(f);

	say(fd, GET("/a"));
	assert_true(hear(f, fd, &in, "\r\n\r\n/a"));
	assert_string_equal(buf_str(&in),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n/a");
	say(fd, "PUT /b HTTP/1.1\r\nContent-Length: 4\r\n\r\nbo");
	run(f);
	assert_int_equal(f->n_calls, 1);
	say(fd, "dy");
	assert_true(hear(f, fd, &in, "/bbody"));
}

static void answers_come_in_order(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf in = BUF_INIT;
	auto_fd int fd = dial(f);

	say(fd, GET("/a") GET("/park") GET("/b"));
	assert_true(hear(f, fd, &in, "/a"));
	run(f);
	assert_int_equal(f->n_calls, 2);
	http_call_reply_text(f->parked, 503, "later");
	assert_true(hear(f, fd, &in, "/b"));
	assert_non_null(strstr(buf_str(&in), "503 Service Unavailable"));
}

static void the_last_request_closes(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf in = BUF_INIT;
	auto_fd int fd = dial(f);

	say(fd, "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n" GET("/b"));
	assert_false(hear(f, fd, &in, "/b"));
	assert_non_null(strstr(buf_str(&in), "Connection: close\r\n\r\n/a"));
	assert_int_equal(f->n_calls, 1);
}

static void nonsense_is_refused_and_ends(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf in = BUF_INIT;
	auto_fd int fd = dial(f);

	say(fd, "HELO\r\n\r\n");
	assert_false(hear(f, fd, &in, "never"));
	assert_non_null(strstr(buf_str(&in), "HTTP/1.1 400 Bad Request\r\n"));
	assert_int_equal(f->n_calls, 0);
}

static void a_body_that_waits_is_asked_for(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf in = BUF_INIT;
	auto_fd int fd = dial(f);

	say(fd, "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
	assert_true(hear(f, fd, &in, "HTTP/1.1 100 Continue\r\n\r\n"));
	say(fd, "x");
	assert_true(hear(f, fd, &in, "/ax"));
}

/* What the client does not take is not made again and again. */
static void a_reader_that_stops_is_waited_for(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf in = BUF_INIT;
	auto_fd int fd = dial(f);

	for (int i = 0; i < 4; i++)
		say(fd, GET("/big"));
	run(f);
	assert_int_equal(f->n_calls, 1);
	say(fd, GET("/end"));
	assert_true(hear(f, fd, &in, "\r\n\r\n/end"));
	assert_int_equal(f->n_calls, 5);
	assert_true(buf_len(&in) > 4 << 20);
}

static void a_client_that_leaves_cancels(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(fd, GET("/park"));
	run(f);
	assert_non_null(f->parked);
	close(fd);
	run(f);
	assert_int_equal(f->n_cancelled, 1);
}

static void the_end_of_the_server_cancels(void **state)
{
	struct fixture *f = *state;
	auto_fd int fd = dial(f);

	say(fd, GET("/park"));
	run(f);
	http_server_free(f->server);
	f->server = NULL;
	assert_int_equal(f->n_cancelled, 1);
}

static void so_many_at_a_time(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf in = BUF_INIT;
	int fds[HTTP_CONNECTIONS_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(f);
		run(f);
	}
	say(fds[HTTP_CONNECTIONS_MAX], GET("/a"));
	run(f);
	assert_int_equal(f->n_calls, 0);
	close(fds[0]);
	assert_true(hear(f, fds[HTTP_CONNECTIONS_MAX], &in, "/a"));
	for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(one_connection_asks_again),
		TEST(answers_come_in_order),
		TEST(the_last_request_closes),
		TEST(nonsense_is_refused_and_ends),
		TEST(a_body_that_waits_is_asked_for),
		TEST(a_reader_that_stops_is_waited_for),
		TEST(a_client_that_leaves_cancels),
		TEST(the_end_of_the_server_cancels),
		TEST(so_many_at_a_time),
	};

	return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
