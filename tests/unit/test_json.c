/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "oom.h"
#include "text/json.h"

enum { MAX = 1 << 20 };

static struct document *parse(const char *text)
{
	struct document *doc = NULL;
	struct err err = ERR_INIT;

	if (json_parse("t", slice_of_str(text), MAX, &doc, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return doc;
}

/* The message with which text is refused. */
static void assert_refused(const char *text, size_t len, const char *msg)
{
	struct document *doc = NULL;
	struct err err = ERR_INIT;
	int r = json_parse("t", slice_of(text, len), MAX, &doc, &err);

	if (r == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(r, -err.code);
	assert_null(doc);
	assert_string_equal(err.msg, msg);
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{"", "t:1:1: unexpected end of text"},
		{"  ", "t:1:3: unexpected end of text"},
		{"{} {}", "t:1:4: something behind the end of the value"},
		{"{}x", "t:1:3: something behind the end of the value"},
		{"\xef\xbb\xbf{}", "t:1:1: expected a value"},
		{"{\"a\":1,}", "t:1:8: expected a key in double quotes"},
		{"{a:1}", "t:1:2: expected a key in double quotes"},
		{"{\"a\" 1}", "t:1:6: expected ':'"},
		{"{\"a\":}", "t:1:6: expected a value"},
		{"{\"a\":1 \"b\":2}", "t:1:8: expected ',' or '}'"},
		{"[1,]", "t:1:4: expected a value"},
		{"[,]", "t:1:2: expected a value"},
		{"[1 2]", "t:1:4: expected ',' or ']'"},
		{"[1", "t:1:3: unexpected end of text"},
		{"{\n \"a\": tru\n}", "t:2:7: expected a value"},
		{"True", "t:1:1: expected a value"},
		{"NaN", "t:1:1: expected a value"},
		{"-Infinity", "t:1:2: expected a digit"},
		{"/**/1", "t:1:1: expected a value"},
		{"'a'", "t:1:1: expected a value"},
		{"01", "t:1:2: a number with a leading zero"},
		{"-", "t:1:2: unexpected end of text"},
		{"+1", "t:1:1: expected a value"},
		{".5", "t:1:1: expected a value"},
		{"1.", "t:1:3: unexpected end of text"},
		{"[1.]", "t:1:4: expected a digit"},
		{"[1e]", "t:1:4: expected a digit"},
		{"0x10", "t:1:2: something behind the end of the value"},
		{"1e999", "t:1:1: number out of range"},
		{"18446744073709551616", "t:1:1: integer out of range"},
		{"99999999999999999999999", "t:1:1: integer out of range"},
		{"-9223372036854775809", "t:1:1: integer out of range"},
		{"\"a", "t:1:3: unexpected end of text"},
		{"\"\\", "t:1:3: unexpected end of text"},
		{"\"a\nb\"", "t:1:3: a control character in a string"},
		{"\"\x01\"", "t:1:2: a control character in a string"},
		{"\"\\x41\"", "t:1:3: unknown escape in a string"},
		{"\"\\u12g4\"", "t:1:6: expected four hexadecimal digits behind \\u"},
		{"\"\\u0000\"", "t:1:2: a NUL character in a string"},
		{"{\"a\\u0000b\":1}", "t:1:4: a NUL character in a string"},
		{"\"\\ud800\"", "t:1:2: half of a surrogate pair"},
		{"\"\\ud800\\n\"", "t:1:2: half of a surrogate pair"},
		{"\"\\ud800\\u0041\"", "t:1:2: half of a surrogate pair"},
		{"\"\\udc00\"", "t:1:2: half of a surrogate pair"},
		{"\"\xff\"", "t:1:2: invalid UTF-8"},
		{"\"\xc0\x80\"", "t:1:2: invalid UTF-8"},
		{"\"\xed\xa0\x80\"", "t:1:2: invalid UTF-8"},
		{"\"\xf4\x90\x80\x80\"", "t:1:2: invalid UTF-8"},
		{"\"\xe2\x82\"", "t:1:2: invalid UTF-8"},
		{"{\"a\":1,\"b\":{},\"a\":2}", "t:1:15: this key is in the object already"},
		{"{\"a\":1,\"\\u0061\":2}", "t:1:8: this key is in the object already"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_refused(rows[i].text, strlen(rows[i].text), rows[i].msg);
	assert_refused("\"a\0b\"", 5, "t:1:3: a control character in a string");
	assert_refused("1\0", 2, "t:1:2: something behind the end of the value");
}

static void strings_are_decoded(void **state)
{
	static const struct {
		const char *text, *value;
	} rows[] = {
		{"\"\"", ""},
		{"\"a b\"", "a b"},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
		{"\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac"},
		{"\"\\ud83d\\uDE00\"", "\xf0\x9f\x98\x80"},
		{"\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80"},
		{"\"\x7f\"", "\x7f"},
		{"\"\\\\\\\"\"", "\\\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_document struct document *doc = parse(rows[i].text);
		const char *s = NULL;

		assert_int_equal(value_get_string(document_root(doc), &s, NULL), 0);
		assert_string_equal(s, rows[i].value);
	}
}

static void integers_keep_all_their_64_bits(void **state)
{
	static const struct {
		const char *text;
		int u64, i64; /* what the getters return */
		uint64_t u;
		int64_t i;
	} rows[] = {
		{"0", 0, 0, 0, 0},
		{"-0", 0, 0, 0, 0},
		{"1", 0, 0, 1, 1},
		{"-1", -EINVAL, 0, 0, -1},
		{"9223372036854775807", 0, 0, INT64_MAX, INT64_MAX},
		{"9223372036854775808", 0, -EINVAL, (uint64_t)INT64_MAX + 1, 0},
		{"18446744073709551615", 0, -EINVAL, UINT64_MAX, 0},
		{"-9223372036854775808", -EINVAL, 0, 0, INT64_MIN},
		{"1.0", -EINVAL, -EINVAL, 0, 0},
		{"1e3", -EINVAL, -EINVAL, 0, 0},
		{"\"1\"", -EINVAL, -EINVAL, 0, 0},
		{"true", -EINVAL, -EINVAL, 0, 0},
		{"null", -EINVAL, -EINVAL, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_document struct document *doc = parse(rows[i].text);
		const struct value *v = document_root(doc);
		uint64_t u = 0;
		int64_t n = 0;

		assert_int_equal(value_get_u64(v, 0, UINT64_MAX, &u, NULL), rows[i].u64);
		assert_int_equal(value_get_i64(v, INT64_MIN, INT64_MAX, &n, NULL), rows[i].i64);
		assert_true(u == rows[i].u);
		assert_true(n == rows[i].i);
	}
}

static void getters_name_the_value_they_refuse(void **state)
{
	static const char text[] = "{\"a\":{\"b c\":[0,{\"d\":\"x\"}]},\"n\":-7,\"e\\u001b\":1}";
	auto_document struct document *doc = parse(text);
	const struct value *root = document_root(doc), *list, *d;
	struct err err = ERR_INIT;
	uint64_t u;
	int64_t i;
	bool b;

	(void)state;
	list = value_find(value_find(root, "a"), "b c");
	d = value_find(value_first(list)->next, "d");
	assert_int_equal(value_get_u64(d, 0, 1, &u, &err), -EINVAL);
	assert_string_equal(
		err.msg, "t: a.\"b c\"[1].d: expected an unsigned integer, got a string");
	err = (struct err)ERR_INIT;
	assert_int_equal(value_get_u64(value_find(root, "n"), 0, 5, &u, &err), -EINVAL);
	assert_string_equal(err.msg, "t: n: -7 is out of range (0 to 5)");
	err = (struct err)ERR_INIT;
	assert_int_equal(value_get_i64(value_find(root, "n"), -6, 5, &i, &err), -EINVAL);
	assert_string_equal(err.msg, "t: n: -7 is out of range (-6 to 5)");
	err = (struct err)ERR_INIT;
	assert_int_equal(value_get_bool(root, &b, &err), -EINVAL);
	assert_string_equal(err.msg, "t: expected a boolean, got an object");
	err = (struct err)ERR_INIT;
	assert_null(value_need(list->parent, "z", &err));
	assert_string_equal(err.msg, "t: a.z: missing");
	err = (struct err)ERR_INIT;
	assert_null(value_need(d, "z", &err));
	assert_string_equal(err.msg, "t: a.\"b c\"[1].d: expected an object, got a string");
	err = (struct err)ERR_INIT;
	assert_int_equal(value_get_bool(value_find(root, "e\x1b"), &b, &err), -EINVAL);
	assert_string_equal(err.msg, "t: \"e?\": expected a boolean, got an integer");
}

static void a_long_path_is_cut_but_the_message_stays(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	auto_document struct document *doc = NULL;
	char where[VALUE_WHERE_SIZE];

	(void)state;
	assert_int_equal(buf_printf(&text, "{\"%01000d\":1}", 0), 0);
	doc = parse(buf_str(&text));
	value_format_where(value_first(document_root(doc)), where);
	assert_int_equal(strlen(where), VALUE_WHERE_SIZE - 1);
}

static void absent_and_null_members_are_not_found(void **state)
{
	auto_document struct document *doc = parse("{\"a\":null,\"b\":[null,1],\"c\":false}");
	const struct value *root = document_root(doc);

	(void)state;
	assert_null(value_find(root, "a"));
	assert_null(value_find(root, "x"));
	assert_null(value_find(value_find(root, "x"), "y"));
	assert_null(value_find(value_find(root, "c"), "y"));
	assert_non_null(value_find(root, "c"));
	assert_int_equal(value_count(value_find(root, "b")), 2);
	assert_int_equal(value_first(value_find(root, "b"))->type, VALUE_NULL);
	assert_int_equal(value_count(value_find(root, "c")), 0);
	assert_null(value_first(NULL));
}

static void members_keep_their_order_and_are_all_found(void **state)
{
	enum { N = 20000 };
	auto_buf struct buf text = BUF_INIT;
	auto_document struct document *doc = NULL;
	char key[16];
	uint64_t at = 0;

	(void)state;
	for (int i = 0; i < N; i++)
		assert_int_equal(buf_printf(&text, "%c\"k%d\":%d", i ? ',' : '{', i, i), 0);
	assert_int_equal(buf_append_str(&text, "}"), 0);
	doc = parse(buf_str(&text));
	assert_int_equal(value_count(document_root(doc)), N);
	VALUE_FOREACH(v, document_root(doc))
	{
		snprintf(key, sizeof(key), "k%d", (int)at);
		assert_string_equal(v->key, key);
		assert_ptr_equal(value_find(document_root(doc), key), v);
		at++;
	}
	assert_int_equal(at, N);
}

/* depth arrays inside each other. */
static int parse_nested(int depth, struct err *err)
{
	auto_document struct document *doc = NULL;
	char text[256];

	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	return json_parse("t", slice_of(text, (size_t)depth * 2), MAX, &doc, err);
}

static void nesting_size_and_count_are_limited(void **state)
{
	auto_document struct document *doc = NULL;
	auto_buf struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(parse_nested(VALUE_MAX_DEPTH, NULL), 0);
	assert_int_equal(parse_nested(VALUE_MAX_DEPTH + 1, &err), -EINVAL);
	assert_string_equal(err.msg, "t:1:33: nested too deep");

	err = (struct err)ERR_INIT;
	assert_int_equal(json_parse("t", slice_of_str("[ ]"), 2, &doc, &err), -EFBIG);
	assert_string_equal(err.msg, "t: 3 bytes, more than 2 are not read");
	assert_int_equal(json_parse("t", slice_of_str("[ ]"), 3, &doc, NULL), 0);
	document_free(take_ptr(&doc));

	assert_int_equal(buf_append_str(&text, "[0"), 0);
	for (int i = 1; i < VALUE_MAX_COUNT; i++)
		assert_int_equal(buf_append_str(&text, ",0"), 0);
	assert_int_equal(buf_append_str(&text, "]"), 0);
	assert_int_equal(json_parse("t", buf_slice(&text), MAX, &doc, NULL), 0);
	assert_int_equal(value_count(document_root(doc)), VALUE_MAX_COUNT);
	document_free(take_ptr(&doc));
	buf_str(&text);
	text.data[text.end - 1] = ',';
	assert_int_equal(buf_append_str(&text, "0]"), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(json_parse("t", buf_slice(&text), MAX, &doc, &err), -E2BIG);
	assert_string_equal(err.msg, "t: more than 262144 values");
}

static void the_writer_writes_what_the_reader_reads(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = {.out = &b};
	auto_document struct document *doc = NULL;

	(void)state;
	json_begin_object(&w, NULL);
	json_put_string(&w, "s", "a\"\\\n\x01\x7f\xe2\x82\xac");
	json_put_string(&w, "q\"", NULL);
	json_begin_array(&w, "list");
	json_put_u64(&w, NULL, UINT64_MAX);
	json_put_i64(&w, NULL, INT64_MIN);
	json_begin_object(&w, NULL);
	json_end_object(&w);
	json_begin_array(&w, NULL);
	json_end_array(&w);
	json_end_array(&w);
	json_put_bool(&w, "t", true);
	json_put_bool(&w, "f", false);
	json_end_object(&w);
	assert_int_equal(json_finish(&w), 0);
	assert_string_equal(buf_str(&b),
		"{\"s\":\"a\\\"\\\\\\u000a\\u0001\\u007f\xe2\x82\xac\",\"q\\\"\":null,"
		"\"list\":[18446744073709551615,-9223372036854775808,{},[]],"
		"\"t\":true,\"f\":false}");
	doc = parse(buf_str(&b));
	assert_string_equal(
		value_first(document_root(doc))->u.string, "a\"\\\n\x01\x7f\xe2\x82\xac");
}

static void the_writer_refuses_what_is_not_utf8(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = {.out = &b};

	(void)state;
	json_begin_array(&w, NULL);
	json_put_string(&w, NULL, "a\xff");
	json_put_bool(&w, NULL, true);
	json_end_array(&w);
	assert_int_equal(json_finish(&w), -EILSEQ);
}

static const char sample[] = "{\"a\":{\"b\":[1,2,\"three\",-4.5,null,true]},\"c\":\"\\u20ac\"}";

static void every_allocation_may_fail(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		auto_document struct document *doc = NULL;
		struct err err = ERR_INIT;
		int r;

		oom_arm(n);
		r = json_parse("t", slice_of_str(sample), MAX, &doc, &err);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		if (r < 0)
			assert_string_equal(err.msg, "read t: Cannot allocate memory");
	}
	OOM_SWEEP(n)
	{
		auto_buf struct buf b = BUF_INIT;
		struct json_writer w = {.out = &b};

		oom_arm(n);
		json_begin_array(&w, NULL);
		for (int i = 0; i < 100; i++)
			json_put_string(&w, NULL, "some text");
		json_end_array(&w);
		oom_disarm();
		assert_int_equal(json_finish(&w), oom_has_struck() ? -ENOMEM : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(integers_keep_all_their_64_bits),
		cmocka_unit_test(getters_name_the_value_they_refuse),
		cmocka_unit_test(a_long_path_is_cut_but_the_message_stays),
		cmocka_unit_test(absent_and_null_members_are_not_found),
		cmocka_unit_test(members_keep_their_order_and_are_all_found),
		cmocka_unit_test(nesting_size_and_count_are_limited),
		cmocka_unit_test(the_writer_writes_what_the_reader_reads),
		cmocka_unit_test(the_writer_refuses_what_is_not_utf8),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
