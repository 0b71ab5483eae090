/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/stdio_uri.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

static const struct {
	const char *name;
	enum stdio_kind kind;
} schemes[] = {
	{"fifo", STDIO_FIFO},
	{"file", STDIO_FILE},
	{"binary", STDIO_BINARY},
};

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	/* Setting that bit makes letters lower case, but digits out of control characters. */
	return at && (unsigned char)c >= '0' ? (int)(at - digits) : -1;
}

/* is_query: + is a space. -EINVAL for a wrong escape or a NUL. */
static int decode(struct slice text, bool is_query, char **ret)
{
	auto_free char *out = malloc(text.len + 1);
	size_t n = 0;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < text.len; i++) {
		char c = (char)text.p[i];

		if (c == '%') {
			int high = i + 1 < text.len ? hex_digit((char)text.p[i + 1]) : -1;
			int low = i + 2 < text.len ? hex_digit((char)text.p[i + 2]) : -1;

			if (high < 0 || low < 0 || (high | low) == 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && is_query) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = '\0';
	*ret = take_ptr(&out);
	return 0;
}

static bool has_key(const struct stdio_uri *uri, const char *key)
{
	for (size_t i = 0; i < uri->n_args; i += 2)
		if (strcmp(uri->args[i], key) == 0)
			return true;
	return false;
}

static int add_pair(struct stdio_uri *uri, struct slice pair)
{
	const uint8_t *equals = memchr(pair.p, '=', pair.len);
	size_t key_len = equals ? (size_t)(equals - pair.p) : pair.len;
	struct slice rest = equals ? slice_of(equals + 1, pair.len - key_len - 1) : slice_of("", 0);
	auto_free char *key = NULL, *value = NULL;
	int r = decode(slice_of(pair.p, key_len), true, &key);

	if (r == 0)
		r = decode(rest, true, &value);
	if (r < 0 || has_key(uri, key))
		return r;
	if (uri->n_args == STDIO_ARGS_MAX)
		return -E2BIG;
	uri->args[uri->n_args++] = take_ptr(&key);
	uri->args[uri->n_args++] = take_ptr(&value);
	return 0;
}

static int parse_query(const char *query, struct stdio_uri *uri)
{
	int r = 0;

	uri->args = calloc(STDIO_ARGS_MAX + 1, sizeof(*uri->args));
	if (!uri->args)
		return -ENOMEM;
	/* What a ; means has changed over the years: it has to be written as %3B. */
	if (strchr(query, ';'))
		return -EINVAL;
	while (*query && r == 0) {
		size_t len = strcspn(query, "&");

		if (len > 0)
			r = add_pair(uri, slice_of(query, len));
		query += len + (query[len] == '&');
	}
	return r;
}

/* rest: what follows the "://". */
static int parse_rest(const char *rest, struct stdio_uri *uri)
{
	size_t path_len = strcspn(rest, "?");
	int r;

	/* A ? would be the query that only a program has, a # the fragment that nothing has. */
	if (rest[0] != '/' || strchr(rest, '#') ||
		(rest[path_len] == '?' && uri->kind != STDIO_BINARY))
		return -EINVAL;
	r = decode(slice_of(rest, path_len), false, &uri->path);
	if (r == 0 && strlen(uri->path) >= PATH_MAX)
		r = -ENAMETOOLONG;
	if (r == 0 && uri->kind == STDIO_BINARY)
		r = parse_query(rest[path_len] == '?' ? rest + path_len + 1 : "", uri);
	return r;
}

static bool find_scheme(const char *text, size_t len, enum stdio_kind *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (strlen(schemes[i].name) == len &&
			strncasecmp(text, schemes[i].name, len) == 0) {
			*ret = schemes[i].kind;
			return true;
		}
	}
	return false;
}

static int parse_bare(const char *text, struct stdio_uri *uri)
{
	if (text[0] == '\0')
		return 0;
	if (text[0] != '/')
		return -EINVAL;
	uri->kind = STDIO_FIFO;
	uri->path = strdup(text);
	return uri->path ? 0 : -ENOMEM;
}

int stdio_uri_parse(const char *text, struct stdio_uri *ret, struct err *err)
{
	const char *mark = text[0] == '/' ? NULL : strstr(text, "://");
	struct stdio_uri uri = {.kind = STDIO_NONE};
	int r;

	if (strnlen(text, STDIO_URI_MAX + 1) > STDIO_URI_MAX)
		return err_set(err, E2BIG, "stdio: a URI longer than %d bytes", STDIO_URI_MAX);
	if (mark && !find_scheme(text, (size_t)(mark - text), &uri.kind))
		return err_set(err, ENOTSUP, "stdio by %.*s:// is not supported",
			(int)(mark - text), text);
	r = mark ? parse_rest(mark + 3, &uri) : parse_bare(text, &uri);
	if (r < 0) {
		stdio_uri_fini(&uri);
		return r == -EINVAL ? err_set(err, EINVAL,
					      "stdio: \"%s\" is not an absolute path or a URI of "
					      "one",
					      text)
				    : err_sys(err, -r, "stdio: %s", text);
	}
	*ret = uri;
	return 0;
}

void stdio_uri_fini(struct stdio_uri *uri)
{
	for (size_t i = 0; i < uri->n_args; i++)
		free(uri->args[i]);
	free(uri->args);
	free(uri->path);
	*uri = (struct stdio_uri){.kind = STDIO_NONE};
}
