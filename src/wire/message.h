/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Protobuf bytes from a peer into structs, safely.
 *
 * message_decode() walks the raw bytes by descriptor first and refuses what protobuf-c would accept
 * and must not: a NUL inside a string, invalid UTF-8 is left alone (paths are bytes), nesting past
 * MESSAGE_MAX_DEPTH, more repetitions of a field than its limit (message_limits.c names the field
 * and the reason). It then unpacks with an allocator that charges a budget, so that no frame can
 * cost more memory than the budget has. Repeated map keys: the last wins; an entry always has its
 * key and value, also where the encoder left them out as empty.
 */
#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/err.h"

enum { MESSAGE_MAX_DEPTH = 32 };

/* Memory that decoded messages may take. The parent, if any, is charged too: one budget per
 * request below one per connection, and that below one for all. */
struct message_budget {
	size_t limit, used;	       /* bytes */
	size_t reserve;		       /* of used: the first, which the parent is not charged for */
	struct message_budget *parent; /* borrowed, or NULL */
};

/*
 * Decodes data into a new message, owned by the caller and freed with message_free() and the same
 * budget (NULL: none, for bytes of our own). -EBADMSG (malformed or refused: err says which field),
 * -E2BIG (over the budget), -ENOMEM.
 */
int message_decode(const ProtobufCMessageDescriptor *desc, struct slice data,
	struct message_budget *budget, ProtobufCMessage **ret, struct err *err) must_check;
/*
 * The same for an envelope whose bytes field payload_id may be large: it is not in *ret but
 * borrowed from data (its last occurrence; empty if there is none).
 */
int message_decode_envelope(const ProtobufCMessageDescriptor *desc, struct slice data,
	unsigned payload_id, struct message_budget *budget, ProtobufCMessage **ret,
	struct slice *ret_payload, struct err *err) must_check;
/* NULL is fine. */
void message_free(ProtobufCMessage *msg, struct message_budget *budget);

/* Only the walk: what message_decode does before it unpacks. The fuzz target's entry. */
int message_check(
	const ProtobufCMessageDescriptor *desc, struct slice data, struct err *err) must_check;

/* Appends the encoding of msg to b. */
int message_encode(const ProtobufCMessage *msg, struct buf *b) must_check;

/* Appends msg as the bytes field id of an envelope; nothing if msg is empty. What encodes an
 * envelope in parts: encodings one behind the other are one message. */
int message_encode_field(unsigned id, const ProtobufCMessage *msg, struct buf *b) must_check;

/* Text for a message, which borrows it as char * and is only read. */
static inline char *message_text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* Sets an optional scalar and its has_ flag: MESSAGE_SET(&req, timeout, 5). */
#define MESSAGE_SET(msg, field, value) ((msg)->has_##field = 1, (msg)->field = (value))
