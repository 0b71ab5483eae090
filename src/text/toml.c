/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a table remembers how it came to be, because that decides who may still add
 * to it. OPENED: by its own [header], or filled by dotted keys; no header may open it again.
 * DOTTED: made by dotted keys, which may go on filling it; as they only reach down from the table
 * that the last header opened, they cannot come back to it from elsewhere. CLOSED: an inline table
 * or a written-out array, complete once read. A table with no flag was only passed through on the
 * way to a deeper header.
 */
#include "text/toml.h"

#include "text/toml_scan.h"

enum { OPENED = 1, DOTTED = 2, CLOSED = 4, TABLES = 8 /* an array of [[tables]] */ };

/* Where a key stands. */
struct place {
	const char *key;
	uint32_t line, column;
};

static int new_value(
	struct toml_reader *r, enum value_type type, const struct place *place, struct value **ret)
{
	int e = document_new_value(r->doc, type, ret);

	if (e == -E2BIG)
		return err_set(r->err, E2BIG, "%s: more than %d values", document_name(r->doc),
			VALUE_MAX_COUNT);
	if (e < 0)
		return toml_no_memory(r);
	(*ret)->line = place->line;
	(*ret)->column = place->column;
	return 0;
}

static bool is_too_deep(const struct value *parent)
{
	int depth = 0;

	for (; parent; parent = parent->parent)
		depth++;
	return depth > VALUE_MAX_DEPTH;
}

static int fail_too_deep(struct toml_reader *r, const struct place *place)
{
	return toml_fail_at(r, place->line, place->column, "nested too deep");
}

static int fail_defined(struct toml_reader *r, const struct place *place, const struct value *first)
{
	return toml_fail_at(r, place->line, place->column, "%s is defined already, in line %u",
		place->key, first->line);
}

/* Makes a member that is not there yet. */
static int add_member(struct toml_reader *r, struct value *table, enum value_type type,
	const struct place *place, struct value **ret)
{
	int e;

	if (is_too_deep(table))
		return fail_too_deep(r, place);
	e = new_value(r, type, place, ret);
	if (e == 0 && value_add(table, place->key, *ret) < 0)
		e = toml_fail_at(r, place->line, place->column, "too many keys that hash alike");
	return e;
}

static int add_element(struct toml_reader *r, struct value *array, enum value_type type,
	const struct place *place, struct value **ret)
{
	int e = is_too_deep(array) ? fail_too_deep(r, place) : new_value(r, type, place, ret);

	if (e == 0)
		value_append(array, *ret);
	return e;
}

static struct value *find(struct value *table, const char *key)
{
	/* Values are const for everybody else; the reader made them. */
	return (struct value *)(uintptr_t)value_find(table, key);
}

static int scan_key_part(struct toml_reader *r, struct place *ret)
{
	toml_skip_blanks(r);
	ret->line = r->line;
	ret->column = toml_column(r);
	return toml_scan_key(r, &ret->key);
}

/* Behind a part: true if another one follows. */
static bool accept_dot(struct toml_reader *r)
{
	toml_skip_blanks(r);
	return toml_accept(r, '.');
}

static int scan_value(struct toml_reader *r, struct value *v);

/* "key = value" or "a.b.key = value". */
static int scan_pair(struct toml_reader *r, struct value *table)
{
	struct value *member;
	struct place place;
	int e = scan_key_part(r, &place);

	while (e == 0 && accept_dot(r)) {
		struct value *next = find(table, place.key);

		if (!next)
			e = add_member(r, table, VALUE_TABLE, &place, &next);
		else if (next->type != VALUE_TABLE || next->flags & CLOSED ||
			 (next->flags & (OPENED | DOTTED)) == OPENED)
			e = fail_defined(r, &place, next);
		if (e < 0)
			return e;
		next->flags |= OPENED | DOTTED;
		table = next;
		e = scan_key_part(r, &place);
	}
	if (e < 0)
		return e;
	if (!toml_accept(r, '='))
		return toml_fail(r, "expected '=' or '.' behind a key");
	member = find(table, place.key);
	if (member)
		return fail_defined(r, &place, member);
	e = add_member(r, table, VALUE_BOOL, &place, &member);
	if (e < 0)
		return e;
	toml_skip_blanks(r);
	return scan_value(r, member);
}

/* Behind the '['. */
static int scan_array(struct toml_reader *r, struct value *array)
{
	int e = toml_skip_lines(r);

	array->type = VALUE_ARRAY;
	array->flags = CLOSED;
	while (e == 0 && !toml_accept(r, ']')) {
		struct place place = {.line = r->line, .column = toml_column(r)};
		struct value *element;

		e = add_element(r, array, VALUE_BOOL, &place, &element);
		if (e == 0)
			e = scan_value(r, element);
		if (e == 0)
			e = toml_skip_lines(r);
		if (e == 0 && !toml_accept(r, ',')) {
			if (toml_accept(r, ']'))
				return 0;
			return toml_fail(r, "expected ',' or ']'");
		}
		if (e == 0)
			e = toml_skip_lines(r);
	}
	return e;
}

