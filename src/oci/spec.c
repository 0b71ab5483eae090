/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over a message's descriptor fills it from a JSON object. A map<string, string> of
 * oci.proto is, as protobuf defines it, a repeated message with the fields key and value.
 *
 * Every part is hung into its parent before it is filled, so that freeing the outermost message
 * frees a half-read one.
 */
#include "oci/spec.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "text/json.h"

enum { MAX_DROPPED_TEXT = 1024 };

/* What the OCI runtime spec 1.2 defines (and 1.3 for memoryPolicy and netDevices) and oci.proto
 * has no field for. */
static const struct {
	const char *message, *name;
} not_carried[] = {
	{"Spec", "domainname"},
	{"Spec", "vm"},
	{"Spec", "zos"},
	{"Process", "ioPriority"},
	{"Process", "scheduler"},
	{"Process", "execCPUAffinity"},
	{"User", "umask"},
	{"Mount", "uidMappings"},
	{"Mount", "gidMappings"},
	{"Linux", "timeOffsets"},
	{"Linux", "personality"},
	{"Linux", "memoryPolicy"},
	{"Linux", "netDevices"},
	{"LinuxResources", "rdma"},
	{"LinuxResources", "unified"},
	{"LinuxMemory", "checkBeforeUpdate"},
	{"LinuxMemory", "useHierarchy"},
	{"LinuxCPU", "burst"},
	{"LinuxCPU", "idle"},
	{"LinuxSeccomp", "defaultErrnoRet"},
	{"LinuxSeccomp", "listenerPath"},
	{"LinuxSeccomp", "listenerMetadata"},
	{"LinuxIntelRdt", "closID"},
	{"LinuxIntelRdt", "memBwSchema"},
	{"LinuxIntelRdt", "schemata"},
	{"LinuxIntelRdt", "enableCMT"},
	{"LinuxIntelRdt", "enableMBM"},
	{"LinuxIntelRdt", "enableMonitoring"},
};

struct reader {
	const char *name; /* of the text, for messages */
	struct buf *dropped;
	bool list_is_cut;
	struct err *err;
};

static int no_memory(const struct reader *r)
{
	return err_sys(r->err, ENOMEM, "read %s", r->name);
}

static int read_message(struct reader *r, const struct value *object, ProtobufCMessage *message);

static int new_message(
	struct reader *r, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
	ProtobufCMessage *message = calloc(1, type->sizeof_message);

	if (!message)
		return no_memory(r);
	protobuf_c_message_init(type, message);
	*ret = message;
	return 0;
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

/* Reads v into the memory at `at`, which has the field's C type. */
static int read_one(
	struct reader *r, const struct value *v, const ProtobufCFieldDescriptor *field, void *at)
{
	ProtobufCMessage **message = at;
	uint64_t n;
	bool b;
	int e;

	if (field->type == PROTOBUF_C_TYPE_STRING)
		return read_string(r, v, at);
	if (field->type == PROTOBUF_C_TYPE_INT64)
		return value_get_i64(v, INT64_MIN, INT64_MAX, at, r->err);
	if (field->type == PROTOBUF_C_TYPE_UINT64)
		return value_get_u64(v, 0, UINT64_MAX, at, r->err);
	if (field->type == PROTOBUF_C_TYPE_UINT32) {
		e = value_get_u64(v, 0, UINT32_MAX, &n, r->err);
		if (e == 0)
			*(uint32_t *)at = (uint32_t)n;
		return e;
	}
	if (field->type == PROTOBUF_C_TYPE_BOOL) {
		e = value_get_bool(v, &b, r->err);
		if (e == 0)
			*(protobuf_c_boolean *)at = b;
		return e;
	}
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return value_error(v, r->err, "not supported");
	e = new_message(r, field->descriptor, message);
	return e < 0 ? e : read_message(r, v, *message);
}

static size_t element_size(const ProtobufCFieldDescriptor *field)
{
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return sizeof(void *);
	if (field->type == PROTOBUF_C_TYPE_BOOL)
		return sizeof(protobuf_c_boolean);
	return field->type == PROTOBUF_C_TYPE_UINT32 ? sizeof(uint32_t) : sizeof(uint64_t);
}

static bool is_map(const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *type = field->descriptor;

	return field->type == PROTOBUF_C_TYPE_MESSAGE && type->n_fields == 2 &&
	       strcmp(type->fields[0].name, "key") == 0 &&
	       strcmp(type->fields[1].name, "value") == 0;
}

static int read_map_entry(struct reader *r, const struct value *v,
	const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
	char **key, **text;
	int e = new_message(r, type, ret);

	if (e < 0)
		return e;
	key = (void *)((char *)*ret + type->fields[0].offset);
	text = (void *)((char *)*ret + type->fields[1].offset);
	*key = strdup(v->key);
	return *key ? read_string(r, v, text) : no_memory(r);
}

static int read_repeated(struct reader *r, const struct value *v,
	const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
	size_t *n = (void *)((char *)message + field->quantifier_offset);
	char **array = (void *)((char *)message + field->offset);
	size_t size = element_size(field);
	int e = value_check_type(v, is_map(field) ? VALUE_TABLE : VALUE_ARRAY, r->err);

	if (e < 0 || value_count(v) == 0)
		return e;
	*array = calloc(value_count(v), size);
	if (!*array)
		return no_memory(r);
	VALUE_FOREACH(element, v)
	{
		void *at = *array + size * (*n)++;

		/* An element that stayed NULL is skipped when the message is freed. */
		e = is_map(field) ? read_map_entry(r, element, field->descriptor, at)
				  : read_one(r, element, field, at);
		if (e < 0)
			return e;
	}
	return 0;
}

static int read_field(struct reader *r, const struct value *v,
	const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
	int e;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_repeated(r, v, field, message);
	e = read_one(r, v, field, (char *)message + field->offset);
	if (e == 0 && field->quantifier_offset)
		*(protobuf_c_boolean *)(void *)((char *)message + field->quantifier_offset) = 1;
	return e;
}

static int note_dropped(struct reader *r, const struct value *v)
{
	char path[VALUE_WHERE_SIZE];
	const char *comma;

	if (!r->dropped || r->list_is_cut)
		return 0;
	comma = buf_len(r->dropped) ? ", " : "";
	r->list_is_cut = buf_len(r->dropped) >= MAX_DROPPED_TEXT;
	if (buf_printf(r->dropped, "%s%s", comma,
		    r->list_is_cut ? "..." : value_format_path(v, path)) < 0)
		return no_memory(r);
	return 0;
}

static int note_not_carried(struct reader *r, const struct value *object, const char *message)
{
	for (size_t i = 0; i < ARRAY_SIZE(not_carried); i++) {
		const struct value *v = strcmp(not_carried[i].message, message) == 0
						? value_find(object, not_carried[i].name)
						: NULL;
		int e = v ? note_dropped(r, v) : 0;

		if (e < 0)
			return e;
	}
	return 0;
}

static int read_message(struct reader *r, const struct value *object, ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	int e = value_check_type(object, VALUE_TABLE, r->err);

	if (e < 0)
		return e;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const struct value *v = value_find(object, type->fields[i].name);

		e = v ? read_field(r, v, &type->fields[i], message) : 0;
		if (e < 0)
			return e;
	}
	return note_not_carried(r, object, type->short_name);
}

