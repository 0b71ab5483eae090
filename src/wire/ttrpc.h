/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ttRPC framing: a 10-byte big-endian header (payload length, stream id, type, flags) and a payload
 * of at most 4 MiB (containerd/ttrpc, PROTOCOL.md). Server and client share it.
 */
#include <stdint.h>

#include "base/slice.h"

enum { TTRPC_HEADER_SIZE = 10, TTRPC_MAX_PAYLOAD = 4 << 20 };
enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };

struct ttrpc_header {
	uint32_t len;	 /* payload bytes; untrusted */
	uint32_t stream; /* untrusted */
	uint8_t type;	 /* untrusted */
	uint8_t flags;
};

struct ttrpc_header ttrpc_header_decode(const uint8_t bytes[static TTRPC_HEADER_SIZE]);
void ttrpc_header_encode(const struct ttrpc_header *h, uint8_t bytes[static TTRPC_HEADER_SIZE]);
