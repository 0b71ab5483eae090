/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "text/json.h"

/* The sink is a pipe: read_fd is what a host would read. */
struct fixture {
	int read_fd, write_fd;
	char text[1 << 16];
	size_t len;
};

static void start(enum log_format format, enum log_level level, const char *id, int fd)
{
	log_init(&(struct log_config){.format = format,
		.level = level,
		.name = "prog",
		.source = "src",
		.id = id,
		.fd = fd});
}

static int set_up(void **state)
{
	static struct fixture f;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	f = (struct fixture){.read_fd = fds[0], .write_fd = fds[1]};
	start(LOG_JSON, LOG_DEBUG, NULL, f.write_fd);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	log_set_fd(-1);
	close_fd(f->read_fd);
	close_fd(f->write_fd);
	return 0;
}

/* Everything written so far. */
static const char *take(struct fixture *f)
{
	ssize_t n = read(f->read_fd, f->text, sizeof(f->text) - 1);

	f->len = n < 0 ? 0 : (size_t)n;
	f->text[f->len] = '\0';
	return f->text;
}

static struct document *take_record(struct fixture *f)
{
	const char *text = take(f);
	struct document *doc = NULL;
	struct err err = ERR_INIT;

	assert_true(f->len > 0 && text[f->len - 1] == '\n');
	assert_ptr_equal(strchr(text, '\n'), text + f->len - 1);
	if (json_parse("record", slice_of(text, f->len), sizeof(f->text), &doc, &err) < 0)
		fail_msg("%s in %s", err.msg, text);
	return doc;
}

static void check_string(const struct document *doc, const char *key, const char *expected)
{
	const struct value *v = value_find(document_root(doc), key);
	const char *s = NULL;

	assert_non_null(v);
	assert_int_equal(value_get_string(v, &s, NULL), 0);
	assert_string_equal(s, expected);
}

static void a_record_has_upstreams_keys(void **state)
{
	struct fixture *f = *state;
	auto_document struct document *doc = NULL;
	char pid[16];

	log_write(LOG_WARN, "rpc", "hello", "cid", "c1", "empty", NULL, NULL);
	doc = take_record(f);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	check_string(doc, "level", "WARN");
	check_string(doc, "msg", "hello");
	check_string(doc, "name", "prog");
	check_string(doc, "source", "src");
	check_string(doc, "subsystem", "rpc");
	check_string(doc, "pid", pid);
	check_string(doc, "version", "0.1.0");
	check_string(doc, "cid", "c1");
	check_string(doc, "empty", "");
	assert_null(value_find(document_root(doc), "sandbox"));
	assert_null(value_find(document_root(doc), "dropped-before"));
	assert_non_null(value_find(document_root(doc), "ts"));
}

static void every_byte_is_escaped_as_json_wants_it(void **state)
{
	struct fixture *f = *state;
	char text[256], expected[256];

	for (int c = 1; c < 0x80; c++)
		text[c - 1] = (char)c;
	text[0x7f] = '\0';
	snprintf(expected, sizeof(expected), "%s", text);
	log_write(LOG_INFO, "x", text, text, text, NULL);
	{
		auto_document struct document *doc = take_record(f);

		check_string(doc, "msg", expected);
		check_string(doc, expected, expected);
	}
}

static void what_is_not_utf8_is_replaced(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"a\xff"
		 "b",
			"a\xef\xbf\xbd"
			"b"},
		{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x9f\x98", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x9f\x98\x80\xc3\xa9", "\xf0\x9f\x98\x80\xc3\xa9"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		log_write(LOG_INFO, "x", rows[i].text, NULL);
		{
			auto_document struct document *doc = take_record(f);

			check_string(doc, "msg", rows[i].expected);
		}
	}
}

static void records_below_the_level_are_not_written(void **state)
{
	struct fixture *f = *state;

	log_set_level(LOG_WARN);
	assert_int_equal(log_get_level(), LOG_WARN);
	log_write(LOG_INFO, "x", "no", NULL);
	log_printf(LOG_DEBUG, "x", "no");
	assert_string_equal(take(f), "");
	log_printf(LOG_ERROR, "x", "yes %d", 5);
	assert_non_null(strstr(take(f), "\"msg\":\"yes 5\""));
	log_set_fd(-1);
	log_write(LOG_CRIT, "x", "no", NULL);
	log_set_fd(f->write_fd);
	assert_string_equal(take(f), "");
}

