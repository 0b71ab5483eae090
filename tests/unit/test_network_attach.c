/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between the host's end of a veth pair and a tap's descriptors, and the way back. */
#include "netns_rig.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "linux/rtnl.h"
#include "linux/rtnl_tc.h"
#include "runtime/network/attach.h"

enum { VNET_HEADER = 10, FRAME = 60, WAIT_MS = 5000, MAX_FRAMES = 100 };

#define VETH                                                                      \
	"ip link add h0 type veth peer name eth0 netns $pod; ip link set h0 up\n" \
	"ip link add h1 type veth peer name eth1 netns $pod; ip link set h1 up\n"
#define ADDRESSES                                                 \
	"ip addr add 10.1.2.3/24 dev eth0; ip link set eth0 up\n" \
	"ip addr add 10.1.3.3/24 dev eth1; ip link set eth1 mtu 9000 up\n"

static struct network_scan scan;

struct sockets {
	int ours, theirs;
};

static void look(const struct netns_rig *rig)
{
	struct err err = ERR_INIT;
	auto_fd int fd = -1;

	netns_rig_host(rig, VETH);
	netns_rig_pod(rig, ADDRESSES);
	memset(&scan, 0, sizeof(scan));
	assert_int_equal(network_scan(rig->path, NULL, &scan, &fd, &err), 0);
	netns_rig_leave(rig);
	assert_int_equal(scan.n_endpoints, 2);
}

static struct sockets attach(const struct netns_rig *rig, size_t n_queues, int expected)
{
	struct err err = ERR_INIT;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(network_attach(rig->path, &scan, n_queues, false, fds[1], &err), expected);
	netns_rig_leave(rig);
	return (struct sockets){fds[0], fds[1]};
}

static void close_sockets(struct sockets s)
{
	close(s.ours);
	close(s.theirs);
}

static void make_frame(uint8_t frame[static FRAME], uint8_t mark)
{
	memset(frame, 0, FRAME);
	memset(frame, 0xff, ETH_ALEN);
	frame[ETH_ALEN] = 2;
	frame[12] = 0x88;
	frame[13] = 0xb5; /* for experiments */
	frame[14] = mark;
}

/* Others send too, as the kernel does for IPv6. */
static void wait_for_frame(int fd, size_t offset, uint8_t mark)
{
	struct pollfd in = {.fd = fd, .events = POLLIN};
	uint8_t bytes[2048];

	for (int i = 0; i < MAX_FRAMES; i++) {
		assert_int_equal(poll(&in, 1, WAIT_MS), 1);
		if (read(fd, bytes, sizeof(bytes)) >= (ssize_t)(offset + 15) &&
			bytes[offset + 12] == 0x88 && bytes[offset + 13] == 0xb5) {
			assert_int_equal(bytes[offset + 14], mark);
			return;
		}
	}
	fail();
}

static int open_link(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void frames_go_both_ways_between_link_and_tap(void **state)
{
	const struct netns_rig *rig = *state;
	uint8_t frame[VNET_HEADER + FRAME] = {0};
	int tap[2], host, fds[NETWORK_FDS_MAX];
	struct sockets s;

	look(rig);
	s = attach(rig, 1, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(network_receive_fds(s.ours, fds), 1);
		tap[i] = fds[0];
	}
	assert_int_equal(network_receive_fds(s.ours, fds), -EAGAIN);
	for (uint8_t i = 0; i < 2; i++) {
		host = open_link(i ? "h1" : "h0");
		make_frame(frame + VNET_HEADER, 10 + i);
		assert_int_equal(write(host, frame + VNET_HEADER, FRAME), FRAME);
		wait_for_frame(tap[i], VNET_HEADER, 10 + i);
		make_frame(frame + VNET_HEADER, 20 + i);
		assert_int_equal(write(tap[i], frame, sizeof(frame)), sizeof(frame));
		/* Our own frame of before may be seen first. */
		close(host);
		host = open_link(i ? "h1" : "h0");
		assert_int_equal(write(tap[i], frame, sizeof(frame)), sizeof(frame));
		wait_for_frame(host, 0, 20 + i);
		close(host);
	}
	netns_rig_pod(rig, "[ $(cat /proc/net/dev | grep -c _kata) = 2 ]\n"
			   "ip link show tap1_kata | grep -q 'mtu 9000'\n");
	close(tap[0]);
	close(tap[1]);
	close_sockets(s);
}

static void each_queue_has_a_descriptor(void **state)
{
	const struct netns_rig *rig = *state;
	int fds[NETWORK_FDS_MAX];
	struct sockets s;

	look(rig);
	s = attach(rig, 4, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(network_receive_fds(s.ours, fds), 4);
		for (int k = 0; k < 4; k++)
			assert_int_equal(close(fds[k]), 0);
	}
	close_sockets(s);
}

static struct state_network noted(const struct netns_rig *rig)
{
	struct state_network n = {
		.netns = (char *)(uintptr_t)rig->path, .dev = scan.dev, .ino = scan.ino};

	for (size_t i = 0; i < scan.n_endpoints; i++)
		n.links[n.n_links++] = scan.endpoints[i].link.index;
	return n;
}

#define NOTHING_LEFT                  \
	"! ip link | grep _kata\n"    \
	"! tc qdisc | grep ingress\n" \
	"! tc filter show dev eth0 ingress | grep .\n"

static void the_way_back_leaves_what_was_found(void **state)
{
	const struct netns_rig *rig = *state;
	struct state_network n;
	struct err err = ERR_INIT;

	look(rig);
	close_sockets(attach(rig, 1, 0));
	n = noted(rig);
	assert_int_equal(network_detach(&n, &err), 0);
	netns_rig_pod(rig, NOTHING_LEFT "ip addr show eth0 | grep -q 10.1.2.3/24\n");
	/* Again, and with a link that is gone. */
	netns_rig_pod(rig, "ip link del eth1");
	assert_int_equal(network_detach(&n, &err), 0);
	/* We are where we were. */
	assert_true(if_nametoindex("h0") > 0);
}

static void half_an_attachment_is_undone_too(void **state)
{
	const struct netns_rig *rig = *state;
	struct state_network n;
	struct err err = ERR_INIT;

	look(rig);
	netns_rig_pod(rig, "ip tuntap add mode tap name tap1_kata");
	close_sockets(attach(rig, 1, -EBUSY));
	n = noted(rig);
	assert_int_equal(network_detach(&n, &err), 0);
	netns_rig_pod(rig, "ip tuntap del mode tap name tap1_kata\n" NOTHING_LEFT);
}

static void another_namespace_is_not_touched(void **state)
{
	const struct netns_rig *rig = *state;
	char none[] = "/none";
	struct state_network n;
	struct err err = ERR_INIT;

	look(rig);
	n = noted(rig);
	netns_rig_pod(rig, "tc qdisc add dev eth0 ingress");
	n.ino++;
	assert_int_equal(network_detach(&n, &err), 0);
	n.ino--;
	n.netns = none;
	assert_int_equal(network_detach(&n, &err), 0);
	netns_rig_pod(rig, "tc qdisc | grep -q ingress");
	scan.ino++;
	close_sockets(attach(rig, 1, -ESTALE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		netns_test(frames_go_both_ways_between_link_and_tap),
		netns_test(each_queue_has_a_descriptor),
		netns_test(the_way_back_leaves_what_was_found),
		netns_test(half_an_attachment_is_undone_too),
		netns_test(another_namespace_is_not_touched),
	};

	return netns_rig_is_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
