/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "wire/http_request.h"

enum { MAX_BODY = 16 };

static const struct row {
	const char *text;
	enum http_state state;
	unsigned int status;		 /* of HTTP_REFUSED */
	const char *path, *query, *body; /* of HTTP_WHOLE */
	enum http_method method;
	bool keep_alive;
} rows[] = {
	{"GET /metrics HTTP/1.1\r\n\r\n", HTTP_WHOLE, 0, "/metrics", "", "", HTTP_GET, true},
	{"GET / HTTP/1.0\r\n\r\n", HTTP_WHOLE, 0, "/", "", "", HTTP_GET, false},
	{"GET /a?b?c HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_WHOLE, 0, "/a", "b?c", "", HTTP_GET, true},
	{"PUT /i HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", HTTP_WHOLE, 0, "/i", "", "abc",
		HTTP_PUT, true},
	{"POST /i HTTP/1.1\r\nCONTENT-length:16\r\n\r\n0123456789abcdef", HTTP_WHOLE, 0, "/i", "",
		"0123456789abcdef", HTTP_POST, true},
	{"PUT /i HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\nrest", HTTP_WHOLE, 0,
		"/i", "", "", HTTP_PUT, true},
	{"GET / HTTP/1.1\r\nConnection: Keep-Alive, Close\r\n\r\n", HTTP_WHOLE, 0, "/", "", "",
		HTTP_GET, false},
	{"DELETE / HTTP/1.1\r\n\r\n", HTTP_WHOLE, 0, "/", "", "", HTTP_OTHER, true},
	{"get / HTTP/1.1\r\n\r\n", HTTP_WHOLE, 0, "/", "", "", HTTP_OTHER, true},
	{"", HTTP_PARTIAL},
	{"GET / HTTP/1.1\r\n\r", HTTP_PARTIAL},
	{"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", HTTP_PARTIAL},
	{"GET / HTTP/1.1\n\n", HTTP_REFUSED, 400},
	{"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", HTTP_REFUSED, 400},
	{"\r\n\r\n", HTTP_REFUSED, 400},
	{"GET http://host/ HTTP/1.1\r\n\r\n", HTTP_REFUSED, 400},
	{"GET /\x80 HTTP/1.1\r\n\r\n", HTTP_REFUSED, 400},
	{"GET  / HTTP/1.1\r\n\r\n", HTTP_REFUSED, 400},
	{"GET / HTTP/1.1 \r\n\r\n", HTTP_REFUSED, 505},
	{"GET / HTTP/2\r\n\r\n", HTTP_REFUSED, 505},
	{"GET / HTTP/1.1\r\nA : b\r\n\r\n", HTTP_REFUSED, 400},
	{"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", HTTP_REFUSED, 400},
	{"GET / HTTP/1.1\r\nno colon\r\n\r\n", HTTP_REFUSED, 400},
	{"PUT / HTTP/1.1\r\nContent-Length: 17\r\n\r\n", HTTP_REFUSED, 413},
	{"PUT / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n", HTTP_REFUSED, 400},
	{"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", HTTP_REFUSED, 400},
	{"PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", HTTP_REFUSED, 400},
	{"PUT / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", HTTP_REFUSED, 400},
	{"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", HTTP_REFUSED, 400},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_REFUSED, 501},
	{"PUT / HTTP/1.1\r\nExpect: wonders\r\n\r\n", HTTP_REFUSED, 417},
};

static void check_request(const struct row *row, const struct http_parse *parse)
{
	const struct http_request *r = &parse->request;

	assert_true(slice_equal(r->path, slice_of_str(row->path)));
	assert_true(slice_equal(r->query, slice_of_str(row->query)));
	assert_true(slice_equal(r->body, slice_of_str(row->body)));
	assert_int_equal(r->method, row->method);
	assert_int_equal(r->keep_alive, row->keep_alive);
}

static void each_row_is_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_parse parse;
		enum http_state got =
			http_request_parse(slice_of_str(rows[i].text), MAX_BODY, &parse);

		if (got != rows[i].state)
			fail_msg("row %zu: %d: %s", i, got, rows[i].text);
		assert_int_equal(parse.status, rows[i].status);
		if (got == HTTP_WHOLE)
			check_request(&rows[i], &parse);
	}
}

/* Cut anywhere, a request that is good is only not whole yet. */
static void every_part_of_a_request_waits_for_more(void **state)
{
	static const char text[] = "PUT /i?q HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
	struct http_parse parse;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		assert_int_equal(
			http_request_parse(slice_of(text, i), MAX_BODY, &parse), HTTP_PARTIAL);
	assert_int_equal(http_request_parse(slice_of_str(text), MAX_BODY, &parse), HTTP_WHOLE);
	assert_int_equal(parse.len, sizeof(text) - 1);
}

static void a_head_has_an_end(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	struct http_parse parse;

	(void)state;
	assert_int_equal(buf_append_str(&b, "GET / HTTP/1.1\r\n"), 0);
	while (buf_len(&b) < HTTP_HEAD_MAX - 100)
		assert_int_equal(buf_append_str(&b, "A: some text to fill a line\r\n"), 0);
	assert_int_equal(http_request_parse(buf_slice(&b), 0, &parse), HTTP_PARTIAL);
	assert_int_equal(buf_printf(&b, "B: %0100d\r\n\r\n", 0), 0);
	assert_int_equal(http_request_parse(buf_slice(&b), 0, &parse), HTTP_REFUSED);
	assert_int_equal(parse.status, 431);
}

static void a_body_is_asked_for_only_when_it_waits(void **state)
{
	static const char head[] =
		"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\na";
	struct http_parse parse;

	(void)state;
	assert_int_equal(
		http_request_parse(slice_of(head, sizeof(head) - 2), 2, &parse), HTTP_PARTIAL);
	assert_true(parse.expects_continue);
	assert_int_equal(http_request_parse(slice_of_str(head), 2, &parse), HTTP_PARTIAL);
	assert_false(parse.expects_continue);
}

static void parameters_are_decoded(void **state)
{
	static const struct {
		const char *query, *value;
		int r;
	} cases[] = {{"path=%2Frun%2fa%20b", "/run/a b", 0}, {"a=1&path=x&path=y", "x", 0},
		{"path=", "", 0}, {"path=a=b+c", "a=b+c", 0}, {"", NULL, -ENOENT},
		{"path", NULL, -ENOENT}, {"xpath=1", NULL, -ENOENT}, {"path=%", NULL, -EINVAL},
		{"path=%2", NULL, -EINVAL}, {"path=%zz", NULL, -EINVAL},
		{"path=%00", NULL, -EINVAL}, {"path=%41", "A", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *value = NULL;

		assert_int_equal(
			http_query_get(slice_of_str(cases[i].query), "path", &value), cases[i].r);
		if (cases[i].r == 0)
			assert_string_equal(value, cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_told_apart),
		cmocka_unit_test(every_part_of_a_request_waits_for_more),
		cmocka_unit_test(a_head_has_an_end),
		cmocka_unit_test(a_body_is_asked_for_only_when_it_waits),
		cmocka_unit_test(parameters_are_decoded),
	};

	return cmocka_run_group_tests_name("http_request", tests, NULL, NULL);
}
