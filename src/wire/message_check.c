/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over raw bytes. It must accept nothing that protobuf-c would read differently: tags and
 * lengths of at most 5 bytes, varints of at most 10, no groups, the wire type of the field or, for
 * a repeated number, packed.
 */
#include <assert.h>

#include "wire/message_cut.h"
#include "wire/message_limits.h"

enum { MAX_FIELDS = 64, MAX_TAG_BYTES = 5, MAX_VARINT_BYTES = 10, MAX_TAG = 0x1fffffff };

/* Takes a varint off the front: false if it is cut off or longer than max_bytes. */
static bool take_varint(struct slice *s, size_t max_bytes, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->len && i < max_bytes; i++) {
		v |= (uint64_t)(s->p[i] & 0x7f) << (7 * i);
		if (s->p[i] & 0x80)
			continue;
		*s = slice_of(s->p + i + 1, s->len - i - 1);
		*ret = v;
		return true;
	}
	return false;
}

static bool take_bytes(struct slice *s, uint64_t len, struct slice *ret)
{
	if (len > s->len)
		return false;
	*ret = slice_of(s->p, (size_t)len);
	*s = slice_of(s->p + len, s->len - (size_t)len);
	return true;
}

/* ret: the bytes after the length prefix for length-prefixed values, else all of the value. */
static bool take_value(struct slice *s, unsigned wire_type, struct slice *ret)
{
	const uint8_t *start = s->p;
	uint64_t v;

	switch (wire_type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		if (!take_varint(s, MAX_VARINT_BYTES, &v))
			return false;
		*ret = slice_of(start, (size_t)(s->p - start));
		return true;
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		return take_bytes(s, 8, ret);
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		return take_varint(s, MAX_TAG_BYTES, &v) && take_bytes(s, v, ret);
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		return take_bytes(s, 4, ret);
	default: /* groups (3, 4) and what is not defined */
		return false;
	}
}

static unsigned wire_type_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return PROTOBUF_C_WIRE_TYPE_32BIT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return PROTOBUF_C_WIRE_TYPE_64BIT;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		break;
	}
	return PROTOBUF_C_WIRE_TYPE_VARINT;
}

/* How many numbers of the wire type are packed into data; false if the last is cut off. */
static bool count_packed(struct slice data, unsigned wire_type, size_t *ret)
{
	struct slice value;
	size_t n = 0;

	while (data.len) {
		if (!take_value(&data, wire_type, &value))
			return false;
		n++;
	}
	*ret = n;
	return true;
}

static int refuse(struct err *err, const ProtobufCMessageDescriptor *desc,
	const ProtobufCFieldDescriptor *field, const char *why)
{
	return err_set(err, EBADMSG, "%s.%s: %s", desc->name, field->name, why);
}

static int check_message(
	const ProtobufCMessageDescriptor *desc, struct slice data, unsigned depth, struct err *err);

static int check_count(const ProtobufCMessageDescriptor *desc,
	const ProtobufCFieldDescriptor *field, size_t count, struct err *err)
{
	size_t limit = MESSAGE_LIMIT_SINGULAR;

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		if (count <= MESSAGE_LIMIT_MIN)
			return 0;
		limit = message_limit(desc, field);
	}
	if (count <= limit)
		return 0;
	return err_set(err, EBADMSG, "%s.%s: more than %zu times", desc->name, field->name, limit);
}

/* count: how often the field has occurred in this message. */
static int check_field(const ProtobufCMessageDescriptor *desc,
	const ProtobufCFieldDescriptor *field, unsigned wire_type, struct slice value,
	unsigned depth, size_t *count, struct err *err)
{
	unsigned expected = wire_type_of(field->type);
	size_t n = 1;
	int r;

	if (wire_type != expected) {
		if (wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED ||
			field->label != PROTOBUF_C_LABEL_REPEATED)
			return refuse(err, desc, field, "wrong wire type");
		if (!count_packed(value, expected, &n))
			return refuse(err, desc, field, "bad packed numbers");
	}
	*count += n;
	r = check_count(desc, field, *count, err);
	if (r < 0)
		return r;
	if (field->type == PROTOBUF_C_TYPE_STRING && value.len && memchr(value.p, '\0', value.len))
		return refuse(err, desc, field, "NUL byte in a string");
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return 0;
	if (depth >= MESSAGE_MAX_DEPTH)
		return refuse(err, desc, field, "nested too deeply");
	return check_message(field->descriptor, value, depth + 1, err);
}

static int check_message(
	const ProtobufCMessageDescriptor *desc, struct slice data, unsigned depth, struct err *err)
{
	size_t counts[MAX_FIELDS] = {0}, n_unknown = 0;
	int r = 0;

	assert(desc->n_fields <= MAX_FIELDS);
	while (data.len && r == 0) {
		const ProtobufCFieldDescriptor *field;
		struct slice value;
		uint64_t tag;

		if (!take_varint(&data, MAX_TAG_BYTES, &tag) || tag >> 3 == 0 ||
			tag >> 3 > MAX_TAG || !take_value(&data, tag & 7, &value))
			return err_set(err, EBADMSG, "%s: malformed field", desc->name);
		field = protobuf_c_message_descriptor_get_field(desc, (unsigned)(tag >> 3));
		if (field)
			r = check_field(desc, field, tag & 7, value, depth,
				&counts[field - desc->fields], err);
		else if (++n_unknown > MESSAGE_LIMIT_UNKNOWN)
			r = err_set(err, EBADMSG, "%s: too many unknown fields", desc->name);
	}
	return r;
}

int message_check(const ProtobufCMessageDescriptor *desc, struct slice data, struct err *err)
{
	return check_message(desc, data, 1, err);
}

int message_cut_field(struct slice data, unsigned id, struct buf *rest, struct slice *ret)
{
	struct slice cut = slice_of(NULL, 0), value;
	uint64_t tag;

	while (data.len) {
		const uint8_t *start = data.p;

		if (!take_varint(&data, MAX_TAG_BYTES, &tag) || !take_value(&data, tag & 7, &value))
			return -EBADMSG;
		if (tag == ((uint64_t)id << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED))
			cut = value;
		else if (buf_append(rest, start, (size_t)(data.p - start)) < 0)
			return -ENOMEM;
	}
	*ret = cut;
	return 0;
}