static int parse(const char *name, const ProtobufCMessageDescriptor *type, struct slice text,
	ProtobufCMessage **ret, struct buf *dropped, struct err *err)
{
	struct reader r = {.name = name, .dropped = dropped, .err = err};
	auto_document struct document *doc = NULL;
	ProtobufCMessage *message;
	int e = json_parse(name, text, OCI_SPEC_MAX_SIZE, &doc, err);

	if (e < 0)
		return e;
	e = new_message(&r, type, &message);
	if (e < 0)
		return e;
	e = read_message(&r, document_root(doc), message);
	if (e < 0) {
		protobuf_c_message_free_unpacked(message, NULL);
		return e;
	}
	*ret = message;
	return 0;
}

int oci_spec_parse(
	const char *text, size_t len, Grpc__Spec **ret, struct buf *dropped, struct err *err)
{
	ProtobufCMessage *message;
	int e = parse("config.json", &grpc__spec__descriptor, slice_of(text, len), &message,
		dropped, err);

	if (e == 0)
		*ret = (Grpc__Spec *)message;
	return e;
}

int oci_process_parse(
	const char *text, size_t len, Grpc__Process **ret, struct buf *dropped, struct err *err)
{
	ProtobufCMessage *message;
	int e = parse(
		"process", &grpc__process__descriptor, slice_of(text, len), &message, dropped, err);

	if (e == 0)
		*ret = (Grpc__Process *)message;
	return e;
}

int oci_resources_parse(const char *text, size_t len, Grpc__LinuxResources **ret,
	struct buf *dropped, struct err *err)
{
	ProtobufCMessage *message;
	int e = parse("resources", &grpc__linux_resources__descriptor, slice_of(text, len),
		&message, dropped, err);

	if (e == 0)
		*ret = (Grpc__LinuxResources *)message;
	return e;
}

int oci_spec_load(const char *bundle_dir, Grpc__Spec **ret, struct buf *dropped, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	auto_free char *path = NULL;
	int e;

	if (asprintf(&path, "%s/config.json", bundle_dir) < 0) {
		path = NULL;
		return err_sys(err, ENOMEM, "read %s", bundle_dir);
	}
	e = io_read_file(AT_FDCWD, path, OCI_SPEC_MAX_SIZE, &text);
	if (e < 0)
		return err_sys(err, -e, "read %s", path);
	return oci_spec_parse(buf_str(&text), buf_len(&text), ret, dropped, err);
}

void oci_spec_free(Grpc__Spec *spec)
{
	if (spec)
		grpc__spec__free_unpacked(spec, NULL);
}

void oci_process_free(Grpc__Process *process)
{
	if (process)
		grpc__process__free_unpacked(process, NULL);
}

void oci_resources_free(Grpc__LinuxResources *resources)
{
	if (resources)
		grpc__linux_resources__free_unpacked(resources, NULL);
}
