/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <math.h>

#include "base/buf.h"
#include "base/clock.h"
#include "oom.h"
#include "text/toml.h"

enum { MAX = 4 << 20 };

static struct document *parse(const char *text)
{
	struct document *doc = NULL;
	struct err err = ERR_INIT;

	if (toml_parse("f", slice_of_str(text), MAX, &doc, &err) < 0)
		fail_msg("%s", err.msg);
	return doc;
}

static void print_value(struct buf *b, const struct value *v);

static void print_children(struct buf *b, const struct value *v)
{
	VALUE_FOREACH(child, v)
	{
		if (child != value_first(v))
			assert_int_equal(buf_append_str(b, ","), 0);
		if (child->key)
			assert_int_equal(buf_printf(b, "%s=", child->key), 0);
		print_value(b, child);
	}
}

/* Short and unambiguous: s"text", i-1, f2.5, d<date>, true, [..], {k=..}. */
static void print_value(struct buf *b, const struct value *v)
{
	int r = 0;

	if (v->type == VALUE_STRING)
		r = buf_printf(b, "s\"%s\"", v->u.string);
	else if (v->type == VALUE_INT)
		r = buf_printf(b, "i%s%llu", v->u.integer.negative ? "-" : "",
			(unsigned long long)v->u.integer.magnitude);
	else if (v->type == VALUE_FLOAT)
		r = isnan(v->u.number) ? buf_append_str(b, "fnan")
				       : buf_printf(b, "f%g", v->u.number);
	else if (v->type == VALUE_DATE)
		r = buf_printf(b, "d<%s>", v->u.string);
	else if (v->type == VALUE_BOOL)
		r = buf_append_str(b, v->u.boolean ? "true" : "false");
	else
		r = buf_append_str(b, v->type == VALUE_ARRAY ? "[" : "{");
	assert_int_equal(r, 0);
	print_children(b, v);
	if (v->type == VALUE_ARRAY || v->type == VALUE_TABLE)
		assert_int_equal(buf_append_str(b, v->type == VALUE_ARRAY ? "]" : "}"), 0);
}

struct row {
	const char *text, *expected;
};

static void check_accepted(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_document struct document *doc = parse(rows[i].text);
		auto_buf struct buf b = BUF_INIT;

		print_value(&b, document_root(doc));
		assert_string_equal(buf_str(&b), rows[i].expected);
	}
}

static void check_refused(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct document *doc = NULL;
		struct err err = ERR_INIT;

		if (toml_parse("f", slice_of_str(rows[i].text), MAX, &doc, &err) == 0)
			fail_msg("accepted: %s", rows[i].text);
		assert_string_equal(err.msg, rows[i].expected);
		assert_null(doc);
	}
}

static void strings_of_all_four_kinds_are_read(void **state)
{
	static const struct row rows[] = {
		{"a = \"\"", "{a=s\"\"}"},
		{"a = \"x\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001f600\"",
			"{a=s\"x\b\t\n\f\r\"\\\xc3\xa9\xf0\x9f\x98\x80\"}"},
		{"a = \"\ttab\"", "{a=s\"\ttab\"}"},
		{"a = 'C:\\u\\'", "{a=s\"C:\\u\\\"}"},
		{"a = ''", "{a=s\"\"}"},
		{"a = \"\"\"\"\"\"", "{a=s\"\"}"},
		{"a = \"\"\"\nx\ny\"\"\"", "{a=s\"x\ny\"}"},
		{"a = \"\"\"\r\nx\r\ny\"\"\"", "{a=s\"x\ny\"}"},
		{"a = \"\"\"x \\\n   \n\t y\"\"\"", "{a=s\"x y\"}"},
		{"a = \"\"\"x\\  \r\n y\"\"\"", "{a=s\"xy\"}"},
		{"a = \"\"\"\"x\"\" y\"\"\"\"\"", "{a=s\"\"x\"\" y\"\"\"}"},
		{"a = \"\"\"\\\"\"\"\"", "{a=s\"\"\"}"},
		{"a = '''\nx\\\n'y''''", "{a=s\"x\\\n'y'\"}"},
		{"a = '''''x'''''", "{a=s\"''x''\"}"},
	};

	(void)state;
	check_accepted(rows, ARRAY_SIZE(rows));
}

