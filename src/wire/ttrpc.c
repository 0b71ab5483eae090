/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ttrpc.h"

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

struct ttrpc_header ttrpc_header_decode(const uint8_t bytes[static TTRPC_HEADER_SIZE])
{
	return (struct ttrpc_header){
		.len = get_be32(bytes),
		.stream = get_be32(bytes + 4),
		.type = bytes[8],
		.flags = bytes[9],
	};
}

void ttrpc_header_encode(const struct ttrpc_header *h, uint8_t bytes[static TTRPC_HEADER_SIZE])
{
	put_be32(bytes, h->len);
	put_be32(bytes + 4, h->stream);
	bytes[8] = h->type;
	bytes[9] = h->flags;
}
