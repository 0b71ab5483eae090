/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over a JSON object fills a message. Every part is hung into its parent before it is
 * filled, so that freeing the outermost message frees a half-read one.
 */
#include <ctype.h>
#include <string.h>

#include "text/base64.h"
#include "text/json.h"
#include "wire/message_field.h"
#include "wire/message_json.h"

struct reader {
	const struct message_json *json;
	struct err *err;
};

static int no_memory(const struct reader *r)
{
	return err_sys(r->err, ENOMEM, "read %s", r->json->name);
}

static void *member(ProtobufCMessage *msg, unsigned offset)
{
	return (char *)msg + offset;
}

static int read_message(struct reader *r, const struct value *object, ProtobufCMessage *msg);

static int new_message(
	struct reader *r, const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret)
{
	ProtobufCMessage *msg = calloc(1, desc->sizeof_message);

	if (!msg)
		return no_memory(r);
	protobuf_c_message_init(desc, msg);
	*ret = msg;
	return 0;
}

bool message_json_same_name(const char *a, const char *b)
{
	for (;;) {
		a += strspn(a, "_-");
		b += strspn(b, "_-");
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

const ProtobufCFieldDescriptor *message_json_find_field(
	const ProtobufCMessageDescriptor *desc, const char *name)
{
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (message_json_same_name(desc->fields[i].name, name))
			return &desc->fields[i];
	return NULL;
}

/* A number or a boolean in quotes, as what stands in them; anything else as it is. */
static struct value unquote(const struct reader *r, const struct value *v)
{
	struct value bare = *v;
	const char *digits;
	uint64_t n = 0;

	if (!r->json->is_loose || v->type != VALUE_STRING)
		return bare;
	if (strcmp(v->u.string, "true") == 0 || strcmp(v->u.string, "false") == 0) {
		bare.type = VALUE_BOOL;
		bare.u.boolean = *v->u.string == 't';
		return bare;
	}
	digits = v->u.string + (*v->u.string == '-');
	if (!*digits || strspn(digits, "0123456789") != strlen(digits))
		return bare;
	for (const char *d = digits; *d; d++)
		if (__builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, (uint64_t)(*d - '0'), &n))
			return bare;
	bare.type = VALUE_INT;
	bare.u.integer.magnitude = n;
	bare.u.integer.negative = digits != v->u.string;
	return bare;
}

static void set_has(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	if (field->quantifier_offset)
		*(protobuf_c_boolean *)member(msg, field->quantifier_offset) = 1;
}

static int read_string(struct reader *r, const struct value *v, char **ret)
{
	const char *s;
	int e = value_get_string(v, &s, r->err);

	if (e < 0)
		return e;
	*ret = strdup(s);
	return *ret ? 0 : no_memory(r);
}

static int read_byte_numbers(struct reader *r, const struct value *array, ProtobufCBinaryData *ret)
{
	uint64_t n;

	ret->data = malloc(value_count(array) + 1);
	if (!ret->data)
		return no_memory(r);
	VALUE_FOREACH(v, array)
	{
		int e = value_get_u64(v, 0, UINT8_MAX, &n, r->err);

		if (e < 0)
			return e;
		ret->data[ret->len++] = (uint8_t)n;
	}
	return 0;
}

static int read_bytes(struct reader *r, const struct value *v, ProtobufCBinaryData *ret)
{
	auto_buf struct buf bytes = BUF_INIT;
	const char *text;
	int e;

	if (v->type == VALUE_ARRAY)
		return read_byte_numbers(r, v, ret);
	e = value_get_string(v, &text, r->err);
	if (e < 0)
		return e;
	e = base64_decode(slice_of_str(text), &bytes);
	if (e < 0)
		return e == -ENOMEM ? no_memory(r) : value_error(v, r->err, "not base64");
	ret->len = buf_len(&bytes);
	ret->data = (uint8_t *)buf_take_str(&bytes);
	return ret->data ? 0 : no_memory(r);
}

static int read_enum(
	struct reader *r, const struct value *v, const ProtobufCEnumDescriptor *type, int32_t *ret)
{
	struct value bare = unquote(r, v);
	int64_t n;
	int e;

	if (bare.type == VALUE_STRING) {
		for (unsigned i = 0; i < type->n_value_names; i++) {
			const ProtobufCEnumValueIndex *name = &type->values_by_name[i];

			if (strcmp(name->name, v->u.string) == 0) {
				*ret = type->values[name->index].value;
				return 0;
			}
		}
		return value_error(v, r->err, "no value of %s", type->name);
	}
	e = value_get_i64(&bare, INT32_MIN, INT32_MAX, &n, r->err);
	if (e == 0)
		*ret = (int32_t)n;
	return e;
}

static int read_unsigned(struct reader *r, const struct value *v, uint64_t max, void *at)
{
	struct value bare = unquote(r, v);
	uint64_t n;
	int e = value_get_u64(&bare, 0, max, &n, r->err);

	if (e == 0 && max == UINT32_MAX)
		*(uint32_t *)at = (uint32_t)n;
	else if (e == 0)
		*(uint64_t *)at = n;
	return e;
}

static int read_signed32(struct reader *r, const struct value *v, int32_t *ret)
{
	struct value bare = unquote(r, v);
	int64_t n;
	int e = value_get_i64(&bare, INT32_MIN, INT32_MAX, &n, r->err);

	if (e == 0)
		*ret = (int32_t)n;
	return e;
}

static int read_signed64(struct reader *r, const struct value *v, int64_t *ret)
{
	struct value bare = unquote(r, v);

	return value_get_i64(&bare, INT64_MIN, INT64_MAX, ret, r->err);
}

static int read_bool(struct reader *r, const struct value *v, protobuf_c_boolean *ret)
{
	struct value bare = unquote(r, v);
	bool b;
	int e = value_get_bool(&bare, &b, r->err);

	if (e == 0)
		*ret = b;
	return e;
}

static int read_sub_message(struct reader *r, const struct value *v,
	const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret)
{
	int e = new_message(r, desc, ret);

	return e < 0 ? e : read_message(r, v, *ret);
}

/* Reads v into the memory at `at`, which has the field's C type. */
static int read_one(
	struct reader *r, const struct value *v, const ProtobufCFieldDescriptor *field, void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return read_string(r, v, at);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes(r, v, at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return read_signed64(r, v, at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return read_unsigned(r, v, UINT64_MAX, at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return read_unsigned(r, v, UINT32_MAX, at);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return read_signed32(r, v, at);
	case PROTOBUF_C_TYPE_BOOL:
		return read_bool(r, v, at);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(r, v, field->descriptor, at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_sub_message(r, v, field->descriptor, at);
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	return value_error(v, r->err, "not supported");
}

static int read_map_entry(struct reader *r, const struct value *v,
	const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret)
{
	const ProtobufCFieldDescriptor *key = &desc->fields[0], *value = &desc->fields[1];
	struct value name = *v;
	int e = new_message(r, desc, ret);

	name.type = VALUE_STRING;
	name.u.string = v->key;
	if (e == 0)
		e = read_one(r, &name, key, member(*ret, key->offset));
	if (e == 0)
		e = read_one(r, v, value, member(*ret, value->offset));
	if (e == 0) {
		set_has(*ret, key);
		set_has(*ret, value);
	}
	return e;
}

static int read_repeated(struct reader *r, const struct value *v,
	const ProtobufCFieldDescriptor *field, ProtobufCMessage *msg)
{
	size_t *n = member(msg, field->quantifier_offset);
	char **array = member(msg, field->offset);
	size_t size = message_element_size(field);
	bool is_map = message_is_map(msg->descriptor, field);
	int e = value_check_type(v, is_map ? VALUE_TABLE : VALUE_ARRAY, r->err);

	if (e < 0 || value_count(v) == 0)
		return e;
	*array = calloc(value_count(v), size);
	if (!*array)
		return no_memory(r);
	VALUE_FOREACH(element, v)
	{
		void *at = *array + size * (*n)++;

		/* An element that stayed NULL is skipped when the message is freed. */
		e = is_map ? read_map_entry(r, element, field->descriptor, at)
			   : read_one(r, element, field, at);
		if (e < 0)
			return e;
	}
	return 0;
}

/* Members of a oneof share their memory, so that only one can be read. */
static int read_choice(struct reader *r, const struct value *v,
	const ProtobufCFieldDescriptor *field, ProtobufCMessage *msg)
{
	uint32_t *chosen = member(msg, field->quantifier_offset);

	if (*chosen)
		return value_error(v, r->err, "excludes another member that is set");
	*chosen = field->id;
	return read_one(r, v, field, member(msg, field->offset));
}

static int read_field(struct reader *r, const struct value *v,
	const ProtobufCFieldDescriptor *field, ProtobufCMessage *msg)
{
	int e;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_repeated(r, v, field, msg);
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return read_choice(r, v, field, msg);
	e = read_one(r, v, field, member(msg, field->offset));
	if (e == 0)
		set_has(msg, field);
	return e;
}

/* An object has each key once, but two loose names may mean one field. */
static int check_twice(struct reader *r, const struct value *v,
	const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field)
{
	VALUE_FOREACH(other, v->parent)
	{
		if (other == v)
			break;
		if (other->type != VALUE_NULL && message_json_find_field(desc, other->key) == field)
			return value_error(v, r->err, "given twice: also as %s", other->key);
	}
	return 0;
}

static int read_loose_member(struct reader *r, const struct value *v, ProtobufCMessage *msg)
{
	const ProtobufCFieldDescriptor *field = message_json_find_field(msg->descriptor, v->key);
	int e;

	if (!field)
		return value_error(v, r->err, "%s has no such field", msg->descriptor->short_name);
	if (v->type == VALUE_NULL)
		return 0;
	e = check_twice(r, v, msg->descriptor, field);
	return e < 0 ? e : read_field(r, v, field, msg);
}

static int read_loose(struct reader *r, const struct value *object, ProtobufCMessage *msg)
{
	VALUE_FOREACH(v, object)
	{
		int e = read_loose_member(r, v, msg);

		if (e < 0)
			return e;
	}
	return 0;
}

static int read_strict(struct reader *r, const struct value *object, ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		const struct value *v = value_find(object, desc->fields[i].name);
		int e = v ? read_field(r, v, &desc->fields[i], msg) : 0;

		if (e < 0)
			return e;
	}
	return 0;
}

static int read_message(struct reader *r, const struct value *object, ProtobufCMessage *msg)
{
	const struct message_json *json = r->json;
	int e = value_check_type(object, VALUE_TABLE, r->err);

	if (e == 0)
		e = json->is_loose ? read_loose(r, object, msg) : read_strict(r, object, msg);
	if (e == 0 && json->visit)
		e = json->visit(json->data, object, msg->descriptor, r->err);
	return e;
}

int message_json_parse(const struct message_json *json, const ProtobufCMessageDescriptor *desc,
	struct slice text, ProtobufCMessage **ret, struct err *err)
{
	struct reader r = {.json = json, .err = err};
	auto_document struct document *doc = NULL;
	ProtobufCMessage *msg;
	int e = json_parse(json->name, text, json->max_size, &doc, err);

	if (e < 0)
		return e;
	e = new_message(&r, desc, &msg);
	if (e < 0)
		return e;
	e = read_message(&r, document_root(doc), msg);
	if (e < 0) {
		protobuf_c_message_free_unpacked(msg, NULL);
		return e;
	}
	*ret = msg;
	return 0;
}
