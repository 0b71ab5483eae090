/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages of wiretest.proto written byte by byte, and read: what the tests of message.c share.
 * Include after cmocka.h. */
#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"
#include "wiretest.pb-c.h"

/* A literal with NULs in it. */
#define BYTES(s)                                    \
	{                                           \
		(const uint8_t *)(s), sizeof(s) - 1 \
	}

static const ProtobufCMessageDescriptor *const all = &wiretest__all__descriptor;

/* One field: tag and wire type, then, for a length-prefixed one, the length and the content. */
static inline void put_varint(struct buf *b, uint64_t v)
{
	uint8_t byte;

	do {
		byte = (uint8_t)(v & 0x7f);
		v >>= 7;
		if (v)
			byte |= 0x80;
		assert_int_equal(buf_append(b, &byte, 1), 0);
	} while (v);
}

static inline void put_bytes(struct buf *b, unsigned id, struct slice s)
{
	put_varint(b, (uint64_t)id << 3 | 2);
	put_varint(b, s.len);
	assert_int_equal(buf_append(b, s.p, s.len), 0);
}

static inline void put_str(struct buf *b, unsigned id, const char *s)
{
	put_bytes(b, id, slice_of_str(s));
}

static inline void put_number(struct buf *b, unsigned id, uint64_t v)
{
	put_varint(b, (uint64_t)id << 3);
	put_varint(b, v);
}

static inline void put_entry(struct buf *b, unsigned id, const char *key, const char *value)
{
	auto_buf struct buf entry = BUF_INIT;

	if (key)
		put_str(&entry, 1, key);
	if (value)
		put_str(&entry, 2, value);
	put_bytes(b, id, buf_slice(&entry));
}

static inline Wiretest__All *decode_all(const struct buf *b)
{
	ProtobufCMessage *msg = NULL;
	struct err err = ERR_INIT;

	if (message_decode(all, buf_slice(b), NULL, &msg, &err) < 0)
		fail_msg("%s", err.msg);
	return (Wiretest__All *)msg;
}

static inline void expect_refused(
	const ProtobufCMessageDescriptor *desc, struct slice data, const char *text)
{
	struct err err = ERR_INIT;
	ProtobufCMessage *msg = NULL;

	assert_int_equal(message_decode(desc, data, NULL, &msg, &err), -EBADMSG);
	assert_null(msg);
	if (!strstr(err.msg, text))
		fail_msg("\"%s\" is not in \"%s\"", text, err.msg);
}
