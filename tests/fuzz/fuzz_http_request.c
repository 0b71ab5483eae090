/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte is how long a body may be, in units of 16 bytes. */
#include <assert.h>

#include "base/own.h"
#include "text.h"
#include "wire/http_request.h"

static void look_within(struct slice part, struct slice whole)
{
	assert(part.len == 0 ||
		(part.p >= whole.p && part.len <= whole.len - (size_t)(part.p - whole.p)));
}

static void look_at(const struct http_parse *parse, struct slice text, size_t max_body)
{
	const struct http_request *r = &parse->request;
	char *value = NULL;

	assert(parse->len > 0 && parse->len <= text.len && r->body.len <= max_body);
	look_within(r->path, text);
	look_within(r->query, text);
	look_within(r->body, text);
	assert(r->path.len > 0 && r->path.p[0] == '/' && !memchr(r->path.p, '?', r->path.len));
	if (http_query_get(r->query, "path", &value) == 0)
		assert(strlen(value) <= r->query.len);
	free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t max_body = size ? data[0] * 16UL : 0;
	char *copy = size ? fuzz_text(data + 1, size - 1) : NULL;
	struct slice text = slice_of(copy, size ? size - 1 : 0);
	struct http_parse parse, again;

	switch (http_request_parse(text, max_body, &parse)) {
	case HTTP_WHOLE:
		look_at(&parse, text, max_body);
		/* What follows changes nothing. */
		assert(http_request_parse(slice_of(text.p, parse.len), max_body, &again) ==
			HTTP_WHOLE);
		assert(again.len == parse.len);
		break;
	case HTTP_REFUSED:
		assert(parse.why && parse.status >= 400);
		break;
	case HTTP_PARTIAL:
		assert(text.len < HTTP_HEAD_MAX + max_body);
		break;
	}
	free(copy);
	return 0;
}
