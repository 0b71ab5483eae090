/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/extension.h"

#include <assert.h>
#include <string.h>

#include "base/own.h"

enum { FIRST_OF_OURS = 1000 };

static const char names[][40] = {
	"oci.Linux.personality",
	"oci.Linux.timeOffsets",
	"oci.LinuxCPU.burst",
	"oci.LinuxCPU.idle",
	"oci.LinuxMemory.checkBeforeUpdate",
	"oci.LinuxResources.rdma",
	"oci.LinuxResources.unified",
	"oci.LinuxSeccomp.defaultErrnoRet",
	"oci.Mount.gidMappings",
	"oci.Mount.uidMappings",
	"oci.Process.execCPUAffinity",
	"oci.Process.ioPriority",
	"oci.Process.scheduler",
	"oci.Spec.domainname",
	"oci.User.umask",
};
static_assert(ARRAY_SIZE(names) <= 64, "a bit for each");

/* What is done with a field that is set and not known; negative ends the walk. */
typedef int visit_fn(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, void *data);

size_t oci_extensions_count(void)
{
	return ARRAY_SIZE(names);
}

const char *oci_extension_name(size_t i)
{
	assert(i < ARRAY_SIZE(names));
	return names[i];
}

oci_extensions oci_extensions_parse(char *const *given, size_t n)
{
	oci_extensions set = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			if (strcmp(given[i], names[k]) == 0)
				set |= UINT64_C(1) << k;
	return set;
}

static bool is_named(const char *name, const ProtobufCMessage *m, const char *field)
{
	size_t len = strlen(m->descriptor->short_name);

	name += sizeof("oci.") - 1;
	return strncmp(name, m->descriptor->short_name, len) == 0 && name[len] == '.' &&
	       strcmp(name + len + 1, field) == 0;
}

static bool is_known(
	const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, oci_extensions known)
{
	if (field->id < FIRST_OF_OURS)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (is_named(names[i], m, field->name))
			return known >> i & 1;
	return false;
}

static void *member(const ProtobufCMessage *m, unsigned int offset)
{
	return (void *)((uintptr_t)m + offset);
}

static bool is_pointer(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
}

static bool is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(size_t *)member(m, field->quantifier_offset) > 0;
	if (is_pointer(field))
		return *(void **)member(m, field->offset) != NULL;
	return *(protobuf_c_boolean *)member(m, field->quantifier_offset);
}

static int walk(ProtobufCMessage *m, oci_extensions known, visit_fn *visit, void *data);

static int walk_below(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
	oci_extensions known, visit_fn *visit, void *data)
{
	bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
	size_t n = is_list ? *(size_t *)member(m, field->quantifier_offset) : 1;
	ProtobufCMessage **items = is_list ? *(ProtobufCMessage ***)member(m, field->offset)
					   : (ProtobufCMessage **)member(m, field->offset);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = walk(items[i], known, visit, data);
	return r;
}

static int walk(ProtobufCMessage *m, oci_extensions known, visit_fn *visit, void *data)
{
	int r = 0;

	for (unsigned int i = 0; i < m->descriptor->n_fields && r == 0; i++) {
		const ProtobufCFieldDescriptor *field = &m->descriptor->fields[i];

		if (!is_set(m, field))
			continue;
		if (!is_known(m, field, known))
			r = visit(m, field, data);
		else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			r = walk_below(m, field, known, visit, data);
	}
	return r;
}

static int note(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, void *data)
{
	auto_buf struct buf name = BUF_INIT;
	struct buf *list = data;
	int r = buf_printf(&name, "oci.%s.%s", m->descriptor->short_name, field->name);

	if (r < 0 || (buf_len(list) > 0 && strstr(buf_str(list), buf_str(&name))))
		return r < 0 ? r : 0;
	r = buf_printf(list, "%s%s", buf_len(list) > 0 ? ", " : "", buf_str(&name));
	return r < 0 ? r : 0;
}

int oci_extensions_find_unknown(const ProtobufCMessage *m, oci_extensions known, struct buf *ret)
{
	union {
		const ProtobufCMessage *in;
		ProtobufCMessage *only_read;
	} message = {.in = m};

	return walk(message.only_read, known, note, ret);
}

static void free_value(const ProtobufCFieldDescriptor *field, void *value)
{
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		protobuf_c_message_free_unpacked(value, NULL);
	else
		free(value);
}

static int take_out(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, void *data)
{
	void **value = member(m, field->offset);
	size_t *n = member(m, field->quantifier_offset);

	(void)data;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		for (size_t i = 0; i < *n && is_pointer(field); i++)
			free_value(field, ((void **)*value)[i]);
		*n = 0;
		free(*value);
		*value = NULL;
	} else if (is_pointer(field)) {
		free_value(field, *value);
		*value = NULL;
	} else {
		*(protobuf_c_boolean *)member(m, field->quantifier_offset) = 0;
	}
	return 0;
}

void oci_extensions_remove_unknown(ProtobufCMessage *m, oci_extensions known)
{
	(void)walk(m, known, take_out, NULL);
}
