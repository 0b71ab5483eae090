/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/message_settle.h"

#include <string.h>

#include "wire/message_field.h"
#include "wire/message_limits.h"

/* What one map entry is sorted by. */
struct map_key {
	const char *text; /* borrowed; "" for numbers */
	uint64_t number;
	size_t index;
};

static void *member(const ProtobufCMessage *msg, unsigned offset)
{
	return (char *)(uintptr_t)msg + offset;
}

static int fill_member(
	ProtobufCMessage *entry, const ProtobufCFieldDescriptor *field, struct budget_allocator *a)
{
	void **p = member(entry, field->offset);

	if (field->quantifier_offset)
		*(protobuf_c_boolean *)member(entry, field->quantifier_offset) = 1;
	if (field->type == PROTOBUF_C_TYPE_STRING && !*p) {
		char *empty = budget_alloc(a, 1);

		if (!empty)
			return -ENOMEM;
		*empty = '\0';
		*p = empty;
	}
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && !*p)
		*p = protobuf_c_message_unpack(field->descriptor, &a->base, 0, NULL);
	return field->type == PROTOBUF_C_TYPE_MESSAGE && !*p ? -ENOMEM : 0;
}

static struct map_key key_of(const ProtobufCMessage *entry, size_t index)
{
	const ProtobufCFieldDescriptor *field = &entry->descriptor->fields[0];
	struct map_key key = {.text = "", .index = index};
	const void *p = member(entry, field->offset);

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		key.text = *(char *const *)p;
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		key.number = *(const uint64_t *)p;
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		/* The last four cannot be keys (protobuf language guide). */
		key.number = *(const uint32_t *)p;
		break;
	}
	return key;
}

static bool same_key(const struct map_key *a, const struct map_key *b)
{
	return a->number == b->number && strcmp(a->text, b->text) == 0;
}

static int compare_keys(const void *left, const void *right)
{
	const struct map_key *a = left, *b = right;
	int order;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	order = strcmp(a->text, b->text);
	if (order != 0)
		return order;
	return a->index < b->index ? -1 : 1;
}

/* Frees the entries that a later one replaces, and closes the gaps: the order stays. */
static void drop_replaced(ProtobufCMessage **entries, size_t *n_entries,
	const struct map_key *sorted, struct budget_allocator *a)
{
	size_t kept = 0;

	for (size_t i = 0; i + 1 < *n_entries; i++) {
		if (!same_key(&sorted[i], &sorted[i + 1]))
			continue;
		/* The key that is compared next is the later entry's: this one's is not used again.
		 */
		protobuf_c_message_free_unpacked(entries[sorted[i].index], &a->base);
		entries[sorted[i].index] = NULL;
	}
	for (size_t i = 0; i < *n_entries; i++)
		if (entries[i])
			entries[kept++] = entries[i];
	*n_entries = kept;
}

static int settle_map(ProtobufCMessage **entries, size_t *n_entries, struct budget_allocator *a)
{
	struct map_key *keys;

	for (size_t i = 0; i < *n_entries; i++)
		for (unsigned f = 0; f < 2; f++)
			if (fill_member(entries[i], &entries[i]->descriptor->fields[f], a) < 0)
				return -ENOMEM;
	if (*n_entries < 2)
		return 0;
	keys = budget_alloc(a, *n_entries * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < *n_entries; i++)
		keys[i] = key_of(entries[i], i);
	qsort(keys, *n_entries, sizeof(*keys), compare_keys);
	drop_replaced(entries, n_entries, keys, a);
	budget_free(a, keys);
	return 0;
}

static int settle_repeated(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field,
	struct budget_allocator *a, struct err *err)
{
	size_t *n = member(msg, field->quantifier_offset);
	ProtobufCMessage **elements;
	int r = 0;

	if (*n > MESSAGE_LIMIT_MIN && *n > message_limit(msg->descriptor, field))
		return err_set(err, EBADMSG, "%s.%s: more than %zu times", msg->descriptor->name,
			field->name, message_limit(msg->descriptor, field));
	if (field->type != PROTOBUF_C_TYPE_MESSAGE || *n == 0)
		return 0;
	elements = *(ProtobufCMessage ***)member(msg, field->offset);
	if (message_is_map(msg->descriptor, field))
		r = settle_map(elements, n, a);
	for (size_t i = 0; i < *n && r == 0; i++)
		r = message_settle(elements[i], a, err);
	return r;
}

/* Members of a oneof share their memory: only the one that is set may be looked at. */
static bool is_chosen(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return true;
	return *(const uint32_t *)member(msg, field->quantifier_offset) == field->id;
}

int message_settle(ProtobufCMessage *msg, struct budget_allocator *a, struct err *err)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	int r = 0;

	for (unsigned i = 0; i < desc->n_fields && r == 0; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];

		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			r = settle_repeated(msg, field, a, err);
		} else if (field->type == PROTOBUF_C_TYPE_MESSAGE && is_chosen(msg, field)) {
			ProtobufCMessage *sub = *(ProtobufCMessage **)member(msg, field->offset);

			if (sub)
				r = message_settle(sub, a, err);
		}
	}
	return r;
}
