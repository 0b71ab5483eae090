/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/help.h"

#include <stdio.h>

#include "tools/agent_ctl/bundle.h"
#include "tools/agent_ctl/command.h"

static const char *type_name(const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *message = field->descriptor;
	const ProtobufCEnumDescriptor *values = field->descriptor;

	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return "true or false";
	case PROTOBUF_C_TYPE_STRING:
		return "text";
	case PROTOBUF_C_TYPE_BYTES:
		return "bytes";
	case PROTOBUF_C_TYPE_ENUM:
		return values->short_name;
	case PROTOBUF_C_TYPE_MESSAGE:
		return message->short_name;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FIXED64:
		return "number, not negative";
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	return "number";
}

static void print_fields(const ProtobufCMessageDescriptor *message, int indent)
{
	for (unsigned i = 0; i < message->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->fields[i];
		bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;

		printf("%*s%-*s %s%s\n", indent, "", 30 - indent, field->name,
			is_list ? "list of " : "", type_name(field));
		/* One level: deeper ones are the protocol's to tell. */
		if (field->type == PROTOBUF_C_TYPE_MESSAGE && indent == 2)
			print_fields(field->descriptor, indent + 2);
	}
}

void help_print(const char *name, const struct method *method)
{
	const struct builtin *builtin = builtin_find(name);

	if (!method) {
		printf("%s %s\n  %s\n", name, builtin->arguments, builtin->what);
		return;
	}
	printf("%s: %s\n", method->name,
		method->request->n_fields ? method->request->short_name : "takes nothing");
	print_fields(method->request, 2);
	if (bundle_is_for(method))
		printf("  %-28s %s\n  %-28s %s\n", "bundle", "directory with a config.json", "spec",
			"file: config.json");
	printf("Reply: %s\n", method->reply->n_fields ? method->reply->short_name : "nothing");
	print_fields(method->reply, 2);
}
