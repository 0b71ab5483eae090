/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader accepts must survive the writer: written and read again it is the same tree. */
#include <assert.h>

#include "text/json.h"

enum { MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(struct json_writer *w, const struct value *v)
{
	const char *key = v->key;

	switch (v->type) {
	case VALUE_BOOL:
		json_put_bool(w, key, v->u.boolean);
		break;
	case VALUE_INT:
		if (v->u.integer.negative)
			json_put_i64(w, key, (int64_t)(0 - v->u.integer.magnitude));
		else
			json_put_u64(w, key, v->u.integer.magnitude);
		break;
	case VALUE_STRING:
		json_put_string(w, key, v->u.string);
		break;
	case VALUE_ARRAY:
		json_begin_array(w, key);
		VALUE_FOREACH(child, v)
		write_value(w, child);
		json_end_array(w);
		break;
	case VALUE_TABLE:
		json_begin_object(w, key);
		VALUE_FOREACH(child, v)
		write_value(w, child);
		json_end_object(w);
		break;
	case VALUE_NULL:
	case VALUE_FLOAT: /* the writer has none */
	case VALUE_DATE:
	case VALUE_TYPE_COUNT:
		json_put_string(w, key, NULL);
		break;
	}
}

static void assert_same(const struct value *a, const struct value *b)
{
	const struct value *y = value_first(b);

	assert((a->type == VALUE_FLOAT && b->type == VALUE_NULL) || a->type == b->type);
	assert(value_count(a) == value_count(b));
	if (a->type == VALUE_STRING)
		assert(strcmp(a->u.string, b->u.string) == 0);
	if (a->type == VALUE_INT)
		assert(a->u.integer.magnitude == b->u.integer.magnitude &&
			a->u.integer.negative == b->u.integer.negative);
	VALUE_FOREACH(x, a)
	{
		assert(!x->key == !y->key && (!x->key || strcmp(x->key, y->key) == 0));
		assert(!x->key || x->type == VALUE_NULL || value_find(a, x->key) == x);
		assert_same(x, y);
		y = y->next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_document struct document *doc = NULL, *again = NULL;
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = {.out = &b};
	struct err err = ERR_INIT;

	if (json_parse("fuzz", slice_of(data, size), MAX, &doc, &err) < 0) {
		assert(err_is_set(&err) && !doc);
		return 0;
	}
	write_value(&w, document_root(doc));
	assert(json_finish(&w) == 0);
	if (json_parse("again", buf_slice(&b), SIZE_MAX, &again, NULL) < 0)
		abort();
	assert_same(document_root(doc), document_root(again));
	return 0;
}
