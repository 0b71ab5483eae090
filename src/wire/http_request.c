/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http_request.h"

#include <ctype.h>
#include <stdint.h>
#include <strings.h>

/* Of the header lines that are looked at. */
struct head {
	uint64_t length; /* of the body */
	bool has_length, expects_continue, closes;
	unsigned int minor; /* of HTTP/1.x */
};

static enum http_state refuse(struct http_parse *ret, unsigned int status, const char *why)
{
	ret->status = status;
	ret->why = why;
	return HTTP_REFUSED;
}

/* Cuts what is before the first c off the front of s; false when there is none. */
static bool cut(struct slice *s, char c, struct slice *ret)
{
	const uint8_t *at = s->len ? memchr(s->p, c, s->len) : NULL;

	if (!at)
		return false;
	*ret = slice_of(s->p, (size_t)(at - s->p));
	*s = slice_of(at + 1, s->len - ret->len - 1);
	return true;
}

/* Without the CRLF. A head always ends in one, and holds no LF without CR (find_head). */
static bool cut_line(struct slice *head, struct slice *ret)
{
	if (!cut(head, '\n', ret))
		return false;
	ret->len--;
	return true;
}

static bool is_token_char(uint8_t c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.len > 0;
}

static struct slice trim(struct slice s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_of(s.p + 1, s.len - 1);
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool is_same_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp((const char *)s.p, word, s.len) == 0;
}

static bool parse_length(struct slice s, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < s.len; i++)
		if (!isdigit(s.p[i]) || __builtin_mul_overflow(*ret, 10, ret) ||
			__builtin_add_overflow(*ret, (uint64_t)(s.p[i] - '0'), ret))
			return false;
	return s.len > 0;
}

static enum http_state take_length(struct head *head, struct slice value, struct http_parse *ret)
{
	uint64_t length;

	if (!parse_length(value, &length))
		return refuse(ret, 400, "Content-Length is no number");
	if (head->has_length && head->length != length)
		return refuse(ret, 400, "there are two lengths");
	head->has_length = true;
	head->length = length;
	return HTTP_PARTIAL;
}

static void take_connection(struct head *head, struct slice value)
{
	struct slice word;

	while (cut(&value, ',', &word))
		head->closes |= is_same_word(trim(word), "close");
	head->closes |= is_same_word(trim(value), "close");
}

/* HTTP_PARTIAL: go on. */
static enum http_state take_line(struct head *head, struct slice line, struct http_parse *ret)
{
	struct slice name;

	if (!cut(&line, ':', &name) || !is_token(name))
		return refuse(ret, 400, "a header line without a name");
	line = trim(line);
	if (is_same_word(name, "content-length"))
		return take_length(head, line, ret);
	if (is_same_word(name, "transfer-encoding"))
		return refuse(ret, 501, "transfer codings are not supported: send Content-Length");
	if (is_same_word(name, "connection"))
		take_connection(head, line);
	if (!is_same_word(name, "expect"))
		return HTTP_PARTIAL;
	if (!is_same_word(line, "100-continue"))
		return refuse(ret, 417, "an expectation that is not known");
	head->expects_continue = true;
	return HTTP_PARTIAL;
}

static enum http_method method_of(struct slice word)
{
	static const char *const names[] = {
		[HTTP_GET] = "GET", [HTTP_PUT] = "PUT", [HTTP_POST] = "POST"};

	for (enum http_method m = 0; m < HTTP_OTHER; m++)
		if (slice_equal(word, slice_of_str(names[m])))
			return m;
	return HTTP_OTHER;
}

static bool is_target(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.len > 0 && s.p[0] == '/';
}

/* "GET /path?query HTTP/1.1" */
static enum http_state take_request_line(
	struct head *head, struct slice line, struct http_parse *ret)
{
	struct http_request *request = &ret->request;
	struct slice method, target;

	if (!cut(&line, ' ', &method) || !is_token(method) || !cut(&line, ' ', &target))
		return refuse(ret, 400, "the first line is no request");
	if (!is_target(target))
		return refuse(ret, 400, "the target is no path");
	if (slice_equal(line, slice_of_str("HTTP/1.1")))
		head->minor = 1;
	else if (!slice_equal(line, slice_of_str("HTTP/1.0")))
		return refuse(ret, 505, "only HTTP/1.1 is spoken here");
	request->method = method_of(method);
	request->path = target;
	if (cut(&target, '?', &request->path))
		request->query = target;
	return HTTP_PARTIAL;
}