static void bad_strings_are_refused(void **state)
{
	static const struct row rows[] = {
		{"a = \"x", "f:1:7: unexpected end of the file"},
		{"a = \"x\ny\"", "f:1:7: a line break in a string"},
		{"a = 'x\ny'", "f:1:7: a line break in a string"},
		{"a = 'x\r\n'", "f:1:7: control character 0x0d"},
		{"a = \"\"\"x\n\n", "f:3:1: unexpected end of the file"},
		{"a = \"\"\"x\ry\"\"\"", "f:1:9: control character 0x0d"},
		{"a = \"\x01\"", "f:1:6: control character 0x01"},
		{"a = \"\x7f\"", "f:1:6: control character 0x7f"},
		{"a = \"\\x41\"", "f:1:7: unknown escape in a string"},
		{"a = \"\\u12\"", "f:1:10: expected 4 hexadecimal digits"},
		{"a = \"\\U0000004\"", "f:1:15: expected 8 hexadecimal digits"},
		{"a = \"\\ud800\"", "f:1:12: U+D800 is no character"},
		{"a = \"\\U00110000\"", "f:1:16: U+110000 is no character"},
		{"a = \"\\u0000\"", "f:1:12: a NUL character in a string is not supported"},
		{"a = \"\xff\"", "f:1:6: invalid UTF-8"},
		{"a = \"\xed\xa0\x80\"", "f:1:6: invalid UTF-8"},
		{"a = \"\"\"\"\"\"\"\"\"", "f:1:13: expected the end of the line"},
		{"a = \"\"\" \\ x\"\"\"", "f:1:10: unknown escape in a string"},
		{"a = \"x\" \"y\"", "f:1:9: expected the end of the line"},
	};

	(void)state;
	check_refused(rows, ARRAY_SIZE(rows));
}

static void numbers_are_read_in_every_form(void **state)
{
	static const struct row rows[] = {
		{"a = 0", "{a=i0}"},
		{"a = +0", "{a=i0}"},
		{"a = -0", "{a=i0}"},
		{"a = +99", "{a=i99}"},
		{"a = -17", "{a=i-17}"},
		{"a = 1_000_0", "{a=i10000}"},
		{"a = 9223372036854775807", "{a=i9223372036854775807}"},
		{"a = -9223372036854775808", "{a=i-9223372036854775808}"},
		{"a = 0xDEAD_beef", "{a=i3735928559}"},
		{"a = 0x00ff", "{a=i255}"},
		{"a = 0o0755", "{a=i493}"},
		{"a = 0b1101_0110", "{a=i214}"},
		{"a = 0x7fffffffffffffff", "{a=i9223372036854775807}"},
		{"a = 1.5", "{a=f1.5}"},
		{"a = -0.0", "{a=f-0}"},
		{"a = 5e+22", "{a=f5e+22}"},
		{"a = 1e06", "{a=f1e+06}"},
		{"a = -2E-2", "{a=f-0.02}"},
		{"a = 6.626e-3", "{a=f0.006626}"},
		{"a = 9_0.0_1", "{a=f90.01}"},
		{"a = inf", "{a=finf}"},
		{"a = -inf", "{a=f-inf}"},
		{"a = +nan", "{a=fnan}"},
		{"a = true", "{a=true}"},
		{"a = false", "{a=false}"},
	};

	(void)state;
	check_accepted(rows, ARRAY_SIZE(rows));
}

static void bad_numbers_are_refused(void **state)
{
	static const char *const words[] = {"01", "-01", "+0x1", "0X1", "0xg", "0x", "0o8", "0b2",
		"1_", "_1", "1__0", "0x_1", "1.", ".5", "1._5", "1.5_", "1e", "1e+", "1e_5", "1.e5",
		"03.14", "1.2.3", "--1", "+", "True", "TRUE", "infinity", "Inf", "yes", "1a"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct document *doc = NULL;
		struct err err = ERR_INIT;
		char text[32], expected[96];

		snprintf(text, sizeof(text), "a = %s", words[i]);
		snprintf(expected, sizeof(expected),
			"f:1:5: \"%s\" is no value (strings need quotes)", words[i]);
		if (toml_parse("f", slice_of_str(text), MAX, &doc, &err) == 0)
			fail_msg("accepted: %s", text);
		assert_string_equal(err.msg, expected);
	}
}

