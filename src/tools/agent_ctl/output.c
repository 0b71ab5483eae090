/* SPDX-License-Identifier: Apache-2.0 */
/* For people a reply is printed from its JSON, whose reader has seen to it that text is UTF-8. */
#include "tools/agent_ctl/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "text/json.h"
#include "wire/message_json.h"
#include "wire/status.h"

enum { ONE_LINE = -1 };

static void print_indent(int depth)
{
	printf("%*s", 2 * depth, "");
}

/*
 * Escapes what a terminal may act on: C0 but for tab, DEL, and C1 (U+0080 to U+009F). s is UTF-8.
 * Lines after the first are indented to depth; ONE_LINE escapes what parts them.
 */
static void print_text(const char *s, int depth)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '\n' && depth != ONE_LINE)
			printf("\n%*s", s[1] ? 2 * depth : 0, "");
		else if ((c < 0x20 && c != '\t') || c == 0x7f)
			printf("\\x%02x", c);
		else if (c == 0xc2 && (unsigned char)s[1] < 0xa0)
			printf("\\u%04x", (unsigned)(unsigned char)*++s);
		else
			putchar(c);
	}
}

/* Text of several lines stands below its name. */
static void print_string(const char *s, int depth)
{
	size_t len = strlen(s);

	if (strchr(s, '\n')) {
		puts("|");
		print_indent(depth + 1);
	}
	print_text(s, depth + 1);
	if (len == 0 || s[len - 1] != '\n')
		putchar('\n');
}

static void print_scalar(const struct value *v, int depth)
{
	switch (v->type) {
	case VALUE_BOOL:
		puts(v->u.boolean ? "true" : "false");
		break;
	case VALUE_INT:
		printf("%s%" PRIu64 "\n", v->u.integer.negative ? "-" : "", v->u.integer.magnitude);
		break;
	case VALUE_STRING:
		print_string(v->u.string, depth);
		break;
	case VALUE_NULL:
	case VALUE_FLOAT:
	case VALUE_DATE:
	case VALUE_ARRAY:
	case VALUE_TABLE:
	case VALUE_TYPE_COUNT:
		puts("");
		break;
	}
}

static void print_children(const struct value *v, int depth);

static void print_value(const struct value *v, const char *name, int depth)
{
	bool has_children = v->type == VALUE_TABLE || v->type == VALUE_ARRAY;

	print_indent(depth);
	print_text(name, ONE_LINE);
	if (v->parent->type == VALUE_ARRAY)
		printf("[%" PRIu32 "]", v->index);
	printf(has_children ? ":\n" : ": ");
	if (has_children)
		print_children(v, depth + 1);
	else
		print_scalar(v, depth);
}

/* A list's elements bear its name: "dns[0]: ..."; an empty one is not printed. */
static void print_children(const struct value *v, int depth)
{
	VALUE_FOREACH(child, v)
	{
		if (child->type != VALUE_ARRAY) {
			print_value(child, child->key ? child->key : v->key, depth);
			continue;
		}
		VALUE_FOREACH(element, child)
		{
			print_value(element, child->key, depth);
		}
	}
}

int output_reply(
	const struct method *method, const ProtobufCMessage *reply, bool is_json, struct err *err)
{
	auto_document struct document *doc = NULL;
	auto_buf struct buf text = BUF_INIT;
	int r = message_json_format(
		reply, is_json ? MESSAGE_JSON_BASE64 : MESSAGE_JSON_TEXT, &text);

	if (r < 0)
		return err_sys(err, -r, "reply");
	if (is_json) {
		puts(buf_str(&text));
		return 0;
	}
	r = json_parse(method->name, buf_slice(&text), SIZE_MAX, &doc, err);
	if (r < 0)
		return r;
	if (value_count(document_root(doc)) == 0) {
		printf("%s: done\n", method->name);
		return 0;
	}
	printf("%s:\n", method->name);
	print_children(document_root(doc), 1);
	return 0;
}

static void print_json_failure(const struct method *method, const struct err *why)
{
	auto_buf struct buf text = BUF_INIT;
	struct json_writer w = {.out = &text};

	json_begin_object(&w, NULL);
	json_begin_object(&w, "error");
	json_put_string(&w, "method", method->name);
	json_put_string(&w, "status", wire_status_name(wire_status_of(why)));
	json_put_u64(&w, "code", wire_status_of(why));
	json_put_string(&w, "message", why->msg);
	json_end_object(&w);
	json_end_object(&w);
	if (json_finish(&w) == 0)
		puts(buf_str(&text));
}

void output_failure(const struct method *method, bool is_json, const struct err *why)
{
	enum wire_status status = wire_status_of(why);
	struct err printable = *why;

	utf8_make_printable(printable.msg);
	if (is_json)
		print_json_failure(method, &printable);
	fflush(stdout);
	fprintf(stderr, "kata-agent-ctl: %s: %s (%d): %s\n", method->name, wire_status_name(status),
		(int)status, printable.msg);
}

static int compare_times(const void *left, const void *right)
{
	const int64_t *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

static double ms(int64_t ns)
{
	return (double)ns / (double)NS_PER_MS;
}

void output_summary(const struct method *method, bool is_json, int64_t *times_ns, size_t n)
{
	int64_t median_ns;

	qsort(times_ns, n, sizeof(*times_ns), compare_times);
	median_ns = n % 2 ? times_ns[n / 2]
			  : times_ns[n / 2 - 1] + (times_ns[n / 2] - times_ns[n / 2 - 1]) / 2;
	if (is_json)
		printf("{\"summary\":{\"method\":\"%s\",\"calls\":%zu,\"min_ns\":%" PRId64
		       ",\"median_ns\":%" PRId64 ",\"max_ns\":%" PRId64 "}}\n",
			method->name, n, times_ns[0], median_ns, times_ns[n - 1]);
	else
		printf("%s: %zu calls: min %.3f ms, median %.3f ms, max %.3f ms\n", method->name, n,
			ms(times_ns[0]), ms(median_ns), ms(times_ns[n - 1]));
}
