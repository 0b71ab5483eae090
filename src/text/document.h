/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How the readers build a document; not for those who use one (text/value.h).
 *
 * Memory comes in chunks that live as long as the document, so nothing is freed one by one and a
 * reader that fails half-way only has to free the document.
 */
#include "base/slice.h"
#include "text/value.h"

/* name: what messages call the text; copied. Positions ("name:line:column") are for texts that
 * people write; others are found by path. */
int document_new(const char *name, bool with_positions, struct document **ret) must_check;
struct value *document_take_root(struct document *doc);
const char *document_name(const struct document *doc);

/* Uninitialised memory of the document's, aligned for anything; NULL: no memory. */
void *document_alloc(struct document *doc, size_t size);

/* A zeroed value; -E2BIG past VALUE_MAX_COUNT. It is not in the tree yet. */
int document_new_value(struct document *doc, enum value_type type, struct value **ret) must_check;

/* Appends to an array. */
void value_append(struct value *array, struct value *element);
/*
 * Adds under key (borrowed: the document's memory). -EEXIST if the key is there; -E2BIG if its hash
 * has met too many others, which only a text made for it does.
 */
int value_add(struct value *table, const char *key, struct value *member) must_check;
