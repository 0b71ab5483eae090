/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two texts the vsock device reads: a packet's header, which must survive decoding and
 * encoding, and a host client's first line, whose port must be the one that a second reading finds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/vsock_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_header(const uint8_t *data)
{
	struct vsock_header h;
	uint8_t again[VSOCK_HEADER_SIZE];

	vsock_header_decode(data, &h);
	vsock_header_encode(&h, again);
	if (memcmp(again, data, sizeof(again)) != 0 || !vsock_op_name(h.op)[0])
		abort();
}

static void check_line(const uint8_t *data, size_t size)
{
	char line[VSOCK_CONNECT_LINE_MAX + 1];
	uint32_t port, again;
	int len;

	if (vsock_connect_line_parse((const char *)data, size, &port) < 0)
		return;
	len = snprintf(line, sizeof(line), "CONNECT %u", port);
	if (size > VSOCK_CONNECT_LINE_MAX || len >= (int)sizeof(line) ||
		vsock_connect_line_parse(line, (size_t)len, &again) < 0 || again != port)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= VSOCK_HEADER_SIZE)
		check_header(data);
	check_line(data, size);
	return 0;
}
