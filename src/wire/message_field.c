/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/message_field.h"

#include <string.h>

bool message_is_map(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *entry = field->descriptor;
	size_t len = strlen(desc->name), entry_len;

	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	if (entry->n_fields != 2 || entry->fields[0].id != 1 || entry->fields[1].id != 2 ||
		strcmp(entry->fields[0].name, "key") != 0 ||
		strcmp(entry->fields[1].name, "value") != 0)
		return false;
	entry_len = strlen(entry->name);
	return entry_len > len + strlen("Entry") && strncmp(entry->name, desc->name, len) == 0 &&
	       entry->name[len] == '.' &&
	       strcmp(entry->name + entry_len - strlen("Entry"), "Entry") == 0;
}

size_t message_element_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_FLOAT:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	return sizeof(uint64_t);
}
