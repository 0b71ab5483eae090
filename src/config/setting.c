/* SPDX-License-Identifier: Apache-2.0 */
#include "config/setting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static int no_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "read the configuration");
}

/* Lists of strings */

void config_strings_fini(struct config_strings *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_strings){.n = 0};
}

int config_strings_add(struct config_strings *list, char *s)
{
	char **items = reallocarray(list->items, list->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n++] = s;
	return 0;
}

static int add_copy(struct config_strings *list, const char *s, size_t len)
{
	auto_free char *copy = strndup(s, len);
	int r = copy ? config_strings_add(list, copy) : -ENOMEM;

	if (r == 0)
		copy = NULL;
	return r;
}

void setting_fini(struct setting *s)
{
	free(s->string);
	config_strings_fini(&s->strings);
	s->string = NULL;
}

/* From a file */

static int read_strings(const struct value *v, struct setting *ret, struct err *err)
{
	int r = value_check_type(v, VALUE_ARRAY, err);

	if (r < 0)
		return r;
	VALUE_FOREACH(element, v)
	{
		const char *s;

		r = value_get_string(element, &s, err);
		if (r < 0)
			return r;
		if (add_copy(&ret->strings, s, strlen(s)) < 0)
			return no_memory(err);
	}
	return 0;
}

static int read_tables(const struct value *v, struct setting *ret, struct err *err)
{
	int r = value_check_type(v, VALUE_ARRAY, err);

	VALUE_FOREACH(element, v)
	{
		if (r == 0)
			r = value_check_type(element, VALUE_TABLE, err);
		ret->has_tables = true;
	}
	return r;
}

/* What is not stored may be of either sign. */
static int64_t least(const struct key *key)
{
	return key->offset ? key->min : INT64_MIN;
}

static int64_t most(const struct key *key)
{
	if (key->max)
		return key->max;
	return key->offset && key->kind == KEY_INTEGER ? UINT32_MAX : INT64_MAX;
}

static int read_integer(
	const struct key *key, const struct value *v, struct setting *ret, struct err *err)
{
	uint64_t n;
	int r;

	if (!key->offset)
		return value_get_i64(v, least(key), most(key), &ret->integer, err);
	r = value_get_u64(v, (uint64_t)least(key), (uint64_t)most(key), &n, err);
	if (r == 0)
		ret->integer = (int64_t)n;
	return r;
}

int setting_read_value(
	const struct key *key, const struct value *v, struct setting *ret, struct err *err)
{
	const char *s;
	int r;

	switch (key->kind) {
	case KEY_BOOL:
		return value_get_bool(v, &ret->boolean, err);
	case KEY_STRING:
		r = value_get_string(v, &s, err);
		if (r == 0)
			ret->string = strdup(s);
		return r == 0 && !ret->string ? no_memory(err) : r;
	case KEY_INTEGER:
	case KEY_INTEGER64:
		return read_integer(key, v, ret, err);
	case KEY_NUMBER:
		return value_get_double(v, &ret->number, err);
	case KEY_STRINGS:
		return read_strings(v, ret, err);
	case KEY_TABLES:
		break;
	}
	return read_tables(v, ret, err);
}

/* From a text */

static int parse_integer(const char *text, int64_t *ret, struct err *err)
{
	const char *digits = text + (*text == '-');
	long long n;

	if (!*digits || digits[strspn(digits, "0123456789")])
		return err_set(err, EINVAL, "\"%.64s\" is not a decimal number", text);
	errno = 0;
	n = strtoll(text, NULL, 10);
	if (errno)
		return err_set(err, EINVAL, "%.64s is out of range", text);
	*ret = n;
	return 0;
}

/* No hexadecimal digits, infinities and locales: what all readers of TOML agree on. */
static int parse_number(const char *text, double *ret, struct err *err)
{
	char *end;

	if (text[strspn(text, "0123456789.-")])
		return err_set(err, EINVAL, "\"%.64s\" is not a decimal number", text);
	*ret = strtod(text, &end);
	if (end == text || *end)
		return err_set(err, EINVAL, "\"%.64s\" is not a decimal number", text);
	return 0;
}

static int split(const struct key *key, const char *text, struct setting *ret, struct err *err)
{
	const char *separators = key->separators ? key->separators : " ";

	while (*(text += strspn(text, separators))) {
		size_t len = strcspn(text, separators);

		if (add_copy(&ret->strings, text, len) < 0)
			return no_memory(err);
		text += len;
	}
	return 0;
}

int setting_read_text(const struct key *key, const char *text, struct setting *ret, struct err *err)
{
	switch (key->kind) {
	case KEY_BOOL:
		ret->boolean = strcmp(text, "true") == 0;
		if (!ret->boolean && strcmp(text, "false") != 0)
			return err_set(
				err, EINVAL, "\"%.64s\" is neither \"true\" nor \"false\"", text);
		return 0;
	case KEY_STRING:
		ret->string = strdup(text);
		return ret->string ? 0 : no_memory(err);
	case KEY_INTEGER:
	case KEY_INTEGER64:
		return parse_integer(text, &ret->integer, err);
	case KEY_NUMBER:
		return parse_number(text, &ret->number, err);
	case KEY_STRINGS:
		return split(key, text, ret, err);
	case KEY_TABLES:
		break;
	}
	return err_set(err, EINVAL, "not supported yet");
}

