/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to src/wire: what is left to do after protobuf-c has unpacked a message. */
#include "wire/budget.h"

/*
 * Applies the limits again (protobuf-c concatenates the lists of sub-messages that it merges, which
 * the walk sees one by one), drops map entries whose key comes again later, and gives every map
 * entry the key and value that its encoder left out because they were empty.
 * -EBADMSG, or -ENOMEM (a says why); msg is to be freed either way.
 */
int message_settle(ProtobufCMessage *msg, struct budget_allocator *a, struct err *err) must_check;
