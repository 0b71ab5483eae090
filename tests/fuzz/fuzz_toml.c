/* SPDX-License-Identifier: Apache-2.0 */
/* Every value of what is accepted has a place in the text and is found by its key. */
#include <assert.h>

#include "text/toml.h"

enum { MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct value *v, size_t size, int depth)
{
	char where[VALUE_WHERE_SIZE];

	assert(depth <= VALUE_MAX_DEPTH + 1);
	assert(v->type != VALUE_NULL);
	assert(!v->parent ||
		(v->line > 0 && v->line <= size + 1 && v->column > 0 && v->column <= size));
	assert(*value_format_where(v, where));
	VALUE_FOREACH(child, v)
	{
		assert(child->parent == v);
		assert(!child->key == (v->type == VALUE_ARRAY));
		assert(!child->key || value_find(v, child->key) == child);
		check(child, size, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_document struct document *doc = NULL;
	struct err err = ERR_INIT;

	if (toml_parse("fuzz", slice_of(data, size), MAX, &doc, &err) < 0)
		assert(err_is_set(&err) && !doc);
	else
		check(document_root(doc), size, 0);
	return 0;
}
