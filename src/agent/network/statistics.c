/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network/statistics.h"

#include <fcntl.h>
#include <net/if.h>

#include "base/io.h"
#include "linux/netdev.h"

enum {
	/* Containers may make interfaces; a thousand is more than they have use for. */
	MAX_INTERFACES = 1024,
	MAX_FILE = MAX_INTERFACES * 256,
};

struct entry {
	Grpc__NetworkStats message;
	char name[IFNAMSIZ];
};

static bool is_wanted(const struct netdev *dev)
{
	return dev->n == NETDEV_COUNT && dev->name.len < IFNAMSIZ &&
	       !slice_equal(dev->name, slice_of_str("lo"));
}

static void fill(struct entry *e, const struct netdev *dev)
{
	Grpc__NetworkStats *s = &e->message;

	grpc__network_stats__init(s);
	memcpy(e->name, dev->name.p, dev->name.len);
	e->name[dev->name.len] = '\0';
	s->name = e->name;
	s->has_rx_bytes = s->has_rx_packets = s->has_rx_errors = s->has_rx_dropped = 1;
	s->has_tx_bytes = s->has_tx_packets = s->has_tx_errors = s->has_tx_dropped = 1;
	s->rx_bytes = dev->counts[NETDEV_RX_BYTES];
	s->rx_packets = dev->counts[NETDEV_RX_PACKETS];
	s->rx_errors = dev->counts[NETDEV_RX_ERRORS];
	s->rx_dropped = dev->counts[NETDEV_RX_DROPPED];
	s->tx_bytes = dev->counts[NETDEV_TX_BYTES];
	s->tx_packets = dev->counts[NETDEV_TX_PACKETS];
	s->tx_errors = dev->counts[NETDEV_TX_ERRORS];
	s->tx_dropped = dev->counts[NETDEV_TX_DROPPED];
}

int network_statistics_parse(struct slice text, struct network_statistics *ret)
{
	struct slice rest = text;
	struct netdev dev;
	struct entry *entries;
	void *block;
	size_t n = 0;

	while (n < MAX_INTERFACES && netdev_next(&rest, &dev))
		n += is_wanted(&dev);
	/* The pointers, and behind them what they point to. */
	block = calloc(n + 1, sizeof(Grpc__NetworkStats *) + sizeof(struct entry));
	if (!block)
		return -ENOMEM;
	*ret = (struct network_statistics){.list = block};
	entries = (struct entry *)(void *)(ret->list + n);
	while (ret->n < n && netdev_next(&text, &dev)) {
		if (!is_wanted(&dev))
			continue;
		fill(&entries[ret->n], &dev);
		ret->list[ret->n] = &entries[ret->n].message;
		ret->n++;
	}
	return 0;
}

int network_statistics_read(struct network_statistics *ret)
{
	auto_buf struct buf text = BUF_INIT;

	if (io_read_file(AT_FDCWD, "/proc/self/net/dev", MAX_FILE, &text) < 0)
		buf_clear(&text);
	return network_statistics_parse(buf_slice(&text), ret);
}

void network_statistics_fini(struct network_statistics *s)
{
	free(take_ptr(&s->list));
}
