/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: values hang in a list below their parent, in the text's order. A table's
 * members are besides in a binary tree that is descended by the bits of the key's hash. Its
 * expected depth is logarithmic; as the hash is not secret, a walk longer than MAX_WALK is refused
 * when adding, which bounds the work for a hostile text too.
 */
#include "text/value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/document.h"

enum { FIRST_CHUNK = 2048, NEXT_CHUNK = 32768, ALIGNMENT = 16, MAX_WALK = 128 };

struct chunk {
	struct chunk *next;
	size_t size, used; /* of data */
	_Alignas(ALIGNMENT) char data[];
};

struct document {
	struct value root;    /* first, so that the root value leads to its document */
	struct chunk *chunks; /* owned; the first one is being filled */
	size_t n_values;
	bool with_positions;
	char *name; /* owned */
};
static_assert(offsetof(struct document, root) == 0, "document_of");

static const char *const type_names[] = {
	[VALUE_NULL] = "null",
	[VALUE_BOOL] = "a boolean",
	[VALUE_INT] = "an integer",
	[VALUE_FLOAT] = "a number with a fraction or exponent",
	[VALUE_STRING] = "a string",
	[VALUE_DATE] = "a date or time",
	[VALUE_ARRAY] = "an array",
	[VALUE_TABLE] = "an object",
};
static_assert(ARRAY_SIZE(type_names) == VALUE_TYPE_COUNT, "a name for every type");

int document_new(const char *name, bool with_positions, struct document **ret)
{
	struct document *doc = calloc(1, sizeof(*doc));

	if (!doc)
		return -ENOMEM;
	doc->name = strdup(name);
	if (!doc->name) {
		free(doc);
		return -ENOMEM;
	}
	doc->with_positions = with_positions;
	doc->root.type = VALUE_TABLE;
	*ret = doc;
	return 0;
}

void document_free(struct document *doc)
{
	if (!doc)
		return;
	while (doc->chunks) {
		struct chunk *next = doc->chunks->next;

		free(doc->chunks);
		doc->chunks = next;
	}
	free(doc->name);
	free(doc);
}

const struct value *document_root(const struct document *doc)
{
	return &doc->root;
}

struct value *document_take_root(struct document *doc)
{
	return &doc->root;
}

const char *document_name(const struct document *doc)
{
	return doc->name;
}

void *document_alloc(struct document *doc, size_t size)
{
	size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	struct chunk *chunk = doc->chunks;
	void *p;

	if (rounded < size)
		return NULL;
	if (!chunk || chunk->size - chunk->used < rounded) {
		size_t room = chunk ? NEXT_CHUNK : FIRST_CHUNK;

		if (room < rounded)
			room = rounded;
		if (room > SIZE_MAX - sizeof(*chunk))
			return NULL;
		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->next = doc->chunks;
		chunk->size = room;
		chunk->used = 0;
		doc->chunks = chunk;
	}
	p = chunk->data + chunk->used;
	chunk->used += rounded;
	return p;
}

int document_new_value(struct document *doc, enum value_type type, struct value **ret)
{
	struct value *v;

	if (doc->n_values >= VALUE_MAX_COUNT)
		return -E2BIG;
	v = document_alloc(doc, sizeof(*v));
	if (!v)
		return -ENOMEM;
	*v = (struct value){.type = type};
	doc->n_values++;
	*ret = v;
	return 0;
}

static void add_child(struct value *parent, struct value *child)
{
	child->parent = parent;
	child->index = (uint32_t)parent->u.children.n++;
	if (parent->u.children.last)
		parent->u.children.last->next = child;
	else
		parent->u.children.first = child;
	parent->u.children.last = child;
}

void value_append(struct value *array, struct value *element)
{
	assert(array->type == VALUE_ARRAY);
	add_child(array, element);
}

/* FNV-1a, then mixed so that the upper bits, which are used first, depend on every byte. */
static uint64_t hash_of(const char *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	return h * UINT64_C(0x9e3779b97f4a7c15);
}

int value_add(struct value *table, const char *key, struct value *member)
{
	struct value **at = &table->u.children.tree;
	uint64_t h = hash_of(key);

	assert(table->type == VALUE_TABLE);
	for (int walk = 0; *at; walk++, h <<= 1) {
		if (strcmp((*at)->key, key) == 0)
			return -EEXIST;
		if (walk == MAX_WALK)
			return -E2BIG;
		at = &(*at)->tree[h >> 63];
	}
	*at = member;
	member->key = key;
	add_child(table, member);
	return 0;
}

const struct value *value_find(const struct value *table, const char *key)
{
	const struct value *v;
	uint64_t h;

	if (!table || table->type != VALUE_TABLE)
		return NULL;
	h = hash_of(key);
	for (v = table->u.children.tree; v; v = v->tree[h >> 63], h <<= 1)
		if (strcmp(v->key, key) == 0)
			return v->type == VALUE_NULL ? NULL : v;
	return NULL;
}

const struct value *value_need(const struct value *table, const char *key, struct err *err)
{
	const struct value *v = value_find(table, key);
	char where[VALUE_WHERE_SIZE];

	if (v)
		return v;
	if (value_check_type(table, VALUE_TABLE, err) < 0)
		return NULL;
	value_format_where(table, where);
	err_set(err, EINVAL, "%s%s%s: missing", where, table->parent ? "." : ": ", key);
	return NULL;
}

