/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The header of every virtio-vsock packet (virtio 1.2 s5.10.6): 44 bytes, little-endian, unpadded.
 */
#include <stddef.h>
#include <stdint.h>

enum { VSOCK_HEADER_SIZE = 44 };
enum { VSOCK_CID_HOST = 2 };
enum { VSOCK_TYPE_STREAM = 1 };

enum vsock_op {
	VSOCK_OP_INVALID = 0,
	VSOCK_OP_REQUEST = 1,
	VSOCK_OP_RESPONSE = 2,
	VSOCK_OP_RST = 3,
	VSOCK_OP_SHUTDOWN = 4,
	VSOCK_OP_RW = 5,
	VSOCK_OP_CREDIT_UPDATE = 6,
	VSOCK_OP_CREDIT_REQUEST = 7,
	VSOCK_OP_COUNT
};

/* Flags of VSOCK_OP_SHUTDOWN: the sender will not receive, will not send, any more. */
enum { VSOCK_SHUTDOWN_RECEIVE = 1, VSOCK_SHUTDOWN_SEND = 2, VSOCK_SHUTDOWN_BOTH = 3 };

struct vsock_header {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len; /* bytes of payload behind the header */
	uint16_t type;
	uint16_t op; /* untrusted: need not be an enum vsock_op */
	uint32_t flags;
	uint32_t buf_alloc; /* bytes the sender can buffer for this connection */
	uint32_t fwd_cnt;   /* bytes it has taken out of that buffer so far, modulo 2^32 */
};

void vsock_header_decode(const uint8_t raw[static VSOCK_HEADER_SIZE], struct vsock_header *ret);
void vsock_header_encode(const struct vsock_header *h, uint8_t ret[static VSOCK_HEADER_SIZE]);

/* "RW"; "?" for a value that is none. */
const char *vsock_op_name(uint16_t op);

/*
 * The first line of a host client, without its newline: "CONNECT <port>", any case, one blank, a
 * decimal port below 2^32 - 1 (VMADDR_PORT_ANY) and nothing else. -EINVAL otherwise.
 */
enum { VSOCK_CONNECT_LINE_MAX = 18 }; /* "CONNECT 4294967294" */
int vsock_connect_line_parse(const char *line, size_t len, uint32_t *ret_port);
