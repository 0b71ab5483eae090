/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "text/base64.h"
#include "text/json.h"
#include "wire/message_field.h"
#include "wire/message_json.h"

struct writer {
	struct json_writer json;
	enum message_json_bytes bytes;
};

static void put_message(struct writer *w, const char *key, const ProtobufCMessage *msg);

static const void *member(const ProtobufCMessage *msg, unsigned offset)
{
	return (const char *)msg + offset;
}

static void fail(struct writer *w, int error)
{
	if (w->json.error == 0)
		w->json.error = error;
}

static void put_text(struct writer *w, const char *key, struct slice text)
{
	auto_buf struct buf b = BUF_INIT;
	int r = utf8_clean(text, &b);

	if (r < 0)
		fail(w, r);
	else
		json_put_string(&w->json, key, buf_str(&b));
}

static void put_bytes(struct writer *w, const char *key, const ProtobufCBinaryData *bytes)
{
	auto_buf struct buf b = BUF_INIT;
	struct slice data = slice_of(bytes->data, bytes->len);
	int r;

	if (w->bytes == MESSAGE_JSON_TEXT) {
		put_text(w, key, data);
		return;
	}
	r = base64_encode(data, &b);
	if (r < 0)
		fail(w, r);
	else
		json_put_string(&w->json, key, buf_str(&b));
}

static void put_enum(
	struct writer *w, const char *key, const ProtobufCEnumDescriptor *type, int32_t n)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, n);

	if (value)
		json_put_string(&w->json, key, value->name);
	else
		json_put_i64(&w->json, key, n);
}

/* `at` is where the field's C type lies: a member, or an element of a list. */
static void put_one(
	struct writer *w, const char *key, const ProtobufCFieldDescriptor *field, const void *at)
{
	const char *s;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		s = *(const char *const *)at;
		put_text(w, key, slice_of_str(s ? s : ""));
		break;
	case PROTOBUF_C_TYPE_BYTES:
		put_bytes(w, key, at);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		json_put_i64(&w->json, key, *(const int64_t *)at);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		json_put_u64(&w->json, key, *(const uint64_t *)at);
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		json_put_i64(&w->json, key, *(const int32_t *)at);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		json_put_u64(&w->json, key, *(const uint32_t *)at);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		json_put_bool(&w->json, key, *(const protobuf_c_boolean *)at);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		put_enum(w, key, field->descriptor, *(const int32_t *)at);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		put_message(w, key, *(const ProtobufCMessage *const *)at);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		fail(w, -EOPNOTSUPP);
		break;
	}
}

static const char *next_element(const ProtobufCFieldDescriptor *field, const char *at)
{
	return at + message_element_size(field);
}

/* JSON's names are text: so is a number that is a key. */
static int format_key(
	const ProtobufCFieldDescriptor *field, const ProtobufCMessage *entry, struct buf *out)
{
	struct writer w = {.json.out = out};
	const void *at = member(entry, field->offset);
	const char *s;

	if (field->type == PROTOBUF_C_TYPE_STRING) {
		s = *(const char *const *)at;
		return utf8_clean(slice_of_str(s ? s : ""), out);
	}
	put_one(&w, NULL, field, at);
	return json_finish(&w.json);
}

static void put_map_entry(struct writer *w, const ProtobufCMessage *entry)
{
	const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
	auto_buf struct buf key = BUF_INIT;
	int r = format_key(&fields[0], entry, &key);

	if (r < 0)
		fail(w, r);
	else
		put_one(w, buf_str(&key), &fields[1], member(entry, fields[1].offset));
}

static void put_repeated(
	struct writer *w, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	size_t n = *(const size_t *)member(msg, field->quantifier_offset);
	const char *at = *(const char *const *)member(msg, field->offset);
	bool is_map = message_is_map(msg->descriptor, field);

	if (is_map)
		json_begin_object(&w->json, field->name);
	else
		json_begin_array(&w->json, field->name);
	for (size_t i = 0; i < n && w->json.error == 0; i++, at = next_element(field, at)) {
		if (is_map)
			put_map_entry(w, *(const ProtobufCMessage *const *)(const void *)at);
		else
			put_one(w, NULL, field, at);
	}
	if (is_map)
		json_end_object(&w->json);
	else
		json_end_array(&w->json);
}

static bool is_absent(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)member(msg, field->quantifier_offset) != field->id;
	/* These cannot be written, so that their default is not either. */
	if (field->type == PROTOBUF_C_TYPE_FLOAT || field->type == PROTOBUF_C_TYPE_DOUBLE)
		return !*(const protobuf_c_boolean *)member(msg, field->quantifier_offset);
	return field->type == PROTOBUF_C_TYPE_MESSAGE &&
	       !*(const ProtobufCMessage *const *)member(msg, field->offset);
}

static void put_message(struct writer *w, const char *key, const ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;

	json_begin_object(&w->json, key);
	for (unsigned i = 0; i < desc->n_fields && w->json.error == 0; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];

		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			put_repeated(w, msg, field);
		else if (!is_absent(msg, field))
			put_one(w, field->name, field, member(msg, field->offset));
	}
	json_end_object(&w->json);
}

int message_json_format(const ProtobufCMessage *msg, enum message_json_bytes bytes, struct buf *out)
{
	struct writer w = {.json.out = out, .bytes = bytes};

	put_message(&w, NULL, msg);
	return json_finish(&w.json);
}