static void long_records_stay_one_valid_line(void **state)
{
	static char big[10000];
	struct fixture *f = *state;

	/* Characters of several bytes and escapes: the cut falls on every place within them. */
	for (size_t shift = 0; shift < 16; shift++) {
		size_t at = 0;

		while (at < shift)
			big[at++] = 'x';
		while (at < 9000) {
			memcpy(big + at, "\xe2\x82\xac\x01\"", 5);
			at += 5;
		}
		big[at] = '\0';
		log_write(LOG_INFO, "x", "m", "a", big, "b", "left out", NULL);
		{
			auto_document struct document *doc = take_record(f);

			assert_in_range(f->len, 3900, 4096);
			assert_non_null(value_find(document_root(doc), "a"));
			assert_null(value_find(document_root(doc), "b"));
		}
		log_printf(LOG_INFO, "x", "%s", big);
		{
			auto_document struct document *doc = take_record(f);

			check_string(doc, "subsystem", "x");
		}
	}
}

static void fill(int fd)
{
	char zeros[4096] = {0};

	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
}

static void lost_records_are_counted_and_told(void **state)
{
	static char big[5000];
	struct fixture *f = *state;
	int saved;

	memset(big, 'x', sizeof(big) - 1);
	fill(f->write_fd);
	errno = ENOTTY;
	for (int i = 0; i < 3; i++)
		log_write(LOG_INFO, "x", "lost", NULL);
	saved = errno;
	assert_int_equal(saved, ENOTTY);
	while (*take(f) || f->len)
		;
	/* Also when the record itself fills the line. */
	log_write(LOG_INFO, "x", "m", "a", big, NULL);
	{
		auto_document struct document *doc = take_record(f);

		check_string(doc, "dropped-before", "3");
	}
	log_write(LOG_INFO, "x", "m", NULL);
	{
		auto_document struct document *doc = take_record(f);

		assert_null(value_find(document_root(doc), "dropped-before"));
	}
}

/* A stream socket takes as much of a record as it has room for. */
static void a_torn_record_does_not_spoil_the_next(void **state)
{
	static char text[1 << 16], big[3000];
	const char *last, *before;
	size_t len = 0;
	int fds[2], size = 1; /* the kernel makes it its minimum, less than two records */
	ssize_t n;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	start(LOG_JSON, LOG_DEBUG, NULL, fds[0]);
	/* The small one leaves room for the first of the big one's two socket buffers. */
	log_write(LOG_INFO, "x", "small", NULL);
	log_write(LOG_INFO, "x", "m", "a", big, NULL);
	while ((n = read(fds[1], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	assert_true(len > 0 && text[len - 1] != '\n');
	log_write(LOG_INFO, "x", "after", NULL);
	n = read(fds[1], text + len, sizeof(text) - 1 - len);
	assert_true(n > 0);
	len += (size_t)n;
	text[len - 1] = '\0';
	last = strrchr(text, '\n');
	before = last ? last + 1 : text;
	assert_int_equal(strncmp(before, "{\"ts\"", 5), 0);
	assert_null(strstr(before, "xxx"));
	assert_non_null(strstr(before, "\"msg\":\"after\""));
	close(fds[0]);
	close(fds[1]);
}

static void logfmt_is_what_containerd_shows(void **state)
{
	struct fixture *f = *state;
	const char *text;

	start(LOG_LOGFMT, LOG_DEBUG, "sb1", f->write_fd);
	log_write(LOG_WARN, "rpc", "say \"hi\"", "cid", "c 1", NULL);
	text = take(f);
	assert_int_equal(strncmp(text, "time=\"", 6), 0);
	assert_non_null(strstr(text, " level=\"warning\" msg=\"say \\\"hi\\\"\" name=\"prog\""));
	assert_non_null(strstr(text, " sandbox=\"sb1\" cid=\"c 1\"\n"));
	log_write(LOG_WARN, "rpc", "m", "a\nlevel=\"x y\xc3\xa9", "v", NULL);
	assert_non_null(strstr(take(f), " a_level__x_y__=\"v\"\n"));
}

static void level_names_are_read_and_written(void **state)
{
	enum log_level level;

	(void)state;
	for (int i = LOG_TRACE; i < LOG_LEVEL_COUNT; i++) {
		assert_int_equal(log_level_parse(log_level_name((enum log_level)i), &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("warn", &level), 0);
	assert_int_equal(level, LOG_WARN);
	assert_int_equal(log_level_parse("panic", &level), 0);
	assert_int_equal(level, LOG_CRIT);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(log_level_parse("INFO", &level), -EINVAL);
	assert_int_equal(log_level_parse("debug2", &level), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_record_has_upstreams_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			every_byte_is_escaped_as_json_wants_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_utf8_is_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			records_below_the_level_are_not_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			long_records_stay_one_valid_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			lost_records_are_counted_and_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_torn_record_does_not_spoil_the_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(logfmt_is_what_containerd_shows, set_up, tear_down),
		cmocka_unit_test(level_names_are_read_and_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
