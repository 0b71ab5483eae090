/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "oom.h"
#include "runtime/stdio_uri.h"

/* The arguments joined by |, so that a row is one line. */
static void join(const struct stdio_uri *uri, char *text, size_t size)
{
	text[0] = '\0';
	for (size_t i = 0; i < uri->n_args; i++)
		snprintf(text + strlen(text), size - strlen(text), "%s|", uri->args[i]);
}

static void what_the_field_says_is_taken(void **state)
{
	static const struct {
		const char *text;
		enum stdio_kind kind;
		const char *path, *args;
	} rows[] = {
		{"", STDIO_NONE, NULL, ""},
		{"/run/fifo", STDIO_FIFO, "/run/fifo", ""},
		/* A bare path is no URI. */
		{"/run/a%20b?c#d", STDIO_FIFO, "/run/a%20b?c#d", ""},
		{"/run/a://b", STDIO_FIFO, "/run/a://b", ""},
		{"fifo:///run/fifo", STDIO_FIFO, "/run/fifo", ""},
		{"file:///var/log/a%20b.log", STDIO_FILE, "/var/log/a b.log", ""},
		{"file:///a%2Fb%C3%a4", STDIO_FILE, "/a/b\xc3\xa4", ""},
		/* + is a space in a query only. */
		{"FILE:///a+b", STDIO_FILE, "/a+b", ""},
		{"file:////", STDIO_FILE, "//", ""},
		{"binary:///bin/l", STDIO_BINARY, "/bin/l", ""},
		{"binary:///bin/l?", STDIO_BINARY, "/bin/l", ""},
		{"binary:///bin/l?a=b", STDIO_BINARY, "/bin/l", "a|b|"},
		{"binary:///bin/l?a=b&c=d%26+e", STDIO_BINARY, "/bin/l", "a|b|c|d& e|"},
		{"binary:///bin/l?a&b=&=c", STDIO_BINARY, "/bin/l", "a||b|||c|"},
		{"binary:///bin/l?&&a=b=c&", STDIO_BINARY, "/bin/l", "a|b=c|"},
		{"binary:///bin/l?a=1&a=2&%61=3", STDIO_BINARY, "/bin/l", "a|1|"},
		{"binary:///bin/l?a=/x?y", STDIO_BINARY, "/bin/l", "a|/x?y|"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stdio_uri uri;
		char args[256];

		assert_int_equal(stdio_uri_parse(rows[i].text, &uri, NULL), 0);
		assert_int_equal(uri.kind, rows[i].kind);
		if (rows[i].path)
			assert_string_equal(uri.path, rows[i].path);
		else
			assert_null(uri.path);
		join(&uri, args, sizeof(args));
		assert_string_equal(args, rows[i].args);
		assert_true(!uri.args || !uri.args[uri.n_args]);
		stdio_uri_fini(&uri);
	}
}

static void the_rest_is_refused_by_name(void **state)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {
		{"relative", EINVAL},
		{"./relative", EINVAL},
		{":///x", ENOTSUP},
		{"http:///x", ENOTSUP},
		{"fil:///x", ENOTSUP},
		{"files:///x", ENOTSUP},
		{"npipe:////./pipe/x", ENOTSUP},
		{"file://", EINVAL},
		{"file:/x", EINVAL},
		{"file://relative", EINVAL},
		/* A host, not the first part of a path. */
		{"file://host/path", EINVAL},
		{"file://%2Fx", EINVAL},
		{"file:///x?size=1", EINVAL},
		{"fifo:///x?a", EINVAL},
		{"file:///x#y", EINVAL},
		{"binary:///x?a=b#c", EINVAL},
		{"binary:///x?a;b", EINVAL},
		{"file:///%", EINVAL},
		{"file:///%4", EINVAL},
		{"file:///%4g", EINVAL},
		{"file:///%-1", EINVAL},
		{"file:///%\x10\x11", EINVAL},
		{"file:///a%00b", EINVAL},
		{"binary:///x?a=%00", EINVAL},
		{"binary:///x?%zz=1", EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stdio_uri uri;
		struct err err = ERR_INIT;

		assert_int_equal(stdio_uri_parse(rows[i].text, &uri, &err), -rows[i].code);
		assert_true(err_is_set(&err));
	}
}

static void limits_hold(void **state)
{
	static const char prefix[] = "binary:///x?";
	static char text[STDIO_URI_MAX + 2];
	struct stdio_uri uri;
	char *p = text + snprintf(text, sizeof(text), "%s", prefix);

	(void)state;
	for (int i = 0; i < STDIO_ARGS_MAX / 2; i++)
		p += snprintf(p, 16, "k%d=v&", i);
	assert_int_equal(stdio_uri_parse(text, &uri, NULL), 0);
	assert_int_equal(uri.n_args, STDIO_ARGS_MAX);
	assert_null(uri.args[STDIO_ARGS_MAX]);
	stdio_uri_fini(&uri);
	snprintf(p, 16, "one=more");
	assert_int_equal(stdio_uri_parse(text, &uri, NULL), -E2BIG);

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, prefix, strlen(prefix));
	text[STDIO_URI_MAX] = '\0';
	assert_int_equal(stdio_uri_parse(text, &uri, NULL), 0);
	stdio_uri_fini(&uri);
	text[STDIO_URI_MAX] = 'x';
	assert_int_equal(stdio_uri_parse(text, &uri, NULL), -E2BIG);
	memcpy(text, "file:///xxxx", strlen("file:///xxxx"));
	text[4096 + strlen("file://")] = '\0';
	assert_int_equal(stdio_uri_parse(text, &uri, NULL), -ENAMETOOLONG);
	text[4095 + strlen("file://")] = '\0';
	assert_int_equal(stdio_uri_parse(text, &uri, NULL), 0);
	stdio_uri_fini(&uri);
}

static void no_memory_is_an_error(void **state)
{
	static const char *const texts[] = {"/x", "file:///x", "binary:///x?a=b&c=d"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		OOM_SWEEP(n)
		{
			struct stdio_uri uri;
			int r;

			oom_arm(n);
			r = stdio_uri_parse(texts[i], &uri, NULL);
			oom_disarm();
			if (r == 0)
				stdio_uri_fini(&uri);
			else
				assert_int_equal(r, -ENOMEM);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_field_says_is_taken),
		cmocka_unit_test(the_rest_is_refused_by_name),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