const struct value *value_first(const struct value *v)
{
	return v && (v->type == VALUE_ARRAY || v->type == VALUE_TABLE) ? v->u.children.first : NULL;
}

size_t value_count(const struct value *v)
{
	return v && (v->type == VALUE_ARRAY || v->type == VALUE_TABLE) ? v->u.children.n : 0;
}

static const struct document *document_of(const struct value *v)
{
	while (v->parent)
		v = v->parent;
	return (const struct document *)(const void *)v;
}

static bool is_bare_key(const char *key)
{
	for (const char *c = key; *c; c++)
		if (!(*c == '_' || *c == '-' || (*c >= '0' && *c <= '9') ||
			    (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z')))
			return false;
	return *key != '\0';
}

struct text {
	char *at;
	size_t room; /* the final NUL's included */
};

static void put(struct text *t, const char *fmt, ...) printf_like(2, 3);
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, t->room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= t->room)
		n = t->room ? (int)t->room - 1 : 0;
	t->at += n;
	t->room -= (size_t)n;
}

/* Keys are outside text: what would disturb a log or a terminal is masked. */
static void put_key(struct text *t, const char *key)
{
	char *from = t->at;

	put(t, is_bare_key(key) ? "%s" : "\"%s\"", key);
	for (char *c = from; c < t->at; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

static void put_path(struct text *t, const struct value *v)
{
	const struct value *steps[VALUE_MAX_DEPTH + 1];
	size_t n = 0;

	for (const struct value *up = v; up->parent && n < ARRAY_SIZE(steps); up = up->parent)
		steps[n++] = up;
	for (size_t i = n; i-- > 0;) {
		if (!steps[i]->key) {
			put(t, "[%" PRIu32 "]", steps[i]->index);
			continue;
		}
		if (i != n - 1)
			put(t, ".");
		put_key(t, steps[i]->key);
	}
}

const char *value_format_path(const struct value *v, char text[static VALUE_WHERE_SIZE])
{
	struct text t = {.at = text, .room = VALUE_WHERE_SIZE};

	text[0] = '\0';
	put_path(&t, v);
	return text;
}

const char *value_format_where(const struct value *v, char text[static VALUE_WHERE_SIZE])
{
	struct text t = {.at = text, .room = VALUE_WHERE_SIZE};
	const struct document *doc = document_of(v);

	put(&t, "%s", doc->name);
	if (doc->with_positions && v->line)
		put(&t, ":%" PRIu32 ":%" PRIu32, v->line, v->column);
	if (v->parent)
		put(&t, ": ");
	put_path(&t, v);
	return text;
}

int value_error(const struct value *v, struct err *err, const char *fmt, ...)
{
	char where[VALUE_WHERE_SIZE], msg[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return err_set(err, EINVAL, "%s: %s", value_format_where(v, where), msg);
}

static const char *type_name(const struct value *v, enum value_type type)
{
	if (type == VALUE_TABLE && document_of(v)->with_positions)
		return "a table";
	return type_names[type];
}

static int wrong_type(const struct value *v, const char *expected, struct err *err)
{
	return value_error(v, err, "expected %s, got %s", expected, type_name(v, v->type));
}

int value_check_type(const struct value *v, enum value_type type, struct err *err)
{
	return v->type == type ? 0 : wrong_type(v, type_name(v, type), err);
}

int value_get_bool(const struct value *v, bool *ret, struct err *err)
{
	if (v->type != VALUE_BOOL)
		return wrong_type(v, type_names[VALUE_BOOL], err);
	*ret = v->u.boolean;
	return 0;
}

int value_get_u64(const struct value *v, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
	uint64_t n;

	if (v->type != VALUE_INT)
		return wrong_type(v, "an unsigned integer", err);
	n = v->u.integer.magnitude;
	if (v->u.integer.negative || n < min || n > max)
		return value_error(v, err,
			"%s%" PRIu64 " is out of range (%" PRIu64 " to %" PRIu64 ")",
			v->u.integer.negative ? "-" : "", n, min, max);
	*ret = n;
	return 0;
}

int value_get_i64(const struct value *v, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	uint64_t n;
	int64_t i;
	bool fits;

	if (v->type != VALUE_INT)
		return wrong_type(v, type_names[VALUE_INT], err);
	n = v->u.integer.magnitude;
	fits = n <= (uint64_t)INT64_MAX + (v->u.integer.negative ? 1 : 0);
	i = v->u.integer.negative ? (int64_t)(0 - n) : (int64_t)n;
	if (!fits || i < min || i > max)
		return value_error(v, err,
			"%s%" PRIu64 " is out of range (%" PRId64 " to %" PRId64 ")",
			v->u.integer.negative ? "-" : "", n, min, max);
	*ret = i;
	return 0;
}

int value_get_double(const struct value *v, double *ret, struct err *err)
{
	if (v->type == VALUE_FLOAT)
		*ret = v->u.number;
	else if (v->type == VALUE_INT)
		*ret = v->u.integer.negative ? -(double)v->u.integer.magnitude
					     : (double)v->u.integer.magnitude;
	else
		return wrong_type(v, "a number", err);
	return 0;
}

int value_get_string(const struct value *v, const char **ret, struct err *err)
{
	if (v->type != VALUE_STRING)
		return wrong_type(v, type_names[VALUE_STRING], err);
	*ret = v->u.string;
	return 0;
}
