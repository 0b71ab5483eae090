/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to src/wire: how often a field may occur in one message. */
#include <protobuf-c/protobuf-c.h>

enum {
	/* No repeated field has a smaller limit: below it nothing needs to be looked up. */
	MESSAGE_LIMIT_MIN = 64,
	/* A field that is not repeated: encoders send it once, the protocol allows more (the last
	 * wins, sub-messages merge), and merging is work. */
	MESSAGE_LIMIT_SINGULAR = 16,
	/* Unknown fields per message: a newer peer's additions are a handful. */
	MESSAGE_LIMIT_UNKNOWN = 256,
};

/* The limit of a repeated field of the message type desc. */
size_t message_limit(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field);
