/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Messages from and to JSON, by descriptor: the table of names and types is the .proto file.
 *
 * An object's members are the message's fields under the names of the .proto file; null counts as
 * absent; a map is an object; bytes are base64 or an array of numbers; an enum is its value's name
 * or number. Types and ranges are checked, and err names the place ("config.json:
 * process.user.uid: expected an unsigned integer, got a string"). float and double are not
 * supported: no message of ours has any.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/err.h"
#include "text/value.h"

struct message_json {
	const char *name; /* what err calls the text */
	size_t max_size;  /* bytes; a longer text is refused */
	/*
	 * For what people type: names match without regard to case, '_' and '-' (containerId is
	 * container_id), integers and booleans may stand in quotes, and a member that is no field
	 * is an error. Otherwise such a member is ignored, as specifications demand of readers.
	 */
	bool is_loose;
	/* Sees each object once its fields have been read; may be NULL. What is not 0 ends it. */
	int (*visit)(void *data, const struct value *object, const ProtobufCMessageDescriptor *desc,
		struct err *err);
	void *data;
};

/*
 * -EINVAL: not JSON, or not this message; -EFBIG, -E2BIG: as json_parse; -ENOMEM; what visit said.
 * *ret is freed with protobuf_c_message_free_unpacked(*ret, NULL).
 */
int message_json_parse(const struct message_json *json, const ProtobufCMessageDescriptor *desc,
	struct slice text, ProtobufCMessage **ret, struct err *err) must_check;

/* The field that a loose name means, or NULL. */
const ProtobufCFieldDescriptor *message_json_find_field(
	const ProtobufCMessageDescriptor *desc, const char *name);
/* Whether two names are the same but for case, '_' and '-'. */
bool message_json_same_name(const char *a, const char *b);

enum message_json_bytes { MESSAGE_JSON_BASE64, MESSAGE_JSON_TEXT };
/*
 * Appends msg as one line of JSON. Absent scalars and lists are written too, with their default
 * value, because proto3 peers leave out what is zero; absent messages and members of a oneof are
 * not. Text that is not UTF-8, and bytes written as text, have what cannot be written (NUL too)
 * replaced by U+FFFD. -ENOMEM; -EOPNOTSUPP: a float.
 */
int message_json_format(
	const ProtobufCMessage *msg, enum message_json_bytes bytes, struct buf *out) must_check;
