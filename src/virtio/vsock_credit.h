/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Flow control of one vsock connection (virtio 1.2 s5.10.6.3), both directions, without any I/O.
 *
 * Each side says in every packet how many bytes it can buffer (buf_alloc) and how many it has taken
 * out of the buffer since the beginning (fwd_cnt); the other may send while what it has sent minus
 * fwd_cnt is below buf_alloc. Counters run freely modulo 2^32.
 *
 * The guest's numbers are untrusted. A window wider than VSOCK_WINDOW_MAX is taken as that wide, so
 * that differences of counters stay far from 2^31 and their sign is meaningful.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

enum { VSOCK_WINDOW_MAX = 1 << 28 };

struct vsock_credit {
	/* From the guest to us. */
	uint32_t buf_alloc; /* what we promise to buffer */
	uint32_t rx_cnt;    /* bytes that came */
	uint32_t fwd_cnt;   /* of these, bytes handed to the host's socket */
	uint32_t told;	    /* the fwd_cnt that the guest was last told */
	/* From us to the guest. */
	uint32_t tx_cnt;	 /* bytes sent */
	uint32_t peer_buf_alloc; /* untrusted, clamped */
	uint32_t peer_fwd_cnt;	 /* untrusted, checked: never ahead of tx_cnt */
};

void vsock_credit_init(struct vsock_credit *c, uint32_t buf_alloc);

/*
 * Takes the credit fields of a packet from the guest. -EPROTO: it claims to have taken out more
 * than was sent. A fwd_cnt older than the last one is ignored, not refused: Linux fills the field
 * before it queues the packet, so two of its threads can queue them the wrong way round.
 */
int vsock_credit_peer(struct vsock_credit *c, uint32_t buf_alloc, uint32_t fwd_cnt) must_check;

/* len bytes came from the guest. -EPROTO: more than it had credit for. */
int vsock_credit_received(struct vsock_credit *c, uint32_t len) must_check;
/* len bytes have left our buffer. */
void vsock_credit_forwarded(struct vsock_credit *c, uint32_t len);
/* Whether the guest should be told the credit again: what it believes is left of our buffer has
 * fallen below half, and telling it changes that. */
bool vsock_credit_is_stale(const struct vsock_credit *c);
/* A packet with buf_alloc and fwd_cnt in it was sent. */
void vsock_credit_told(struct vsock_credit *c);

/* Bytes that may be sent to the guest now. */
uint32_t vsock_credit_space(const struct vsock_credit *c);
void vsock_credit_sent(struct vsock_credit *c, uint32_t len);
