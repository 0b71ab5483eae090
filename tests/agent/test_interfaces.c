/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateInterface and ListInterfaces, with veth links: each test makes what it needs. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

#include "base/path.h"
#include "health.pb-c.h"
#include "net.h"

#define MAC_A "02:00:00:00:00:0a"
#define MAC_B "02:00:00:00:00:0b"

enum { MAX_ADDRESSES = 8 };

struct wanted {
	const char *mac, *name, *device_path;
	uint64_t mtu;
	uint32_t raw_flags;
	const char *addresses[MAX_ADDRESSES], *masks[MAX_ADDRESSES]; /* until NULL */
};

struct request {
	Grpc__UpdateInterfaceRequest message;
	Types__Interface interface;
	Types__IPAddress addresses[MAX_ADDRESSES], *list[MAX_ADDRESSES];
};

static void fill(struct request *r, const struct wanted *w)
{
	size_t n = 0;

	grpc__update_interface_request__init(&r->message);
	types__interface__init(&r->interface);
	r->message.interface = &r->interface;
	r->interface.hwaddr = text(w->mac);
	r->interface.name = text(w->name);
	r->interface.devicepath = text(w->device_path);
	r->interface.has_mtu = r->interface.has_raw_flags = 1;
	r->interface.mtu = w->mtu;
	r->interface.raw_flags = w->raw_flags;
	for (; n < MAX_ADDRESSES && w->addresses[n]; n++) {
		types__ipaddress__init(&r->addresses[n]);
		r->addresses[n].address = text(w->addresses[n]);
		r->addresses[n].mask = text(w->masks[n]);
		r->list[n] = &r->addresses[n];
	}
	r->interface.ipaddresses = r->list;
	r->interface.n_ipaddresses = n;
}

static int update(struct fixture *f, const struct wanted *w, struct err *err)
{
	struct request r;

	fill(&r, w);
	return call(f, "UpdateInterface", &r.message.base, err);
}

/* Of the answer; the reply lives as long as it is needed. */
static const Types__Interface *find(struct fixture *f, const char *name, struct reply *reply)
{
	Grpc__ListInterfacesRequest request = GRPC__LIST_INTERFACES_REQUEST__INIT;
	const Grpc__Interfaces *list;

	call_start(f, "ListInterfaces", &request.base, &grpc__interfaces__descriptor, reply);
	call_wait(f, reply);
	assert_non_null(reply->message);
	list = (const Grpc__Interfaces *)reply->message;
	for (size_t i = 0; i < list->n_interfaces; i++)
		if (strcmp(list->interfaces[i]->name, name) == 0)
			return list->interfaces[i];
	return NULL;
}

static void assert_address(
	const Types__Interface *i, const char *address, const char *mask, Types__IPFamily family)
{
	for (size_t k = 0; k < i->n_ipaddresses; k++) {
		if (strcmp(i->ipaddresses[k]->address, address) != 0)
			continue;
		assert_string_equal(i->ipaddresses[k]->mask, mask);
		assert_int_equal(i->ipaddresses[k]->family, family);
		return;
	}
	fail_msg("%s has no address %s", i->name, address);
}

static void all_links_are_listed(void **state)
{
	struct fixture *f = *state;
	const Types__Interface *i;
	struct reply reply;

	ip("link set lo up");
	ip("link add v0 address " MAC_A " mtu 1400 type veth peer name v1");
	i = find(f, "lo", &reply);
	assert_non_null(i);
	assert_int_equal(i->mtu, 65536);
	assert_string_equal(i->hwaddr, "00:00:00:00:00:00");
	assert_address(i, "127.0.0.1", "8", TYPES__IPFAMILY__v4);
	assert_address(i, "::1", "128", TYPES__IPFAMILY__v6);
	reply_fini(&reply);
	i = find(f, "v0", &reply);
	assert_non_null(i);
	assert_string_equal(i->hwaddr, "02:00:00:00:00:0A");
	assert_int_equal(i->mtu, 1400);
	assert_int_equal(i->n_ipaddresses, 0);
	reply_fini(&reply);
}

