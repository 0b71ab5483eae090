/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/network/attach.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "linux/namespace.h"
#include "linux/rtnl.h"
#include "linux/rtnl_tc.h"

void network_tap_name(uint8_t i, char name[static IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, "tap%u_kata", i);
}

/* ---- Descriptors ---- */

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(NETWORK_FDS_MAX * sizeof(int))];
};

int network_send_fds(int socket_fd, const int *fds, size_t n)
{
	union control control = {.header = {.cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS,
					 .cmsg_len = CMSG_LEN(n * sizeof(int))}};
	char byte = 0;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int))};

	memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	return sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int network_receive_fds(int socket_fd, int fds[static NETWORK_FDS_MAX])
{
	union control control = {.bytes = {0}};
	char byte;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	size_t n;

	if (recvmsg(socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	if (message.msg_controllen < CMSG_LEN(sizeof(int)) ||
		control.header.cmsg_type != SCM_RIGHTS)
		return 0;
	n = (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(&control.header), n * sizeof(int));
	return (int)n;
}

/* ---- Links and filters ---- */

/* The tap carries whatever the endpoint does, and is never slower in being ready. */
static int set_up_tap(struct rtnl *nl, int index, uint32_t mtu)
{
	struct rtnl_link_change change = {
		.index = index, .mtu = mtu, .flags = IFF_UP, .flags_mask = IFF_UP};
	struct rtnl_request request;

	rtnl_encode_link(&change, &request);
	return rtnl_call(nl, &request);
}

static int join(struct rtnl *nl, int from, int to)
{
	struct rtnl_request request;
	int r;

	rtnl_encode_add_ingress(from, &request);
	r = rtnl_call(nl, &request);
	if (r < 0)
		return r;
	rtnl_encode_redirect(from, to, &request);
	return rtnl_call(nl, &request);
}

/* Opening it may load a module. Without it the VMM moves the packets itself. */
static size_t open_vhost(size_t n_queues, int fds[])
{
	size_t n = 0;

	while (n < n_queues && (fds[n] = open("/dev/vhost-net", O_RDWR | O_CLOEXEC)) >= 0)
		n++;
	if (n == n_queues)
		return n;
	while (n > 0)
		close_fd(fds[--n]);
	return 0;
}

/* The tap lives while its descriptors are on their way, too. */
static int make_tap(
	const char *tap, size_t n_queues, bool with_vhost, int socket_fd, struct err *err)
{
	int fds[NETWORK_FDS_MAX], r = tap_make(tap, n_queues, fds);
	size_t n = n_queues;

	if (r < 0)
		return err_sys(err, -r, "make the tap device %s (/dev/net/tun)", tap);
	if (with_vhost)
		n += open_vhost(n_queues, fds + n_queues);
	r = network_send_fds(socket_fd, fds, n);
	while (n > 0)
		close_fd(fds[--n]);
	return r < 0 ? err_sys(err, -r, "hand over the tap device %s", tap) : 0;
}

static int join_tap(struct rtnl *nl, const struct rtnl_link *link, const char *tap, struct err *err)
{
	int index = (int)if_nametoindex(tap), r;

	if (index == 0)
		return err_sys(err, errno, "find the tap device %s", tap);
	r = set_up_tap(nl, index, link->mtu);
	if (r < 0)
		return rtnl_error(nl, r, err, "set up the tap device %s", tap);
	r = join(nl, link->index, index);
	if (r == 0)
		r = join(nl, index, link->index);
	return r < 0 ? rtnl_error(nl, r, err, "join interface %s and %s (tc)", link->name, tap) : 0;
}

static int enter(int fd, struct rtnl *nl)
{
	int r = namespace_enter(fd, CLONE_NEWNET);

	return r < 0 ? r : rtnl_open(nl);
}

int network_attach(const char *netns, const struct network_scan *scan, size_t n_queues,
	bool with_vhost, int socket_fd, struct err *err)
{
	auto_rtnl struct rtnl nl = RTNL_INIT;
	char tap[IFNAMSIZ];
	uint64_t dev, ino;
	auto_fd int fd = network_open_netns(netns, &dev, &ino, err);
	int r;

	if (fd < 0)
		return fd;
	if (dev != scan->dev || ino != scan->ino)
		return err_set(err, ESTALE, "%s is another network namespace by now", netns);
	r = enter(fd, &nl);
	if (r < 0)
		return err_sys(err, -r, "enter the network namespace %s", netns);
	for (size_t i = 0; i < scan->n_endpoints && r == 0; i++) {
		network_tap_name((uint8_t)i, tap);
		r = make_tap(tap, n_queues, with_vhost, socket_fd, err);
		if (r == 0)
			r = join_tap(&nl, &scan->endpoints[i].link, tap, err);
	}
	return r;
}

/* ---- The way back ---- */

static int delete_ingress(struct rtnl *nl, int index)
{
	struct rtnl_request request;
	int r;

	rtnl_encode_delete_ingress(index, &request);
	r = rtnl_call(nl, &request);
	return r == -ENODEV || r == -ENOENT || r == -EINVAL ? 0 : r;
}

static int detach_all(const struct state_network *network, struct err *err)
{
	auto_rtnl struct rtnl nl = RTNL_INIT;
	int r = rtnl_open(&nl), result = 0;

	if (r < 0)
		return err_sys(err, -r, "open rtnetlink");
	for (size_t i = 0; i < network->n_links; i++) {
		r = delete_ingress(&nl, network->links[i]);
		if (r < 0 && result == 0)
			result = rtnl_error(&nl, r, err, "remove the filters of interface %d in %s",
				network->links[i], network->netns);
	}
	return result;
}

int network_detach(const struct state_network *network, struct err *err)
{
	auto_fd int own_fd = -1, fd = -1;
	uint64_t dev, ino;
	int r;

	if (!network->netns || network->n_links == 0)
		return 0;
	fd = network_open_netns(network->netns, &dev, &ino, NULL);
	if (fd < 0 || dev != network->dev || ino != network->ino)
		return 0;
	own_fd = namespace_open_self("net");
	r = own_fd < 0 ? own_fd : namespace_enter(fd, CLONE_NEWNET);
	if (r < 0)
		return err_sys(err, -r, "enter the network namespace %s", network->netns);
	r = detach_all(network, err);
	/* What cannot go back has nothing to do with a network any more. */
	(void)!namespace_enter(own_fd, CLONE_NEWNET);
	return r;
}
