/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/vsock_credit.h"

#include <assert.h>

void vsock_credit_init(struct vsock_credit *c, uint32_t buf_alloc)
{
	assert(buf_alloc > 0 && buf_alloc <= VSOCK_WINDOW_MAX);
	*c = (struct vsock_credit){.buf_alloc = buf_alloc};
}

int vsock_credit_peer(struct vsock_credit *c, uint32_t buf_alloc, uint32_t fwd_cnt)
{
	uint32_t outstanding = c->tx_cnt - fwd_cnt;

	/* At most VSOCK_WINDOW_MAX is ever outstanding, so an older fwd_cnt is at most twice that
	 * away and a claim ahead of tx_cnt is a number near 2^32. */
	if (outstanding > INT32_MAX)
		return -EPROTO;
	c->peer_buf_alloc = buf_alloc < VSOCK_WINDOW_MAX ? buf_alloc : VSOCK_WINDOW_MAX;
	if (outstanding < c->tx_cnt - c->peer_fwd_cnt)
		c->peer_fwd_cnt = fwd_cnt;
	return 0;
}

int vsock_credit_received(struct vsock_credit *c, uint32_t len)
{
	uint32_t buffered = c->rx_cnt - c->fwd_cnt;

	if (len > c->buf_alloc - buffered)
		return -EPROTO;
	c->rx_cnt += len;
	return 0;
}

void vsock_credit_forwarded(struct vsock_credit *c, uint32_t len)
{
	assert(len <= c->rx_cnt - c->fwd_cnt);
	c->fwd_cnt += len;
}

bool vsock_credit_is_stale(const struct vsock_credit *c)
{
	uint32_t believed_used = c->rx_cnt - c->told;

	return c->told != c->fwd_cnt && believed_used > c->buf_alloc / 2;
}

void vsock_credit_told(struct vsock_credit *c)
{
	c->told = c->fwd_cnt;
}

uint32_t vsock_credit_space(const struct vsock_credit *c)
{
	uint32_t outstanding = c->tx_cnt - c->peer_fwd_cnt;

	return outstanding < c->peer_buf_alloc ? c->peer_buf_alloc - outstanding : 0;
}

void vsock_credit_sent(struct vsock_credit *c, uint32_t len)
{
	assert(len <= vsock_credit_space(c));
	c->tx_cnt += len;
}