/* Behind the '{'. */
static int scan_inline_table(struct toml_reader *r, struct value *table)
{
	int e;

	table->type = VALUE_TABLE;
	toml_skip_blanks(r);
	if (!toml_accept(r, '}')) {
		do {
			e = scan_pair(r, table);
			if (e < 0)
				return e;
			toml_skip_blanks(r);
		} while (toml_accept(r, ','));
		if (!toml_accept(r, '}'))
			return toml_fail(r, "expected ',' or '}'");
	}
	table->flags = CLOSED;
	return 0;
}

/* The recursion is bounded: what holds other values was added below is_too_deep(). */
static int scan_value(struct toml_reader *r, struct value *v)
{
	if (toml_accept(r, '['))
		return scan_array(r, v);
	if (toml_accept(r, '{'))
		return scan_inline_table(r, v);
	if (toml_peek(r, 0) == '"' || toml_peek(r, 0) == '\'') {
		v->type = VALUE_STRING;
		return toml_scan_string(r, &v->u.string);
	}
	return toml_scan_word(r, v);
}

/* One step of a header, not the last: to a table, or into the last of an array's. */
static int descend(struct toml_reader *r, const struct place *place, struct value **table)
{
	struct value *next = find(*table, place->key);

	if (!next) {
		int e = add_member(r, *table, VALUE_TABLE, place, &next);

		if (e < 0)
			return e;
	}
	if (next->type == VALUE_ARRAY && next->flags & TABLES)
		next = next->u.children.last;
	if (next->type != VALUE_TABLE || next->flags & CLOSED)
		return fail_defined(r, place, next);
	*table = next;
	return 0;
}

/* The last part of "[...]". */
static int open_table(struct toml_reader *r, const struct place *place, struct value **table)
{
	struct value *last = find(*table, place->key);
	int e = 0;

	if (!last)
		e = add_member(r, *table, VALUE_TABLE, place, &last);
	else if (last->type != VALUE_TABLE || last->flags)
		e = fail_defined(r, place, last);
	if (e < 0)
		return e;
	last->line = place->line;
	last->column = place->column;
	last->flags = OPENED;
	*table = last;
	return 0;
}

/* The last part of "[[...]]". */
static int append_table(struct toml_reader *r, const struct place *place, struct value **table)
{
	struct value *array = find(*table, place->key), *element;
	int e = 0;

	if (!array) {
		e = add_member(r, *table, VALUE_ARRAY, place, &array);
		if (e == 0)
			array->flags = TABLES;
	} else if (array->type != VALUE_ARRAY || !(array->flags & TABLES)) {
		e = fail_defined(r, place, array);
	}
	if (e == 0)
		e = add_element(r, array, VALUE_TABLE, place, &element);
	if (e < 0)
		return e;
	element->flags = OPENED;
	*table = element;
	return 0;
}

/* Behind the first '['. *table becomes what the following lines fill. */
static int scan_header(struct toml_reader *r, struct value **table)
{
	bool array = toml_accept(r, '[');
	struct value *at = document_take_root(r->doc);
	struct place place;
	int e = scan_key_part(r, &place);

	while (e == 0 && accept_dot(r)) {
		e = descend(r, &place, &at);
		if (e == 0)
			e = scan_key_part(r, &place);
	}
	if (e < 0)
		return e;
	if (!toml_accept(r, ']') || (array && !toml_accept(r, ']')))
		return toml_fail(r, "expected '%s' or '.'", array ? "]]" : "]");
	e = array ? append_table(r, &place, &at) : open_table(r, &place, &at);
	*table = at;
	return e;
}

static int scan_document(struct toml_reader *r)
{
	struct value *table = document_take_root(r->doc);
	int e = toml_skip_lines(r);

	while (e == 0 && r->at < r->end) {
		e = toml_accept(r, '[') ? scan_header(r, &table) : scan_pair(r, table);
		if (e == 0)
			e = toml_skip_comment(r);
		if (e == 0 && r->at < r->end && !toml_accept_newline(r))
			e = toml_fail(r, "expected the end of the line");
		if (e == 0)
			e = toml_skip_lines(r);
	}
	return e;
}

int toml_parse(const char *name, struct slice text, size_t max_size, struct document **ret,
	struct err *err)
{
	auto_document struct document *doc = NULL;
	struct toml_reader r = {.at = text.p, .end = text.p, .line = 1, .err = err};
	int e;

	if (text.len > max_size)
		return err_set(err, EFBIG, "%s: %zu bytes, more than %zu are not read", name,
			text.len, max_size);
	if (document_new(name, true, &doc) < 0)
		return err_sys(err, ENOMEM, "read %s", name);
	r.doc = doc;
	if (text.len)
		r.end += text.len;
	/* A byte order mark, which some editors leave at the start. */
	if (text.len >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		r.at += 3;
	r.line_start = r.at;
	e = scan_document(&r);
	buf_fini(&r.scratch);
	if (e < 0)
		return e;
	*ret = take_ptr(&doc);
	return 0;
}
