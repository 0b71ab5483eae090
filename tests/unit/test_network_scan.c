/* SPDX-License-Identifier: Apache-2.0 */
/* What is found in a pod's network namespace, a real one. */
#include "netns_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/network/scan.h"

#define VETH "ip link add h0 type veth peer name eth0 netns $pod; ip link set h0 up\n"
#define UP "ip link set eth0 up; "

static struct network_scan scan;

static int look(const struct netns_rig *rig, const char *resolv_conf, struct err *err)
{
	struct err own = ERR_INIT;
	auto_fd int fd = -1;
	int r;

	memset(&scan, 0, sizeof(scan));
	r = network_scan(rig->path, resolv_conf, &scan, &fd, &own);
	assert_true((fd >= 0) == (r == 0));
	netns_rig_leave(rig);
	*err = own;
	return r;
}

static void an_empty_namespace_has_nothing(void **state)
{
	struct err err;

	assert_int_equal(look(*state, NULL, &err), 0);
	assert_int_equal(scan.n_endpoints + scan.n_addresses + scan.n_routes + scan.n_dns, 0);
}

static void a_configured_veth_is_an_endpoint(void **state)
{
	const struct netns_rig *rig = *state;
	struct err err;
	char text[IP_ADDRESS_TEXT_SIZE];

	netns_rig_host(rig, VETH);
	netns_rig_pod(rig,
		"ip link set eth0 address 02:00:00:00:00:07 mtu 1400 up\n"
		"ip addr add 10.1.2.3/24 dev eth0; ip addr add fd00::3/64 dev eth0 nodad\n"
		"ip route add default via 10.1.2.1; ip route add 10.9.0.0/16 via 10.1.2.9 mtu "
		"1300\n"
		"ip -6 route add default via fd00::1\n"
		"ip neigh add 10.1.2.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent\n"
		"ip neigh add 10.1.2.2 lladdr 02:00:00:00:00:02 dev eth0 nud reachable\n");
	assert_int_equal(look(rig, NULL, &err), 0);
	assert_int_equal(scan.n_endpoints, 1);
	assert_int_equal(scan.endpoints[0].type, NETWORK_VETH);
	assert_string_equal(scan.endpoints[0].link.name, "eth0");
	assert_int_equal(scan.endpoints[0].link.mtu, 1400);
	assert_int_equal(scan.endpoints[0].link.mac.bytes[5], 7);
	assert_int_equal(scan.n_addresses, 2);
	assert_string_equal(ip_address_format(&scan.addresses[0].ip, true, text), "10.1.2.3/24");
	assert_string_equal(ip_address_format(&scan.addresses[1].ip, true, text), "fd00::3/64");
	assert_int_equal(scan.n_routes, 3);
	assert_int_equal(scan.routes[0].dest.family, AF_UNSPEC);
	assert_int_equal(scan.routes[1].mtu, 1300);
	assert_int_equal(scan.routes[2].family, AF_INET6);
	assert_int_equal(scan.n_neighbors, 1);
	assert_int_equal(scan.neighbors[0].mac.bytes[5], 1);
	assert_int_equal(scan.n_untold, 0);
}

static void links_without_an_address_do_not_count(void **state)
{
	const struct netns_rig *rig = *state;
	struct err err;

	/* The bridge, which could not be handed over, has only what IPv6 gives it. */
	netns_rig_host(rig, VETH);
	netns_rig_pod(rig, UP "ip link add br0 type bridge; ip link set br0 up\n"
			      "ip addr add 127.0.0.2/8 dev lo\n");
	assert_int_equal(look(rig, NULL, &err), 0);
	assert_int_equal(scan.n_endpoints, 0);
}

static void what_a_guest_cannot_have_is_refused_by_name(void **state)
{
	static const struct {
		const char *make, *said;
		int code;
	} rows[] = {
		{"ip link add x0 type bridge; ip addr add 10.1.0.1/24 dev x0", "kind \"bridge\"",
			-ENOTSUP},
		{"ip tuntap add mode tun name x0; ip addr add 10.1.0.1/24 dev x0", "no Ethernet",
			-ENOTSUP},
		{"ip link add x0 type veth peer name y0; ip addr add 10.1.0.1/24 dev x0\n"
		 "tc qdisc add dev x0 ingress",
			"x0 has filters", -EEXIST},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct netns_rig *rig;
		struct err err;
		void *made;

		(void)state;
		netns_rig_set_up(&made);
		rig = made;
		netns_rig_pod(rig, rows[i].make);
		assert_int_equal(look(rig, NULL, &err), rows[i].code);
		assert_non_null(strstr(err.msg, rows[i].said));
		assert_non_null(strstr(err.msg, rig->path));
		netns_rig_tear_down(&made);
	}
}