static void a_link_becomes_what_is_asked_for(void **state)
{
	struct wanted w = {.mac = "2:0:0:0:0:A",
		.name = "eth0",
		.mtu = 1400,
		.raw_flags = 0x80,
		.addresses = {"10.1.0.2", "10.2.0.1", "10.3.0.1", "fd00::2"},
		.masks = {"24", "32", "31", "64"}};
	struct fixture *f = *state;
	const Types__Interface *i;
	struct request r;
	struct reply reply;

	ip("link add v0 address " MAC_A " type veth peer name v1");
	fill(&r, &w);
	call_start(f, "UpdateInterface", &r.message.base, &types__interface__descriptor, &reply);
	call_wait(f, &reply);
	assert_string_equal(reply.err.msg, "");
	/* Verbatim. */
	i = (const Types__Interface *)reply.message;
	assert_string_equal(i->hwaddr, "2:0:0:0:0:A");
	assert_int_equal(i->n_ipaddresses, 4);
	reply_fini(&reply);
	assert_ip("link show eth0", "NOARP,UP");
	assert_ip("link show eth0", "mtu 1400");
	assert_ip("addr show eth0", "inet 10.1.0.2/24 brd 10.1.0.255 scope global");
	assert_ip("addr show eth0", "inet 10.2.0.1/32 scope global");
	assert_ip("addr show eth0", "inet 10.3.0.1/31 scope global");
	assert_ip("addr show eth0", "inet6 fd00::2/64 scope global nodad");
	w.raw_flags = 0;
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip_not("link show eth0", "NOARP");
}

static void addresses_are_replaced(void **state)
{
	struct wanted w = {.mac = MAC_A,
		.name = "v0",
		.addresses = {"10.1.0.2", "10.1.0.3", "fd00::2"},
		.masks = {"24", "24", "64"}};
	struct fixture *f = *state;

	ip("link add v0 address " MAC_A " type veth peer name v1");
	ip("link set v1 up");
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip("addr show v0", "inet6 fe80::");
	/* The first of its network goes, the second stays. */
	w.addresses[0] = "10.9.0.1";
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip_not("addr show v0", "10.1.0.2/");
	assert_ip("addr show v0", "10.1.0.3/24");
	assert_ip("addr show v0", "10.9.0.1/24");
	/* Twice is as good as once, and what is not said stays. */
	assert_int_equal(update(f, &w, NULL), 0);
	w.addresses[0] = NULL;
	w.mtu = 1300;
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip("addr show v0", "10.9.0.1/24");
	assert_ip("addr show v0", "inet6 fd00::2/64");
	assert_ip("addr show v0", "inet6 fe80::");
	assert_ip("link show v0", "mtu 1300");
}

/* Only for a new name is it taken down. */
static void a_link_with_its_name_keeps_its_routes(void **state)
{
	struct wanted w = {.mac = MAC_A, .name = "v0", .mtu = 1300};
	struct fixture *f = *state;

	ip("link add v0 address " MAC_A " type veth peer name v1");
	ip("addr add 10.1.0.2/24 dev v0");
	ip("link set v0 up");
	ip("route add 10.7.0.0/16 via 10.1.0.1");
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip("route", "10.7.0.0/16 via 10.1.0.1");
	/* Without addresses of the request the old state comes back after it. */
	w.name = "eth0";
	ip("addr add fd00::2/64 dev v0 nodad");
	ip("-6 route add fd01::/64 via fd00::1");
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip("route", "10.7.0.0/16 via 10.1.0.1 dev eth0");
	assert_ip("-6 route", "fd01::/64 via fd00::1 dev eth0");
	assert_ip("addr show eth0", "inet6 fd00::2/64");
}

static void make_pair_to_swap(void)
{
	ip("link add eth0 address " MAC_A " type veth peer name pa");
	ip("link add eth1 address " MAC_B " type veth peer name pb");
	ip("addr add 10.1.0.2/24 dev eth0");
	ip("addr add fd00::2/64 dev eth0 nodad");
	ip("link set eth0 up");
	ip("link set pa up");
	ip("route add default via 10.1.0.1");
	ip("-6 route add default via fd00::1");
}

