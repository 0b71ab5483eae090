/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/message.h"

#include "wire/budget.h"
#include "wire/message_cut.h"
#include "wire/message_settle.h"

/* Why the allocator gave nothing, or, if it did not, what protobuf-c did not like. */
static int failure(
	const ProtobufCMessageDescriptor *desc, const struct budget_allocator *a, struct err *err)
{
	if (a->over_budget)
		return err_set(err, E2BIG, "%s: needs more memory than a peer may use", desc->name);
	if (a->out_of_memory)
		return err_sys(err, ENOMEM, "decode %s", desc->name);
	return err_set(err, EBADMSG, "%s: malformed", desc->name);
}

int message_decode(const ProtobufCMessageDescriptor *desc, struct slice data,
	struct message_budget *budget, ProtobufCMessage **ret, struct err *err)
{
	struct budget_allocator a;
	ProtobufCMessage *msg;
	int r = message_check(desc, data, err);

	if (r < 0)
		return r;
	budget_allocator_init(&a, budget);
	msg = protobuf_c_message_unpack(desc, &a.base, data.len, data.p);
	if (!msg)
		return failure(desc, &a, err);
	r = message_settle(msg, &a, err);
	if (r < 0) {
		protobuf_c_message_free_unpacked(msg, &a.base);
		return r == -ENOMEM ? failure(desc, &a, err) : r;
	}
	*ret = msg;
	return 0;
}

int message_decode_envelope(const ProtobufCMessageDescriptor *desc, struct slice data,
	unsigned payload_id, struct message_budget *budget, ProtobufCMessage **ret,
	struct slice *ret_payload, struct err *err)
{
	auto_buf struct buf rest = BUF_INIT;
	struct slice payload;
	int r = message_check(desc, data, err);

	if (r < 0)
		return r;
	r = message_cut_field(data, payload_id, &rest, &payload);
	if (r < 0)
		return err_sys(err, -r, "decode %s", desc->name);
	r = message_decode(desc, buf_slice(&rest), budget, ret, err);
	if (r == 0)
		*ret_payload = payload;
	return r;
}

void message_free(ProtobufCMessage *msg, struct message_budget *budget)
{
	struct budget_allocator a;

	budget_allocator_init(&a, budget);
	protobuf_c_message_free_unpacked(msg, &a.base);
}

int message_encode(const ProtobufCMessage *msg, struct buf *b)
{
	size_t size = protobuf_c_message_get_packed_size(msg);
	uint8_t *to = buf_reserve(b, size);

	if (!to)
		return -ENOMEM;
	protobuf_c_message_pack(msg, to);
	buf_commit(b, size);
	return 0;
}

static size_t put_varint(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

int message_encode_field(unsigned id, const ProtobufCMessage *msg, struct buf *b)
{
	size_t size = protobuf_c_message_get_packed_size(msg), prefix_len;
	uint8_t prefix[20];
	int r;

	if (size == 0)
		return 0;
	prefix_len = put_varint(prefix, (uint64_t)id << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
	prefix_len += put_varint(prefix + prefix_len, size);
	/* All at once: message_encode then has no reason to fail. */
	if (!buf_reserve(b, prefix_len + size))
		return -ENOMEM;
	r = buf_append(b, prefix, prefix_len);
	return r < 0 ? r : message_encode(msg, b);
}
