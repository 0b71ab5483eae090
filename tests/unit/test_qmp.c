/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "hypervisor/qmp.h"
#include "oom.h"

#define GREETING                                                                           \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, " \
	"\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}\r\n"

/* One client, QEMU's end of its socket, and everything the client has called, as text. */
struct fixture {
	struct loop *loop;
	struct qmp *qmp;
	int fd;
	struct buf log;
	struct err why; /* of closed */
	bool free_in_callback;
};

static void note(struct fixture *f, const char *what, const char *detail)
{
	assert_int_equal(buf_printf(&f->log, "%s %s\n", what, detail), 0);
	if (f->free_in_callback) {
		qmp_free(f->qmp);
		f->qmp = NULL;
	}
}

static void on_ready(void *data)
{
	note(data, "ready", "");
}

static void on_event(void *data, const char *name, const struct value *args)
{
	const struct value *reason = value_find(args, "reason");
	const char *text = "-";
	char both[128];

	if (reason)
		assert_int_equal(value_get_string(reason, &text, NULL), 0);
	(void)snprintf(both, sizeof(both), "%s %s", name, text);
	note(data, "event", both);
}

static void on_closed(void *data, const struct err *why)
{
	struct fixture *f = data;

	f->why = *why;
	note(f, "closed", "");
}

static void on_reply(void *data, const struct value *ret, const struct err *err)
{
	const struct value *status = value_find(ret, "status");
	const char *text = "{}";

	assert_true(!ret != !err);
	if (status)
		assert_int_equal(value_get_string(status, &text, NULL), 0);
	note(data, "reply", err ? err->msg : text);
}

static const struct qmp_handlers handlers = {on_ready, on_event, on_closed};

static void set_up(struct fixture *f)
{
	int fds[2];

	*f = (struct fixture){.fd = -1};
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	f->fd = fds[1];
	assert_int_equal(qmp_new(f->loop, fds[0], &handlers, f, &f->qmp), 0);
}

static void tear_down(struct fixture *f)
{
	qmp_free(f->qmp);
	close_fd(f->fd);
	loop_free(f->loop);
	buf_fini(&f->log);
}

/* What QEMU says; the client has handled it afterwards. */
static void say(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	assert_int_equal(loop_run_once(f->loop, 0), 0);
}

static void expect_heard(struct fixture *f, const char *want)
{
	char bytes[4096];
	ssize_t n = recv(f->fd, bytes, sizeof(bytes) - 1, 0);

	bytes[n < 0 ? 0 : n] = '\0';
	assert_string_equal(bytes, want);
}

static void expect_log(struct fixture *f, const char *want)
{
	assert_string_equal(buf_str(&f->log), want);
	buf_clear(&f->log);
}