static void a_name_that_is_taken_is_swapped(void **state)
{
	struct wanted w = {
		.mac = MAC_B, .name = "eth0", .addresses = {"10.2.0.2"}, .masks = {"24"}};
	struct fixture *f = *state;

	make_pair_to_swap();
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip("link show eth0", MAC_B);
	assert_ip("addr show eth0", "10.2.0.2/24");
	/* The other one has lost nothing. */
	assert_ip("link show eth1", MAC_A);
	assert_ip("link show eth1", ",UP");
	assert_ip("addr show eth1", "10.1.0.2/24");
	assert_ip("addr show eth1", "fd00::2/64");
	assert_ip("route", "default via 10.1.0.1 dev eth1");
	assert_ip("-6 route", "default via fd00::1 dev eth1");
}

static void a_failure_leaves_everything_as_it_was(void **state)
{
	struct wanted w = {.mac = MAC_B,
		.name = "eth0",
		.mtu = 70000,
		.addresses = {"10.2.0.2"},
		.masks = {"24"}};
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	make_pair_to_swap();
	assert_int_equal(update(f, &w, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "MTU"));
	assert_non_null(strstr(err.msg, "70000"));
	assert_ip("link show eth0", MAC_A);
	assert_ip("link show eth0", ",UP");
	assert_ip("addr show eth0", "10.1.0.2/24");
	assert_ip("addr show eth0", "fd00::2/64");
	assert_ip("route", "default via 10.1.0.1 dev eth0");
	assert_ip("-6 route", "default via fd00::1 dev eth0");
	assert_ip("link show eth1", MAC_B);
	assert_ip_not("link show eth1", ",UP");
	assert_ip_not("addr show eth1", "10.2.0.2");
	/* An address that the kernel does not take, after everything else was changed. */
	w.mtu = 1300;
	w.addresses[1] = "ff02::1";
	w.masks[1] = "64";
	assert_int_equal(update(f, &w, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "ff02::1/64"));
	assert_ip("link show eth0", MAC_A);
	assert_ip("route", "default via 10.1.0.1 dev eth0");
	assert_ip("link show eth1", "mtu 1500");
	assert_ip_not("addr show eth1", "10.2.0.2");
}

static void nonsense_is_refused(void **state)
{
	static const struct wanted rows[] = {
		{.mac = NULL, .name = "eth0"},
		{.mac = "", .name = "eth0"},
		{.mac = "02:00:00:00:00", .name = "eth0"},
		{.mac = MAC_A ":00", .name = "eth0"},
		{.mac = "02:00:00:00:00:0g", .name = "eth0"},
		{.mac = MAC_A, .name = "name-of-16-bytes"},
		{.mac = MAC_A, .name = "a/b"},
		{.mac = MAC_A, .name = "a b"},
		{.mac = MAC_A, .name = ".."},
		{.mac = MAC_A, .name = "eth%d"},
		{.mac = MAC_A, .name = "lo"},
		{.mac = MAC_A, .name = "eth0", .device_path = "20/00/../.."},
		{.mac = MAC_A, .name = "eth0", .mtu = UINT64_C(1) << 32},
		{.mac = MAC_A, .name = "eth0", .addresses = {"10.0.0"}, .masks = {"8"}},
		{.mac = MAC_A, .name = "eth0", .addresses = {"10.0.0.1"}, .masks = {"33"}},
		{.mac = MAC_A, .name = "eth0", .addresses = {"10.0.0.1"}, .masks = {""}},
		{.mac = MAC_A, .name = "eth0", .addresses = {"10.0.0.1"}, .masks = {"255.0.0.0"}},
		{.mac = MAC_A, .name = "eth0", .addresses = {"10.0.0.1/8"}, .masks = {"8"}},
		{.mac = MAC_A, .name = "eth0", .addresses = {"fd00::1"}, .masks = {"129"}},
	};
	Grpc__UpdateInterfaceRequest empty = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	ip("link add v0 address " MAC_A " type veth peer name v1");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(update(f, &rows[i], &err), WIRE_INVALID_ARGUMENT);
	assert_int_equal(call(f, "UpdateInterface", &empty.base, &err), WIRE_INVALID_ARGUMENT);
	assert_ip("link show v0", MAC_A);
	assert_ip_not("link show v0", ",UP");
}