/*
 * The head with the empty line behind it. HTTP_PARTIAL: it is not there yet, or (with head->len) it is.
 */
static enum http_state find_head(struct slice text, struct slice *head, struct http_parse *ret)
{
	for (size_t i = 0; i < text.len && i < HTTP_HEAD_MAX; i++) {
		bool after_cr = i > 0 && text.p[i - 1] == '\r';

		if (text.p[i] == '\0' || after_cr != (text.p[i] == '\n'))
			return refuse(ret, 400, "the head is not lines that end in CR LF");
		if (text.p[i] == '\n' && i >= 3 && text.p[i - 2] == '\n') {
			*head = slice_of(text.p, i + 1);
			return HTTP_PARTIAL;
		}
	}
	return text.len < HTTP_HEAD_MAX ? HTTP_PARTIAL
					: refuse(ret, 431, "the head is longer than 8 KiB");
}

static enum http_state take_head(struct head *head, struct slice text, struct http_parse *ret)
{
	enum http_state state = HTTP_PARTIAL;
	struct slice line;

	if (cut_line(&text, &line))
		state = take_request_line(head, line, ret);
	while (state == HTTP_PARTIAL && cut_line(&text, &line) && line.len > 0)
		state = take_line(head, line, ret);
	return state;
}

enum http_state http_request_parse(struct slice text, size_t max_body, struct http_parse *ret)
{
	struct slice bytes = {0};
	struct head head = {0};
	enum http_state state;

	*ret = (struct http_parse){0};
	state = find_head(text, &bytes, ret);
	if (state != HTTP_PARTIAL || bytes.len == 0)
		return state;
	state = take_head(&head, bytes, ret);
	if (state != HTTP_PARTIAL)
		return state;
	if (head.length > max_body)
		return refuse(ret, 413, "the body is too long");
	if (text.len - bytes.len < head.length) {
		/* One whose body comes along unasked does not wait. */
		ret->expects_continue =
			head.expects_continue && head.minor == 1 && text.len == bytes.len;
		return HTTP_PARTIAL;
	}
	ret->request.body = slice_of(text.p + bytes.len, head.length);
	ret->request.keep_alive = head.minor == 1 && !head.closes;
	ret->len = bytes.len + head.length;
	return HTTP_WHOLE;
}

static int hex_of(uint8_t c)
{
	if (isdigit(c))
		return c - '0';
	return isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* In place, from the start of text on. */
static int decode(struct slice s, char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		int high, low;

		if (s.p[i] != '%') {
			text[n++] = (char)s.p[i];
			continue;
		}
		high = s.len - i > 2 ? hex_of(s.p[i + 1]) : -1;
		low = s.len - i > 2 ? hex_of(s.p[i + 2]) : -1;
		if (high < 0 || low < 0 || high + low == 0)
			return -EINVAL;
		text[n++] = (char)(high * 16 + low);
		i += 2;
	}
	text[n] = '\0';
	return 0;
}

int http_query_get(struct slice query, const char *name, char **ret)
{
	struct slice rest = query, pair, key;
	bool more = true;

	while (more) {
		more = cut(&rest, '&', &pair);
		if (!more)
			pair = rest;
		if (cut(&pair, '=', &key) && slice_equal(key, slice_of_str(name))) {
			auto_free char *text = malloc(pair.len + 1);
			int r = text ? decode(pair, text) : -ENOMEM;

			if (r == 0)
				*ret = take_ptr(&text);
			return r;
		}
	}
	return -ENOENT;
}

const char *http_status_text(unsigned int status)
{
	static const struct {
		unsigned int status;
		const char *text;
	} texts[] = {{200, "OK"}, {400, "Bad Request"}, {404, "Not Found"},
		{405, "Method Not Allowed"}, {413, "Content Too Large"},
		{417, "Expectation Failed"}, {431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"}, {501, "Not Implemented"},
		{503, "Service Unavailable"}, {505, "HTTP Version Not Supported"}};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}