static void make_ready(struct fixture *f)
{
	say(f, GREETING);
	expect_heard(f, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
	expect_log(f, "");
	say(f, "{\"return\": {}, \"id\": 1}\r\n");
	expect_log(f, "ready \n");
}

static void a_command_gets_its_reply(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	make_ready(&f);
	assert_int_equal(qmp_execute(f.qmp, "query-status", on_reply, &f), 0);
	assert_int_equal(qmp_execute(f.qmp, "quit", on_reply, &f), 0);
	expect_heard(
		&f, "{\"execute\":\"query-status\",\"id\":2}\n{\"execute\":\"quit\",\"id\":3}\n");
	say(&f, "{\"return\": {\"status\": \"running\"}, \"id\": 2}\r\n"
		"{\"return\": {}, \"id\": 3}\r\n");
	expect_log(&f, "reply running\nreply {}\n");
	tear_down(&f);
}

static void an_error_is_class_and_text(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	make_ready(&f);
	assert_int_equal(qmp_execute(f.qmp, "foo", on_reply, &f), 0);
	say(&f, "{\"id\": 2, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command "
		"foo has not been found\"}}\r\n");
	expect_log(&f, "reply CommandNotFound: The command foo has not been found\n");
	/* A reply that nobody waits for. */
	assert_int_equal(qmp_execute(f.qmp, "quit", NULL, NULL), 0);
	say(&f, "{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"\"}}\n");
	expect_log(&f, "");
	tear_down(&f);
}

static void events_come_between_command_and_reply(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	make_ready(&f);
	assert_int_equal(qmp_execute(f.qmp, "query-status", on_reply, &f), 0);
	say(&f, "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"SHUTDOWN\", "
		"\"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\r\n"
		"{\"event\": \"STOP\"}\r\n{\"return\": {}, \"id\": 2}\r\n");
	expect_log(&f, "event SHUTDOWN guest-reset\nevent STOP -\nreply {}\n");
	tear_down(&f);
}

static void lines_may_come_in_pieces(void **state)
{
	static const char text[] = GREETING "{\"return\": {}, \"id\": 1}\r\n\r\n\n";
	struct fixture f;

	(void)state;
	set_up(&f);
	for (size_t i = 0; i < strlen(text); i++)
		say(&f, (char[]){text[i], '\0'});
	expect_log(&f, "ready \n");
	tear_down(&f);
}

static void what_breaks_the_protocol_ends_the_connection(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"garbage\n", "message"},
		{"[]\n", "an object"},
		{"{}\n", "neither greeting nor event nor reply"},
		{"{\"return\": {}, \"error\": {}, \"id\": 2}\n", "neither greeting"},
		{"{\"return\": {}}\n", "reply without id"},
		{"{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\n",
			"reply without id: GenericError: JSON parse error"},
		{"{\"return\": {}, \"id\": 7}\n", "reply to nothing that was asked"},
		{"{\"return\": {}, \"id\": 1}\n", "reply to nothing that was asked"},
		{"{\"return\": {}, \"id\": \"2\"}\n", "id"},
		{"{\"return\": {}, \"id\": -2}\n", "id"},
		{"{\"error\": {\"class\": \"x\"}, \"id\": 2}\n", "desc"},
		{"{\"error\": {\"class\": 1, \"desc\": \"x\"}, \"id\": 2}\n", "class"},
		{"{\"error\": \"x\", \"id\": 2}\n", "an object"},
		{"{\"event\": 1}\n", "event"},
		{"{\"event\": \"x\", \"data\": 1}\n", "data"},
		{GREETING, "unexpected greeting"},
		{"{\"event\": \"\xff\"}\n", "message"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;

		set_up(&f);
		make_ready(&f);
		assert_int_equal(qmp_execute(f.qmp, "query-status", on_reply, &f), 0);
		say(&f, rows[i].text);
		expect_log(&f, "closed \n");
		if (strncmp(f.why.msg, "QMP: ", 5) != 0 || !strstr(f.why.msg, rows[i].why))
			fail_msg("row %zu: %s", i, f.why.msg);
		assert_int_not_equal(f.why.code, EPIPE);
		assert_int_equal(qmp_execute(f.qmp, "quit", NULL, NULL), -ENOTCONN);
		assert_int_equal(loop_run_once(f.loop, 0), 0);
		expect_log(&f, "");
		tear_down(&f);
	}
}

static void a_line_without_end_is_refused(void **state)
{
	struct fixture f;
	char bytes[8192];
	size_t sent = 0;

	(void)state;
	set_up(&f);
	memset(bytes, ' ', sizeof(bytes));
	while (f.why.code == 0 && sent < QMP_LINE_MAX + (1 << 18)) {
		ssize_t n = send(f.fd, bytes, sizeof(bytes), MSG_NOSIGNAL);

		assert_true(n > 0);
		sent += (size_t)n;
		assert_int_equal(loop_run_once(f.loop, 0), 0);
	}
	assert_non_null(strstr(f.why.msg, "line longer than"));
	tear_down(&f);
}