static void numbers_out_of_range_are_refused(void **state)
{
	static const struct row rows[] = {
		{"a = 9223372036854775808", "f:1:5: integer out of range"},
		{"a = -9223372036854775809", "f:1:5: integer out of range"},
		{"a = 0x8000000000000000", "f:1:5: integer out of range"},
		{"a = 99999999999999999999999999", "f:1:5: integer out of range"},
		{"a = 1e999", "f:1:5: number out of range"},
	};

	(void)state;
	check_refused(rows, ARRAY_SIZE(rows));
}

static void dates_and_times_are_checked_and_kept(void **state)
{
	static const struct row good[] = {
		{"a = 1979-05-27T07:32:00Z", "{a=d<1979-05-27T07:32:00Z>}"},
		{"a = 1979-05-27 07:32:00.999999-07:00", "{a=d<1979-05-27 07:32:00.999999-07:00>}"},
		{"a = 1979-05-27t00:32:00z", "{a=d<1979-05-27t00:32:00z>}"},
		{"a = 1979-05-27T07:32:00", "{a=d<1979-05-27T07:32:00>}"},
		{"a = 1979-05-27 # 07:32:00", "{a=d<1979-05-27>}"},
		{"a = 07:32:00", "{a=d<07:32:00>}"},
		{"a = 23:59:60.5", "{a=d<23:59:60.5>}"},
		{"a = 2000-02-29", "{a=d<2000-02-29>}"},
		{"a = [2024-02-29 , 00:00:00]", "{a=[d<2024-02-29>,d<00:00:00>]}"},
	};
	static const struct row bad[] = {
		{"a = 1900-02-29", "f:1:5: \"1900-02-29\" is no date or time"},
		{"a = 2023-04-31", "f:1:5: \"2023-04-31\" is no date or time"},
		{"a = 2023-13-01", "f:1:5: \"2023-13-01\" is no date or time"},
		{"a = 2023-00-01", "f:1:5: \"2023-00-01\" is no date or time"},
		{"a = 2023-1-01", "f:1:5: \"2023-1-01\" is no date or time"},
		{"a = 24:00:00", "f:1:5: \"24:00:00\" is no date or time"},
		{"a = 12:60:00", "f:1:5: \"12:60:00\" is no date or time"},
		{"a = 12:00", "f:1:5: \"12:00\" is no date or time"},
		{"a = 12:00:00.", "f:1:5: \"12:00:00.\" is no date or time"},
		{"a = 12:00:00Z", "f:1:5: \"12:00:00Z\" is no date or time"},
		{"a = 2023-01-01T", "f:1:5: \"2023-01-01T\" is no date or time"},
		{"a = 2023-01-01T00:00:00+24:00",
			"f:1:5: \"2023-01-01T00:00:00+24:00\" is no date or time"},
		{"a = 2023-01-01T00:00:00+0100",
			"f:1:5: \"2023-01-01T00:00:00+0100\" is no date or time"},
	};

	(void)state;
	check_accepted(good, ARRAY_SIZE(good));
	check_refused(bad, ARRAY_SIZE(bad));
}