static void a_link_of_that_name_takes_the_address_on(void **state)
{
	struct wanted w = {.mac = MAC_B, .name = "eth0"};
	struct fixture *f = *state;

	ip("link add eth0 address " MAC_A " type veth peer name v1");
	ip("link set eth0 up");
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip("link show eth0", MAC_B);
	assert_ip("link show eth0", ",UP");
}

/* A bridge takes over the address of its first port. */
static void a_card_goes_before_what_is_made_of_it(void **state)
{
	struct wanted w = {.mac = MAC_A, .name = "v0", .mtu = 1300};
	struct fixture *f = *state;

	ip("link add br0 address " MAC_A " type bridge");
	ip("link add v0 address " MAC_A " type veth peer name v1");
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip("link show v0", "mtu 1300");
	assert_ip("link show br0", MAC_A);
}

static void assert_health(struct fixture *f)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

	assert_int_equal(call(f, "Check", &request.base, NULL), 0);
}

static void a_link_that_is_plugged_in_later_is_waited_for(void **state)
{
	struct wanted w = {.mac = MAC_A,
		.name = "eth0",
		.device_path = "02/00",
		.addresses = {"10.1.0.2"},
		.masks = {"24"}};
	struct wanted other = {.mac = MAC_B, .name = "v8"};
	struct fixture *f = *state;
	struct request r;
	struct reply reply;

	ip("link add v8 address " MAC_B " type veth peer name v9");
	fill(&r, &w);
	call_start(f, "UpdateInterface", &r.message.base, NULL, &reply);
	/* Others are served meanwhile, and their links are not taken for it. */
	assert_health(f);
	assert_int_equal(update(f, &other, NULL), 0);
	assert_false(reply.done);
	ip("link add v0 address " MAC_A " type veth peer name v1");
	call_wait(f, &reply);
	assert_string_equal(reply.err.msg, "");
	assert_ip("addr show eth0", "10.1.0.2/24");
}

/* A directory where the PCI devices of the machine were, in the test's mount namespace. */
static void make_device_directory(const char *link)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/pci0000:00/0000:00:05.0/virtio7/net/%s", link);
	assert_int_equal(path_mkdir(path, 0755), 0);
}

static void a_device_says_which_link_it_is(void **state)
{
	struct wanted w = {.mac = MAC_B, .name = "eth0", .device_path = "05"};
	struct fixture *f = *state;
	struct request r;
	struct reply reply;

	assert_int_equal(mount("sys", "/sys/devices", "tmpfs", 0, NULL), 0);
	/* The address is somebody else's too. */
	ip("link add other address " MAC_B " type veth peer name v1");
	make_device_directory("v2");
	ip("link add v2 address " MAC_A " type veth peer name v3");
	ip("link set v2 up");
	assert_int_equal(update(f, &w, NULL), 0);
	assert_ip("link show eth0", MAC_B);
	assert_ip("link show eth0", ",UP");
	assert_ip("link show other", MAC_B);
	/* Plugged in only now, with an address of its own. */
	assert_int_equal(path_remove_tree(AT_FDCWD, "/sys/devices/pci0000:00"), 0);
	w.mac = "02:00:00:00:00:0c";
	w.name = "eth1";
	fill(&r, &w);
	call_start(f, "UpdateInterface", &r.message.base, NULL, &reply);
	assert_health(f);
	make_device_directory("v4");
	ip("link add v4 address " MAC_A " type veth peer name v5");
	call_wait(f, &reply);
	assert_string_equal(reply.err.msg, "");
	assert_ip("link show eth1", "02:00:00:00:00:0c");
	assert_int_equal(umount2("/sys/devices", MNT_DETACH), 0);
}