static void the_end_is_told_after_what_came_before_it(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	make_ready(&f);
	say(&f, "");
	assert_int_equal(send(f.fd, "{\"event\": \"SHUTDOWN\"}\nhalf", 26, MSG_NOSIGNAL), 26);
	close(take_fd(&f.fd));
	assert_int_equal(loop_run_once(f.loop, NS_PER_S), 0);
	assert_int_equal(loop_run_once(f.loop, NS_PER_S), 0);
	expect_log(&f, "event SHUTDOWN -\nclosed \n");
	assert_int_equal(f.why.code, EPIPE);
	assert_string_equal(f.why.msg, "QMP: closed by QEMU");
	tear_down(&f);
}

static void refused_capabilities_end_the_connection(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	assert_int_equal(qmp_execute(f.qmp, "quit", NULL, NULL), -ENOTCONN);
	say(&f, GREETING);
	assert_int_equal(qmp_execute(f.qmp, "quit", NULL, NULL), -ENOTCONN);
	say(&f, "{\"id\": 1, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n");
	expect_log(&f, "closed \n");
	assert_string_equal(f.why.msg, "QMP: GenericError: no");
	tear_down(&f);
}

static void the_client_may_be_freed_by_any_callback(void **state)
{
	static const char *const texts[] = {
		"{\"return\": {}, \"id\": 1}\n{\"event\": \"X\"}\n", /* ready */
		"{\"event\": \"X\"}\n{\"event\": \"Y\"}\n",
		"garbage\n{\"event\": \"X\"}\n", /* closed */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct fixture f;

		set_up(&f);
		say(&f, GREETING);
		f.free_in_callback = true;
		say(&f, texts[i]);
		assert_null(f.qmp);
		/* One callback, and none after it. */
		assert_ptr_equal(strchr(buf_str(&f.log), '\n'), strrchr(buf_str(&f.log), '\n'));
		tear_down(&f);
	}
}

static void a_peer_that_does_not_read_bounds_the_queue(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	make_ready(&f);
	for (int i = 0; i < QMP_PENDING_MAX; i++)
		assert_int_equal(qmp_execute(f.qmp, "query-status", on_reply, &f), 0);
	assert_int_equal(qmp_execute(f.qmp, "query-status", on_reply, &f), -EBUSY);
	say(&f, "{\"return\": {}, \"id\": 2}\n");
	assert_int_equal(qmp_execute(f.qmp, "query-status", on_reply, &f), 0);
	tear_down(&f);
}

static void no_memory_is_an_error_not_a_crash(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		struct fixture f = {.fd = -1};
		bool struck;
		int fds[2], r;

		assert_int_equal(loop_new(&f.loop), 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
		f.fd = fds[1];
		assert_int_equal(send(f.fd, GREETING, strlen(GREETING), 0), strlen(GREETING));
		oom_arm(n);
		r = qmp_new(f.loop, fds[0], &handlers, &f, &f.qmp);
		if (r == 0)
			r = loop_run_once(f.loop, 0);
		oom_disarm();
		struck = oom_has_struck();
		assert_int_equal(f.qmp ? 0 : -ENOMEM, r);
		if (f.qmp && struck)
			assert_int_equal(f.why.code, ENOMEM);
		tear_down(&f);
		if (!struck)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_gets_its_reply),
		cmocka_unit_test(an_error_is_class_and_text),
		cmocka_unit_test(events_come_between_command_and_reply),
		cmocka_unit_test(lines_may_come_in_pieces),
		cmocka_unit_test(what_breaks_the_protocol_ends_the_connection),
		cmocka_unit_test(a_line_without_end_is_refused),
		cmocka_unit_test(the_end_is_told_after_what_came_before_it),
		cmocka_unit_test(refused_capabilities_end_the_connection),
		cmocka_unit_test(the_client_may_be_freed_by_any_callback),
		cmocka_unit_test(a_peer_that_does_not_read_bounds_the_queue),
		cmocka_unit_test(no_memory_is_an_error_not_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