static void keys_arrays_and_tables_are_read(void **state)
{
	static const struct row rows[] = {
		{"", "{}"},
		{"# only a comment", "{}"},
		{"\xef\xbb\xbf\n# \xc3\xa9\t\r\n\n", "{}"},
		{"a=1\r\nb=2\n", "{a=i1,b=i2}"},
		{"\"a b\" = 1\n'c\\d' = 2\n\"\" = 3", "{a b=i1,c\\d=i2,=i3}"},
		{"1234 = 1\n-_- = 2\n3.14 = 3", "{1234=i1,-_-=i2,3={14=i3}}"},
		{"a . b.\"c.d\" = 1\na.e = 2", "{a={b={c.d=i1},e=i2}}"},
		{"a = [ ]", "{a=[]}"},
		{"a = [\n 1, # one\n\n 2\n ,\n]", "{a=[i1,i2]}"},
		{"a = [[1], ['x', 1.5], {b = true}]", "{a=[[i1],[s\"x\",f1.5],{b=true}]}"},
		{"a = {}", "{a={}}"},
		{"a = { b = 1, c.d = 2, c.e = [\n3\n] }", "{a={b=i1,c={d=i2,e=[i3]}}}"},
		{"[a]\nb = 1\n[c]\nd = 2", "{a={b=i1},c={d=i2}}"},
		{"[ a . 'b' ]  # x\nc = 1", "{a={b={c=i1}}}"},
		{"[a.b]\nx=1\n[a]\ny=2", "{a={b={x=i1},y=i2}}"},
		{"[a]\n[a.b]\n[a.c]", "{a={b={},c={}}}"},
		{"[[a]]\nb=1\n[[a]]\nb=2", "{a=[{b=i1},{b=i2}]}"},
		{"[[a]]\n[a.b]\nx=1\n[[a.c]]\n[[a]]\n[a.b]", "{a=[{b={x=i1},c=[{}]},{b={}}]}"},
		{"[a]\nb.c=1\n[a.b.d]\nx=1", "{a={b={c=i1,d={x=i1}}}}"},
		{"[a.b.c]\n[a]\nb.d=1", "{a={b={c={},d=i1}}}"},
	};

	(void)state;
	check_accepted(rows, ARRAY_SIZE(rows));
}

static void what_is_defined_twice_is_refused(void **state)
{
	static const struct row rows[] = {
		{"a=1\na=2", "f:2:1: a is defined already, in line 1"},
		{"a=1\n\"a\"=2", "f:2:1: a is defined already, in line 1"},
		{"a=1\na.b=2", "f:2:1: a is defined already, in line 1"},
		{"a.b=1\na=2", "f:2:1: a is defined already, in line 1"},
		{"a.b=1\na.b.c=2", "f:2:3: b is defined already, in line 1"},
		{"[a]\n\n[a]", "f:3:2: a is defined already, in line 1"},
		{"a=1\n[a]", "f:2:2: a is defined already, in line 1"},
		{"a=1\n[a.b]", "f:2:2: a is defined already, in line 1"},
		{"a={}\n[a]", "f:2:2: a is defined already, in line 1"},
		{"a={}\n[a.b]", "f:2:2: a is defined already, in line 1"},
		{"a={b.c=1}\n[a.b.d]", "f:2:2: a is defined already, in line 1"},
		{"a={}\na.b=1", "f:2:1: a is defined already, in line 1"},
		{"a={b=1,b=2}", "f:1:8: b is defined already, in line 1"},
		{"a={b={},b.c=2}", "f:1:9: b is defined already, in line 1"},
		{"a={b.c=1,b=2}", "f:1:10: b is defined already, in line 1"},
		{"[a]\nb.c=1\n[a.b]", "f:3:4: b is defined already, in line 2"},
		{"a.b.c=1\n[a.b]", "f:2:4: b is defined already, in line 1"},
		{"[a.b]\n[a]\nb.c=1", "f:3:1: b is defined already, in line 1"},
		{"[a.b.c]\n[a]\nb.c.d=1", "f:3:3: c is defined already, in line 1"},
		{"[[a]]\n[a]", "f:2:2: a is defined already, in line 1"},
		{"[a]\n[[a]]", "f:2:3: a is defined already, in line 1"},
		{"[a.b]\n[[a]]", "f:2:3: a is defined already, in line 1"},
		{"a=[]\n[[a]]", "f:2:3: a is defined already, in line 1"},
		{"a=[{b=1}]\n[a.c]", "f:2:2: a is defined already, in line 1"},
		{"[[a.b]]\n[a]\nb.c=1", "f:3:1: b is defined already, in line 1"},
		{"[[a]]\n[a.b]\n[a.b]", "f:3:4: b is defined already, in line 2"},
	};

	(void)state;
	check_refused(rows, ARRAY_SIZE(rows));
}

