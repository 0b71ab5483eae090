/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a JSON or TOML text says: a tree of values that know where they came from.
 *
 * A reader (text/json.h, text/toml.h) makes a struct document, which owns every value and string in
 * it; all pointers obtained from it are borrowed and die with it. The tree does not change after
 * that. Strings are valid UTF-8 without NUL inside: the readers refuse anything else.
 *
 *	const struct value *pid = value_find(value_find(root, "process"), "pid");
 *	uint64_t n;
 *
 *	if (pid && value_get_u64(pid, 1, INT32_MAX, &n, err) < 0)
 *		return -EINVAL;
 *
 * Every failing getter and value_error() sets a message that names the value:
 * "config.json: process.user.uid: expected an unsigned integer, got a string" for JSON,
 * "configuration.toml:12:1: hypervisor.qemu.path: ..." for TOML, and returns -EINVAL.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum value_type {
	VALUE_NULL, /* JSON only */
	VALUE_BOOL,
	VALUE_INT,
	VALUE_FLOAT,
	VALUE_STRING,
	VALUE_DATE, /* TOML only: any of its date and time forms, kept as text */
	VALUE_ARRAY,
	VALUE_TABLE, /* JSON: object */
	VALUE_TYPE_COUNT,
};

struct value {
	enum value_type type;
	uint8_t flags;		    /* the reader's, during reading */
	uint32_t line, column;	    /* of the key if it has one; both from 1, columns in bytes */
	uint32_t index;		    /* in its array */
	const char *key;	    /* in its table; NULL in an array and for the root */
	const struct value *parent; /* NULL for the root */
	const struct value *next;   /* the next of its parent's children, in the text's order */
	struct value *tree[2];	    /* its table's index: value_find */
	union {
		bool boolean;
		struct {
			uint64_t magnitude;
			bool negative;
		} integer;
		double number;
		const char *string; /* VALUE_STRING, VALUE_DATE */
		struct {
			struct value *first, *last, *tree;
			size_t n;
		} children;
	} u;
};

/* A document holds at most this many values: 30 times a large pod's config.json, and a limit to
 * what "[[],[],..." can make of its bytes (about 120 bytes each). */
enum { VALUE_MAX_COUNT = 1 << 18, VALUE_MAX_DEPTH = 32 };

struct document;

/* A table (for JSON: whatever the text holds, an array or a scalar too). */
const struct value *document_root(const struct document *doc);
void document_free(struct document *doc);

static inline void own_document_free(struct document **doc)
{
	document_free(*doc);
}
#define auto_document __attribute__((cleanup(own_document_free)))

/*
 * The member of a table, or NULL: if there is none, if it is null, or if table is NULL or not a
 * table, so that look-ups can be nested and an absent part is absent all the way.
 */
const struct value *value_find(const struct value *table, const char *key);
/* The same, but absence is an error: "state.json: vm.pid: missing". */
const struct value *value_need(const struct value *table, const char *key, struct err *err);

/* Each child of an array or a table in the text's order (nulls too); nothing for other values. */
#define VALUE_FOREACH(pos, v) for (const struct value *pos = value_first(v); pos; pos = pos->next)
const struct value *value_first(const struct value *v);
size_t value_count(const struct value *v);

int value_check_type(const struct value *v, enum value_type type, struct err *err) must_check;
int value_get_bool(const struct value *v, bool *ret, struct err *err) must_check;
/* Between min and max, both included. A number with a fraction or an exponent is no integer. */
int value_get_u64(const struct value *v, uint64_t min, uint64_t max, uint64_t *ret,
	struct err *err) must_check;
int value_get_i64(
	const struct value *v, int64_t min, int64_t max, int64_t *ret, struct err *err) must_check;
/* Integers too. */
int value_get_double(const struct value *v, double *ret, struct err *err) must_check;
/* *ret is borrowed from the document. */
int value_get_string(const struct value *v, const char **ret, struct err *err) must_check;

/* Sets "<where>: <path>: <text>" and returns -EINVAL. */
int value_error(const struct value *v, struct err *err, const char *fmt, ...) printf_like(3, 4);

enum { VALUE_WHERE_SIZE = 512 };
/* "configuration.toml:12:1: hypervisor.qemu.path", "config.json: mounts[3].type"; cut if longer. */
const char *value_format_where(const struct value *v, char text[static VALUE_WHERE_SIZE]);
/* Only the path: "mounts[3].type"; "" for the root. */
const char *value_format_path(const struct value *v, char text[static VALUE_WHERE_SIZE]);