/* Judging it */

/* Whether text is one of "a|b|c". */
static bool is_listed(const char *text, const char *list)
{
	size_t len = strlen(text);

	while (list) {
		const char *end = strchrnul(list, '|');

		if ((size_t)(end - list) == len && memcmp(list, text, len) == 0)
			return true;
		list = *end ? end + 1 : NULL;
	}
	return false;
}

static int check_string(const struct key *key, const char *s, struct err *err)
{
	if (!*s)
		return 0;
	if (key->values && !is_listed(s, key->values))
		return err_set(
			err, EINVAL, "\"%.256s\" is not supported (only %s)", s, key->values);
	if (key->is_path && *s != '/')
		return err_set(err, EINVAL, "\"%.256s\" is not an absolute path", s);
	return 0;
}

static int check_integer(const struct key *key, int64_t n, struct err *err)
{
	if (n < least(key) || n > most(key))
		return err_set(err, EINVAL, "%lld is out of range (%lld to %lld)", (long long)n,
			(long long)least(key), (long long)most(key));
	if (key->is_pow2 && (n & (n - 1)))
		return err_set(err, EINVAL, "%lld is not a power of two", (long long)n);
	return 0;
}

int setting_check(const struct key *key, const struct setting *s, struct err *err)
{
	switch (key->kind) {
	case KEY_STRING:
		return check_string(key, s->string, err);
	case KEY_INTEGER:
	case KEY_INTEGER64:
		return check_integer(key, s->integer, err);
	case KEY_NUMBER:
		/* Written so that what is no number fails too. */
		if (key->max && !(s->number >= (double)key->min && s->number <= (double)key->max))
			return err_set(err, EINVAL, "%g is out of range (%lld to %lld)", s->number,
				(long long)key->min, (long long)key->max);
		return 0;
	case KEY_BOOL:
	case KEY_STRINGS:
	case KEY_TABLES:
		break;
	}
	return 0;
}

/* "" for what is its type's nothing. */
static int format(const struct key *key, const struct setting *s, struct buf *text)
{
	int r = 0;

	switch (key->kind) {
	case KEY_BOOL:
		return buf_append_str(text, s->boolean ? "true" : "");
	case KEY_STRING:
		return buf_append_str(text, s->string);
	case KEY_INTEGER:
	case KEY_INTEGER64:
		return s->integer ? buf_printf(text, "%lld", (long long)s->integer) : 0;
	case KEY_NUMBER:
		return s->number != 0 ? buf_printf(text, "%g", s->number) : 0;
	case KEY_STRINGS:
		for (size_t i = 0; i < s->strings.n && r == 0; i++)
			r = buf_printf(text, "%s%s", i ? " " : "", s->strings.items[i]);
		return r;
	case KEY_TABLES:
		break;
	}
	return s->has_tables ? buf_append_str(text, "[...]") : 0;
}

int setting_is_plain(const struct key *key, const struct setting *s, bool *ret)
{
	auto_buf struct buf text = BUF_INIT;
	int r = format(key, s, &text);

	if (r < 0)
		return r;
	*ret = is_listed(buf_str(&text), key->plain) ||
	       (buf_len(&text) == 0 && !(key->kind == KEY_BOOL && key->plain));
	return 0;
}

/* In the struct config */

void *setting_member(const struct key *key, struct config *config)
{
	return (char *)config + key->offset;
}

static void store_string(char **member, char **s)
{
	if (!**s)
		return;
	free(*member);
	*member = take_ptr(s);
}

static void store_strings(struct config_strings *member, struct config_strings *s)
{
	config_strings_fini(member);
	*member = *s;
	*s = (struct config_strings){.n = 0};
}

void setting_store(const struct key *key, struct setting *s, struct config *config)
{
	void *member = setting_member(key, config);

	if (!key->offset)
		return;
	switch (key->kind) {
	case KEY_BOOL:
		*(bool *)member = s->boolean;
		break;
	case KEY_STRING:
		store_string(member, &s->string);
		break;
	case KEY_INTEGER:
		*(uint32_t *)member = (uint32_t)s->integer;
		break;
	case KEY_INTEGER64:
		*(uint64_t *)member = (uint64_t)s->integer;
		break;
	case KEY_NUMBER:
		*(double *)member = s->number;
		break;
	case KEY_STRINGS:
		store_strings(member, &s->strings);
		break;
	case KEY_TABLES:
		break;
	}
}

static void free_member(const struct key *key, struct config *config)
{
	void *member = setting_member(key, config);

	if (key->offset && key->kind == KEY_STRING) {
		free(*(char **)member);
		*(char **)member = NULL; /* two keys may lead to one member */
	} else if (key->offset && key->kind == KEY_STRINGS) {
		config_strings_fini(member);
	}
}

void setting_free_members(struct config *config)
{
	for (size_t i = 0; i < SECTION_COUNT; i++)
		for (size_t k = 0; k < key_sections[i]->n_keys; k++)
			free_member(&key_sections[i]->keys[k], config);
}