static void a_macvlan_and_a_tap_are_endpoints(void **state)
{
	const struct netns_rig *rig = *state;
	struct err err;

	netns_rig_host(rig,
		"ip link add h0 type veth peer name h1; ip link set h0 up; ip link set h1 up\n"
		"ip link add link h0 name eth0 netns $pod type macvlan mode bridge\n");
	netns_rig_pod(rig, UP "ip addr add 10.1.2.3/24 dev eth0\n"
			      "ip tuntap add mode tap name t0; ip addr add 10.3.2.3/24 dev t0\n");
	assert_int_equal(look(rig, NULL, &err), 0);
	assert_int_equal(scan.n_endpoints, 2);
	assert_int_equal(scan.endpoints[0].type, NETWORK_MACVLAN);
	assert_int_equal(scan.endpoints[1].type, NETWORK_TAP);
}

static void of_several_routes_to_a_place_the_best_is_told(void **state)
{
	const struct netns_rig *rig = *state;
	struct err err;

	netns_rig_host(rig, VETH);
	netns_rig_pod(rig, UP
		"ip addr add 10.1.2.3/24 dev eth0\n"
		"ip route add default via 10.1.2.8 metric 90; ip route add default via 10.1.2.1 "
		"metric 7\n"
		"ip route add default via 10.1.2.9 metric 80; ip route add blackhole 10.8.0.0/16\n"
		"ip route add 10.7.0.0/16 nexthop via 10.1.2.4 nexthop via 10.1.2.5\n");
	assert_int_equal(look(rig, NULL, &err), 0);
	assert_int_equal(scan.n_routes, 1);
	assert_int_equal(scan.routes[0].gateway.bytes[3], 1);
	assert_int_equal(scan.n_untold, 4);
}

static void the_namespace_s_content_is_bounded(void **state)
{
	const struct netns_rig *rig = *state;
	struct err err;

	netns_rig_host(rig, VETH);
	netns_rig_pod(rig, UP "ip addr add 10.1.2.3/16 dev eth0\n"
			      "for i in $(seq 0 512); do echo route add "
			      "10.9.$((i/256)).$((i%256))/32 via 10.1.2.1; done |"
			      "ip -batch -\n");
	assert_int_equal(look(rig, NULL, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "more than 512 routes"));
	netns_rig_pod(rig, "for i in $(seq 0 16); do ip link add a$i type veth peer name b$i\n"
			   "ip addr add 10.2.$i.1/24 dev a$i; done\n");
	assert_int_equal(look(rig, NULL, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "more than 16 configured interfaces"));
}

static void the_lines_of_resolv_conf_are_copied(void **state)
{
	const struct netns_rig *rig = *state;
	char file[] = "/tmp/test_network.XXXXXX";
	int fd = mkstemp(file);
	struct err err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "nameserver 1.2.3.4\n\nsearch a b", 30), 30);
	assert_int_equal(look(rig, file, &err), 0);
	assert_int_equal(scan.n_dns, 2);
	assert_memory_equal(scan.dns, "nameserver 1.2.3.4\0search a b", 30);
	/* A NUL would end a line in the middle. */
	assert_int_equal(pwrite(fd, "\0", 1, 3), 1);
	assert_int_equal(look(rig, file, &err), -EINVAL);
	assert_int_equal(ftruncate(fd, 65 << 10), 0);
	assert_int_equal(look(rig, file, &err), -EFBIG);
	close(fd);
	unlink(file);
	assert_int_equal(look(rig, file, &err), -ENOENT);
	assert_non_null(strstr(err.msg, file));
}

static void only_a_network_namespace_will_do(void **state)
{
	struct netns_rig rig = *(struct netns_rig *)*state;
	struct err err;

	snprintf(rig.path, sizeof(rig.path), "/proc/self/ns/uts");
	assert_int_equal(look(&rig, NULL, &err), -EINVAL);
	snprintf(rig.path, sizeof(rig.path), "/dev/null");
	assert_int_equal(look(&rig, NULL, &err), -EINVAL);
	snprintf(rig.path, sizeof(rig.path), "/none");
	assert_int_equal(look(&rig, NULL, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		netns_test(an_empty_namespace_has_nothing),
		netns_test(a_configured_veth_is_an_endpoint),
		netns_test(links_without_an_address_do_not_count),
		netns_test(what_a_guest_cannot_have_is_refused_by_name),
		netns_test(a_macvlan_and_a_tap_are_endpoints),
		netns_test(of_several_routes_to_a_place_the_best_is_told),
		netns_test(the_namespace_s_content_is_bounded),
		netns_test(the_lines_of_resolv_conf_are_copied),
		netns_test(only_a_network_namespace_will_do),
	};

	return netns_rig_is_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
