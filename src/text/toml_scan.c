/* SPDX-License-Identifier: Apache-2.0 */
#include "text/toml_scan.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

int toml_fail_at(struct toml_reader *r, uint32_t line, uint32_t column, const char *fmt, ...)
{
	char msg[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return err_set(r->err, EINVAL, "%s:%u:%u: %s", document_name(r->doc), line, column, msg);
}

int toml_fail(struct toml_reader *r, const char *fmt, ...)
{
	char msg[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return toml_fail_at(r, r->line, toml_column(r), "%s", msg);
}

int toml_no_memory(struct toml_reader *r)
{
	return err_sys(r->err, ENOMEM, "read %s", document_name(r->doc));
}

uint32_t toml_column(const struct toml_reader *r)
{
	return (uint32_t)(r->at - r->line_start) + 1;
}

bool toml_accept(struct toml_reader *r, char c)
{
	if (r->at == r->end || *r->at != (uint8_t)c)
		return false;
	r->at++;
	return true;
}

void toml_skip_blanks(struct toml_reader *r)
{
	while (toml_peek(r, 0) == ' ' || toml_peek(r, 0) == '\t')
		r->at++;
}

int toml_accept_newline(struct toml_reader *r)
{
	size_t len = toml_peek(r, 0) == '\n'				  ? 1
		     : toml_peek(r, 0) == '\r' && toml_peek(r, 1) == '\n' ? 2
									  : 0;

	if (len == 0)
		return 0;
	r->at += len;
	r->line++;
	r->line_start = r->at;
	return 1;
}

/* Moves over one character that may stand in a comment or (a tab too) in a string. */
static int take_character(struct toml_reader *r)
{
	size_t n = utf8_sequence(r->at, (size_t)(r->end - r->at));

	if (r->at == r->end)
		return toml_fail(r, "unexpected end of the file");
	if (n == 0)
		return toml_fail(r, "invalid UTF-8");
	if ((*r->at < 0x20 && *r->at != '\t') || *r->at == 0x7f)
		return toml_fail(r, "control character 0x%02x", *r->at);
	r->at += n;
	return 0;
}

int toml_skip_comment(struct toml_reader *r)
{
	toml_skip_blanks(r);
	if (!toml_accept(r, '#'))
		return 0;
	while (r->at < r->end && *r->at != '\n' && !(*r->at == '\r' && toml_peek(r, 1) == '\n')) {
		int e = take_character(r);

		if (e < 0)
			return e;
	}
	return 0;
}

int toml_skip_lines(struct toml_reader *r)
{
	int e;

	do
		e = toml_skip_comment(r);
	while (e == 0 && toml_accept_newline(r));
	return e;
}

/* Strings */

static int put(struct toml_reader *r, const void *p, size_t len)
{
	return buf_append(&r->scratch, p, len) < 0 ? toml_no_memory(r) : 0;
}

static int finish_string(struct toml_reader *r, const char **ret)
{
	size_t len = buf_len(&r->scratch);
	char *copy = document_alloc(r->doc, len + 1);

	if (!copy)
		return toml_no_memory(r);
	memcpy(copy, buf_str(&r->scratch), len + 1);
	*ret = copy;
	return 0;
}

static int scan_unicode_escape(struct toml_reader *r, int n_digits)
{
	uint32_t code_point = 0;
	char text[4];
	size_t len;

	for (int i = 0; i < n_digits; i++, r->at++) {
		uint8_t c = toml_peek(r, 0), lower = c | 0x20;

		if (c >= '0' && c <= '9')
			code_point = code_point << 4 | (uint32_t)(c - '0');
		else if (lower >= 'a' && lower <= 'f')
			code_point = code_point << 4 | (uint32_t)(lower - 'a' + 10);
		else
			return toml_fail(r, "expected %d hexadecimal digits", n_digits);
	}
	len = utf8_encode(code_point, text);
	if (code_point == 0)
		return toml_fail(r, "a NUL character in a string is not supported");
	if (len == 0)
		return toml_fail(r, "U+%04X is no character", code_point);
	return put(r, text, len);
}

/* Behind the backslash. */
static int scan_escape(struct toml_reader *r)
{
	static const char from[] = "btnfr\"\\", plain[] = "\b\t\n\f\r\"\\";
	uint8_t c = toml_peek(r, 0);
	const char *which = memchr(from, c, sizeof(from) - 1);

	if (!which && c != 'u' && c != 'U')
		return toml_fail(r, "unknown escape in a string");
	r->at++;
	if (which)
		return put(r, &plain[which - from], 1);
	return scan_unicode_escape(r, c == 'u' ? 4 : 8);
}

/* A backslash that ends a line: true, and everything up to the next text is skipped. */
static bool skip_line_continuation(struct toml_reader *r)
{
	struct toml_reader before = *r;

	toml_skip_blanks(r);
	if (!toml_accept_newline(r)) {
		r->at = before.at;
		return false;
	}
	do
		toml_skip_blanks(r);
	while (toml_accept_newline(r));
	return true;
}

static int scan_character(struct toml_reader *r, char quote, bool multi_line)
{
	const uint8_t *from = r->at;
	int e;

	if (multi_line && toml_accept_newline(r))
		return put(r, "\n", 1);
	if (quote == '"' && toml_accept(r, '\\')) {
		if (multi_line && skip_line_continuation(r))
			return 0;
		return scan_escape(r);
	}
	if (!multi_line && toml_peek(r, 0) == '\n')
		return toml_fail(r, "a line break in a string");
	e = take_character(r);
	return e < 0 ? e : put(r, from, (size_t)(r->at - from));
}

static bool is_triple(const struct toml_reader *r, char quote)
{
	return toml_peek(r, 0) == quote && toml_peek(r, 1) == quote && toml_peek(r, 2) == quote;
}

static int scan_multi_line(struct toml_reader *r, char quote)
{
	int e = 0;

	r->at += 3;
	(void)toml_accept_newline(r); /* one right behind the quotes does not count */
	while (e == 0 && !is_triple(r, quote))
		e = scan_character(r, quote, true);
	/* Up to two quotes more belong to the text. */
	for (int i = 0; i < 2 && e == 0 && toml_peek(r, 3) == quote; i++, r->at++)
		e = put(r, &quote, 1);
	r->at += e == 0 ? 3 : 0;
	return e;
}

static int scan_single_line(struct toml_reader *r, char quote)
{
	int e = 0;

	r->at++;
	while (e == 0 && !toml_accept(r, quote))
		e = scan_character(r, quote, false);
	return e;
}

int toml_scan_string(struct toml_reader *r, const char **ret)
{
	char quote = (char)toml_peek(r, 0);
	int e;

	buf_clear(&r->scratch);
	e = is_triple(r, quote) ? scan_multi_line(r, quote) : scan_single_line(r, quote);
	return e < 0 ? e : finish_string(r, ret);
}

static bool is_bare(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

int toml_scan_key(struct toml_reader *r, const char **ret)
{
	char quote = (char)toml_peek(r, 0);
	int e;

	buf_clear(&r->scratch);
	if (quote == '"' || quote == '\'') {
		e = scan_single_line(r, quote);
		return e < 0 ? e : finish_string(r, ret);
	}
	if (!is_bare((uint8_t)quote))
		return toml_fail(r, "expected a key");
	for (; is_bare(toml_peek(r, 0)); r->at++) {
		e = put(r, r->at, 1);
		if (e < 0)
			return e;
	}
	return finish_string(r, ret);
}