static void malformed_texts_are_refused_with_their_place(void **state)
{
	static const struct row rows[] = {
		{"a", "f:1:2: expected '=' or '.' behind a key"},
		{"a b = 1", "f:1:3: expected '=' or '.' behind a key"},
		{"= 1", "f:1:1: expected a key"},
		{"a. = 1", "f:1:4: expected a key"},
		{".a = 1", "f:1:1: expected a key"},
		{"a..b = 1", "f:1:3: expected a key"},
		{"\"\"\"a\"\"\" = 1", "f:1:3: expected '=' or '.' behind a key"},
		{"\xc3\xa9 = 1", "f:1:1: expected a key"},
		{"a =", "f:1:4: unexpected end of the file"},
		{"a = \nb = 1", "f:1:5: expected a value"},
		{"a = # x", "f:1:5: expected a value"},
		{"a = 1 b = 2", "f:1:7: expected the end of the line"},
		{"\n\n  a = [1 2]", "f:3:10: expected ',' or ']'"},
		{"a = [1,,2]", "f:1:8: expected a value"},
		{"a = [,]", "f:1:6: expected a value"},
		{"a = [1", "f:1:7: expected ',' or ']'"},
		{"a = [", "f:1:6: unexpected end of the file"},
		{"a = ]", "f:1:5: expected a value"},
		{"a = {b=1,}", "f:1:10: expected a key"},
		{"a = {b=1 c=2}", "f:1:10: expected ',' or '}'"},
		{"a = {\nb=1}", "f:1:6: expected a key"},
		{"a = {b=1\n}", "f:1:9: expected ',' or '}'"},
		{"a = {b=1", "f:1:9: expected ',' or '}'"},
		{"[]", "f:1:2: expected a key"},
		{"[a", "f:1:3: expected ']' or '.'"},
		{"[a.]", "f:1:4: expected a key"},
		{"[a]b", "f:1:4: expected the end of the line"},
		{"[a] b = 1", "f:1:5: expected the end of the line"},
		{"[[a]", "f:1:5: expected ']]' or '.'"},
		{"[[a] ]", "f:1:5: expected ']]' or '.'"},
		{"[ [a]]", "f:1:3: expected a key"},
		{"a = 1\rb = 2", "f:1:6: expected the end of the line"},
		{"# \x01", "f:1:3: control character 0x01"},
		{"# \xff", "f:1:3: invalid UTF-8"},
		{"a = 1 # \x7f", "f:1:9: control character 0x7f"},
	};

	(void)state;
	check_refused(rows, ARRAY_SIZE(rows));
}

static void values_know_their_place(void **state)
{
	static const char text[] =
		"a = 1\n\n[ b.c ]\n  d.e = [ 1,\n   \"x\" ]\n[[f]]\n[[f]]\ng = 07:00:00";
	auto_document struct document *doc = parse(text);
	const struct value *root = document_root(doc), *c = value_find(value_find(root, "b"), "c");
	const struct value *e = value_find(value_find(c, "d"), "e"), *x = value_first(e)->next;
	const struct value *g = value_find(value_first(value_find(root, "f"))->next, "g");
	struct err err = ERR_INIT;
	const char *s;
	int64_t n;

	(void)state;
	assert_true(c->line == 3 && c->column == 5);
	assert_int_equal(value_get_i64(x, 0, 1, &n, &err), -EINVAL);
	assert_string_equal(err.msg, "f:5:4: b.c.d.e[1]: expected an integer, got a string");
	err = (struct err)ERR_INIT;
	assert_int_equal(value_get_string(e, &s, &err), -EINVAL);
	assert_string_equal(err.msg, "f:4:5: b.c.d.e: expected a string, got an array");
	err = (struct err)ERR_INIT;
	assert_int_equal(value_get_string(g, &s, &err), -EINVAL);
	assert_string_equal(err.msg, "f:8:1: f[1].g: expected a string, got a date or time");
	err = (struct err)ERR_INIT;
	assert_int_equal(value_get_string(c, &s, &err), -EINVAL);
	assert_string_equal(err.msg, "f:3:5: b.c: expected a string, got a table");
	err = (struct err)ERR_INIT;
	assert_null(value_need(c, "z", &err));
	assert_string_equal(err.msg, "f:3:5: b.c.z: missing");
}

