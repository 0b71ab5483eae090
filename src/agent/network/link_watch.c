/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network/link_watch.h"

#include "linux/rtnl.h"

/* A notification is one link: a kilobyte or two, and more with many virtual functions. */
enum { BUFFER_SIZE = 16 << 10 };

struct link_watch {
	link_watch_fn *fn;
	void *data;
	int fd; /* owned */
	struct source *source;
	uint8_t buffer[BUFFER_SIZE];
};

/* The first link of a datagram that has an address; the kernel never sends two. */
static bool find_mac(struct slice bytes, struct mac_address *ret)
{
	struct rtnl_message m;
	struct rtnl_link link;

	while (rtnl_next_message(&bytes, &m) > 0)
		if (m.type == RTM_NEWLINK && rtnl_decode_link(m.body, &link) == 0) {
			*ret = link.mac;
			return link.mac.len > 0;
		}
	return false;
}

/* One datagram at a time: containers can make as many of them as they like, and others want to be
 * served too. */
static void on_readable(void *data, int fd, uint32_t events)
{
	struct link_watch *watch = data;
	int n = rtnl_receive(fd, watch->buffer, sizeof(watch->buffer));
	struct mac_address mac;

	(void)events;
	if (n == -ENOBUFS || n == -EMSGSIZE)
		watch->fn(watch->data, NULL);
	else if (n > 0 && find_mac(slice_of(watch->buffer, (size_t)n), &mac))
		watch->fn(watch->data, &mac);
}

int link_watch_new(struct loop *loop, link_watch_fn *fn, void *data, struct link_watch **ret)
{
	struct link_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	*watch = (struct link_watch){.fn = fn, .data = data, .fd = rtnl_open_link_monitor()};
	r = watch->fd < 0
		    ? watch->fd
		    : loop_add_io(loop, watch->fd, EPOLLIN, on_readable, watch, &watch->source);
	if (r < 0) {
		link_watch_free(watch);
		return r;
	}
	*ret = watch;
	return 0;
}

void link_watch_free(struct link_watch *watch)
{
	if (!watch)
		return;
	source_free(watch->source);
	close_fd(watch->fd);
	free(watch);
}
