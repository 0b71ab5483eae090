/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "wire/message_json.h"

enum { MAX_DROPPED_TEXT = 1024 };

/* What the OCI runtime spec 1.2 defines (and 1.3 for memoryPolicy and netDevices) and oci.proto
 * has no field for. */
static const struct {
	const char *message, *name;
} not_carried[] = {
	/* The sandbox's uts namespace is the guest's, and the agent's to name. */
	{"Spec", "domainname"},
	{"Spec", "vm"},
	{"Spec", "zos"},
	{"Mount", "uidMappings"},
	{"Mount", "gidMappings"},
	{"Linux", "timeOffsets"},
	{"Linux", "memoryPolicy"},
	{"Linux", "netDevices"},
	{"LinuxMemory", "useHierarchy"},
	{"LinuxSeccomp", "listenerPath"},
	{"LinuxSeccomp", "listenerMetadata"},
	{"LinuxIntelRdt", "closID"},
	{"LinuxIntelRdt", "memBwSchema"},
	{"LinuxIntelRdt", "schemata"},
	{"LinuxIntelRdt", "enableCMT"},
	{"LinuxIntelRdt", "enableMBM"},
	{"LinuxIntelRdt", "enableMonitoring"},
};

struct dropped {
	const char *name; /* of the text, for messages */
	struct buf *list; /* borrowed */
	bool is_cut;
};

static int note_dropped(struct dropped *d, const struct value *v, struct err *err)
{
	char path[VALUE_WHERE_SIZE];
	const char *comma = buf_len(d->list) ? ", " : "";

	if (d->is_cut)
		return 0;
	d->is_cut = buf_len(d->list) >= MAX_DROPPED_TEXT;
	if (buf_printf(d->list, "%s%s", comma, d->is_cut ? "..." : value_format_path(v, path)) < 0)
		return err_sys(err, ENOMEM, "read %s", d->name);
	return 0;
}

/* Called for each object of the text: notes those of its members that its message cannot carry. */
static int note_not_carried(void *data, const struct value *object,
	const ProtobufCMessageDescriptor *desc, struct err *err)
{
	struct dropped *d = data;

	for (size_t i = 0; i < ARRAY_SIZE(not_carried); i++) {
		const struct value *v = strcmp(not_carried[i].message, desc->short_name) == 0
						? value_find(object, not_carried[i].name)
						: NULL;
		int e = v ? note_dropped(d, v, err) : 0;

		if (e < 0)
			return e;
	}
	return 0;
}

static int parse(const char *name, const ProtobufCMessageDescriptor *type, struct slice text,
	ProtobufCMessage **ret, struct buf *list, struct err *err)
{
	struct dropped dropped = {.name = name, .list = list};
	struct message_json json = {.name = name,
		.max_size = OCI_SPEC_MAX_SIZE,
		.visit = list ? note_not_carried : NULL,
		.data = &dropped};

	return message_json_parse(&json, type, text, ret, err);
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