/* head, n times before, n times after, tail. */
static int parse_repeated(const char *head, const char *before, int n, const char *after,
	const char *tail, struct err *err)
{
	auto_document struct document *doc = NULL;
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(buf_append_str(&b, head), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(buf_append_str(&b, before), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(buf_append_str(&b, after), 0);
	assert_int_equal(buf_append_str(&b, tail), 0);
	return toml_parse("f", buf_slice(&b), MAX, &doc, err);
}

static void nesting_is_limited(void **state)
{
	static const struct {
		const char *head, *before, *after, *tail;
		int n; /* the most that is accepted */
		const char *msg;
	} rows[] = {
		{"a=", "[", "]", "", VALUE_MAX_DEPTH, "f:1:35: nested too deep"},
		{"a={", "b={", "}", "}", VALUE_MAX_DEPTH - 1, "f:1:97: nested too deep"},
		{"a", ".a", "", "=1", VALUE_MAX_DEPTH - 1, "f:1:65: nested too deep"},
		{"[a", ".a", "", "]", VALUE_MAX_DEPTH - 1, "f:1:66: nested too deep"},
		{"[[a", ".a", "", "]]", VALUE_MAX_DEPTH - 2, "f:1:65: nested too deep"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		if (parse_repeated(rows[i].head, rows[i].before, rows[i].n, rows[i].after,
			    rows[i].tail, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(parse_repeated(rows[i].head, rows[i].before, rows[i].n + 1,
					 rows[i].after, rows[i].tail, &err),
			-EINVAL);
		assert_string_equal(err.msg, rows[i].msg);
	}
	assert_int_equal(parse_repeated("[a", ".a", 100000, "", "]", NULL), -EINVAL);
}

static void size_and_count_are_limited(void **state)
{
	struct document *doc = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(toml_parse("f", slice_of_str("a=1 "), 3, &doc, &err), -EFBIG);
	assert_string_equal(err.msg, "f: 4 bytes, more than 3 are not read");
	/* The array is a value too. */
	assert_int_equal(parse_repeated("a=[", "0,", VALUE_MAX_COUNT - 1, "", "]", NULL), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(parse_repeated("a=[", "0,", VALUE_MAX_COUNT, "", "]", &err), -E2BIG);
	assert_string_equal(err.msg, "f: more than 262144 values");
}

/* A quadratic reader needs minutes for each of these megabytes; the limit is generous for
 * sanitizers on a busy machine. */
static void the_time_is_linear(void **state)
{
	static const struct {
		const char *head, *before, *after;
		int n;
	} rows[] = {
		{"a = '''", "x\n", "", 1 << 20},
		{"a = \"", "\\", "", 1 << 20},
		{"a = ", "1", "", 1 << 20},
		{"", "\"\"\"\"\"\"", "", 1 << 18},
		{"a = [", "\"\",", "", 1 << 18},
		{"a = [", "\"\"\"\"\"\",", "", 1 << 17},
		{"", "\n", "", 1 << 21},
		{"#", "#", "", 1 << 21},
		{"", "[[a]]\n", "", 1 << 17},
		{"[[a]]\n", "[[a.b]]\n", "", 1 << 17},
	};
	int64_t start = clock_now_ns();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		(void)!parse_repeated(
			rows[i].head, rows[i].before, rows[i].n, rows[i].after, "", NULL);
	assert_true(clock_now_ns() - start < 30 * NS_PER_S);
}

static const char sample[] = "title = \"x\"\n[a.b]\nc.d = [1, 2.5, {e = '''y'''}]\n"
			     "[[f]]\ng = 07:00:00\n[[f]]\n\"h i\" = true # z\n";

static void every_allocation_may_fail(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		auto_document struct document *doc = NULL;
		struct err err = ERR_INIT;
		int r;

		oom_arm(n);
		r = toml_parse("f", slice_of_str(sample), MAX, &doc, &err);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		if (r < 0)
			assert_string_equal(err.msg, "read f: Cannot allocate memory");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_of_all_four_kinds_are_read),
		cmocka_unit_test(bad_strings_are_refused),
		cmocka_unit_test(numbers_are_read_in_every_form),
		cmocka_unit_test(bad_numbers_are_refused),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(dates_and_times_are_checked_and_kept),
		cmocka_unit_test(keys_arrays_and_tables_are_read),
		cmocka_unit_test(what_is_defined_twice_is_refused),
		cmocka_unit_test(malformed_texts_are_refused_with_their_place),
		cmocka_unit_test(values_know_their_place),
		cmocka_unit_test(nesting_is_limited),
		cmocka_unit_test(size_and_count_are_limited),
		cmocka_unit_test(the_time_is_linear),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
