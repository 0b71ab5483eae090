/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/vsock_packet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "guestmem/le.h"

struct wire_header {
	le64 src_cid, dst_cid;
	le32 src_port, dst_port;
	le32 len;
	le16 type, op;
	le32 flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static_assert(sizeof(struct wire_header) == VSOCK_HEADER_SIZE, "virtio 1.2 s5.10.6");

void vsock_header_decode(const uint8_t raw[static VSOCK_HEADER_SIZE], struct vsock_header *ret)
{
	struct wire_header w;

	memcpy(&w, raw, sizeof(w));
	*ret = (struct vsock_header){
		.src_cid = le64_get(w.src_cid),
		.dst_cid = le64_get(w.dst_cid),
		.src_port = le32_get(w.src_port),
		.dst_port = le32_get(w.dst_port),
		.len = le32_get(w.len),
		.type = le16_get(w.type),
		.op = le16_get(w.op),
		.flags = le32_get(w.flags),
		.buf_alloc = le32_get(w.buf_alloc),
		.fwd_cnt = le32_get(w.fwd_cnt),
	};
}

void vsock_header_encode(const struct vsock_header *h, uint8_t ret[static VSOCK_HEADER_SIZE])
{
	struct wire_header w = {
		.src_cid = le64_of(h->src_cid),
		.dst_cid = le64_of(h->dst_cid),
		.src_port = le32_of(h->src_port),
		.dst_port = le32_of(h->dst_port),
		.len = le32_of(h->len),
		.type = le16_of(h->type),
		.op = le16_of(h->op),
		.flags = le32_of(h->flags),
		.buf_alloc = le32_of(h->buf_alloc),
		.fwd_cnt = le32_of(h->fwd_cnt),
	};

	memcpy(ret, &w, sizeof(w));
}

const char *vsock_op_name(uint16_t op)
{
	static const char *const names[] = {"INVALID", "REQUEST", "RESPONSE", "RST", "SHUTDOWN",
		"RW", "CREDIT_UPDATE", "CREDIT_REQUEST"};

	static_assert(ARRAY_SIZE(names) == VSOCK_OP_COUNT, "one name per operation");
	return op < VSOCK_OP_COUNT ? names[op] : "?";
}

int vsock_connect_line_parse(const char *line, size_t len, uint32_t *ret_port)
{
	static const char word[] = "CONNECT ";
	const size_t word_len = sizeof(word) - 1;
	uint64_t port = 0;

	if (len <= word_len || len > VSOCK_CONNECT_LINE_MAX ||
		strncasecmp(line, word, word_len) != 0)
		return -EINVAL;
	for (size_t i = word_len; i < len; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -EINVAL;
		port = port * 10 + (uint64_t)(line[i] - '0');
	}
	if (port >= UINT32_MAX)
		return -EINVAL;
	*ret_port = (uint32_t)port;
	return 0;
}