static void a_link_that_gets_the_address_later_is_found(void **state)
{
	struct wanted w = {.mac = MAC_A, .name = "eth0"};
	struct fixture *f = *state;
	struct request r;
	struct reply replies[3];

	ip("link add v0 address " MAC_B " type veth peer name v1");
	fill(&r, &w);
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		call_start(f, "UpdateInterface", &r.message.base, NULL, &replies[i]);
	assert_health(f);
	ip("link set v0 address " MAC_A);
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		call_wait(f, &replies[i]);
		assert_string_equal(replies[i].err.msg, "");
	}
	assert_ip("link show eth0", MAC_A);
}

static void a_link_that_never_comes_is_said_so(void **state)
{
	/* A plugged link is not made of one that is there. */
	struct wanted w = {.mac = MAC_A, .name = "eth0", .device_path = "02/00"};
	struct fixture *f = *state;
	int64_t begin_ns = clock_now_ns();
	struct err err = ERR_INIT;
	size_t n_fds;

	assert_health(f);
	n_fds = fixture_count_fds(f);
	ip("link add eth0 address " MAC_B " type veth peer name v1");
	assert_int_equal(update(f, &w, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "Link not found"));
	assert_non_null(strstr(err.msg, "02:00:00:00:00:0A"));
	assert_non_null(strstr(err.msg, "PCI path 02/00"));
	assert_true(clock_now_ns() - begin_ns >= 3 * NS_PER_S);
	assert_ip("link show eth0", MAC_B);
	assert_int_equal(fixture_count_fds(f), n_fds);
}

static void who_leaves_is_forgotten(void **state)
{
	struct wanted w = {.mac = MAC_A, .name = "eth0"};
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	size_t n_fds;
	struct request r;
	struct reply replies[10];

	assert_health(f);
	n_fds = fixture_count_fds(f);
	fill(&r, &w);
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		call_start_on(f, other, "UpdateInterface", &r.message.base, 0, NULL, &replies[i]);
	assert_health(f);
	ttrpc_client_free(other);
	/* What is at work is left to its end, and nothing is begun any more. */
	while (fixture_count_fds(f) >= n_fds)
		assert_health(f);
	ip("link add v0 address " MAC_A " type veth peer name v1");
	assert_health(f);
	assert_ip("link show v0", MAC_A);
}

static void waiting_ends_with_the_calls_time_and_with_the_agent(void **state)
{
	struct wanted w = {.mac = MAC_A, .name = "eth0"};
	struct fixture *f = *state;
	static struct reply left;
	struct request r;
	struct reply reply;

	fill(&r, &w);
	call_start_on(f, f->client, "UpdateInterface", &r.message.base, NS_PER_S / 5, NULL, &reply);
	call_wait(f, &reply);
	assert_int_equal(wire_status_of(&reply.err), WIRE_DEADLINE_EXCEEDED);
	/* Tear-down finds an agent that ends as ever. */
	call_start(f, "UpdateInterface", &r.message.base, NULL, &left);
	assert_health(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		net_test(all_links_are_listed),
		net_test(a_link_becomes_what_is_asked_for),
		net_test(addresses_are_replaced),
		net_test(a_link_with_its_name_keeps_its_routes),
		net_test(a_name_that_is_taken_is_swapped),
		net_test(a_failure_leaves_everything_as_it_was),
		net_test(nonsense_is_refused),
		net_test(a_link_of_that_name_takes_the_address_on),
		net_test(a_card_goes_before_what_is_made_of_it),
		net_test(a_link_that_is_plugged_in_later_is_waited_for),
		net_test(a_device_says_which_link_it_is),
		net_test(a_link_that_gets_the_address_later_is_found),
		net_test(a_link_that_never_comes_is_said_so),
		net_test(who_leaves_is_forgotten),
		net_test(waiting_ends_with_the_calls_time_and_with_the_agent),
	};

	net_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
