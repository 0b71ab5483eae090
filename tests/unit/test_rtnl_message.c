/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is read back: the kernel's own messages have the same form (agent/test_interfaces
 * and agent/test_routes see those). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "linux/rtnl_message.h"

static struct ip_address ip(const char *text)
{
	struct ip_address ip;

	assert_true(ip_address_parse(text, true, &ip));
	return ip;
}

static struct mac_address mac(const char *text)
{
	struct mac_address mac;

	assert_true(mac_address_parse(text, &mac));
	return mac;
}

/* The one message of a request. */
static struct rtnl_message only(const struct rtnl_request *q)
{
	struct slice rest = slice_of(q->bytes, q->len);
	struct rtnl_message m;

	assert_int_equal(rtnl_next_message(&rest, &m), 1);
	assert_int_equal(rest.len, 0);
	assert_true(m.flags & NLM_F_REQUEST);
	return m;
}

static void a_link_is_what_was_written(void **state)
{
	struct mac_address address = mac("02:00:00:00:00:01");
	struct rtnl_link_change change = {.index = 7,
		.flags = IFF_UP,
		.flags_mask = IFF_UP | IFF_NOARP,
		.mtu = 1400,
		.name = "name-of-15-byte",
		.mac = &address};
	struct rtnl_request q;
	struct rtnl_link link;
	struct ifinfomsg header;

	(void)state;
	rtnl_encode_link(&change, &q);
	assert_int_equal(only(&q).type, RTM_NEWLINK);
	memcpy(&header, only(&q).body.p, sizeof(header));
	assert_int_equal(header.ifi_change, IFF_UP | IFF_NOARP);
	assert_int_equal(rtnl_decode_link(only(&q).body, &link), 0);
	assert_int_equal(link.index, 7);
	assert_int_equal(link.flags, IFF_UP);
	assert_int_equal(link.mtu, 1400);
	assert_string_equal(link.name, "name-of-15-byte");
	assert_true(mac_address_is_same(&link.mac, &address));
	assert_false(link.is_virtual);
}

static void an_address_is_what_was_written(void **state)
{
	static const struct {
		const char *ip, *broadcast; /* NULL: none */
	} rows[] = {
		{"10.1.2.3/24", "10.1.2.255"},
		{"10.1.2.3/0", "255.255.255.255"},
		{"10.1.2.1/30", "10.1.2.3"},
		{"10.1.2.2/31", NULL},
		{"10.1.2.3/32", NULL},
		{"fd00::2/64", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rtnl_addr addr = {.index = 3, .ip = ip(rows[i].ip), .flags = 0x202}, got;
		struct ip_address broadcast;
		struct rtnl_request q;

		rtnl_encode_addr(RTM_NEWADDR, NLM_F_CREATE, &addr, &q);
		assert_int_equal(rtnl_decode_addr(only(&q).body, &got), 0);
		assert_int_equal(got.index, 3);
		assert_int_equal(got.flags, 0x202);
		assert_int_equal(got.ip.prefix, addr.ip.prefix);
		assert_true(ip_address_is_same(&got.ip, &addr.ip));
		if (!rows[i].broadcast) {
			assert_int_equal(q.len, addr.ip.family == AF_INET6 ? 72 : 48);
			continue;
		}
		broadcast = ip(rows[i].broadcast);
		assert_non_null(memmem(q.bytes, q.len, broadcast.bytes, 4));
		assert_int_equal(q.len, 56);
	}
}

static void a_route_is_what_was_written(void **state)
{
	struct rtnl_route route = {.family = AF_INET6,
		.dest = ip("fd01::/64"),
		.gateway = ip("fd00::1"),
		.source = ip("fd00::2"),
		.from = ip("fd02::/48"),
		.index = 9,
		.priority = 77,
		.scope = 253,
		.flags = RTNH_F_ONLINK,
		.mtu = 1280};
	struct rtnl_request q;
	struct rtnl_route got;

	(void)state;
	rtnl_encode_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route, &q);
	assert_int_equal(only(&q).flags, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE);
	assert_int_equal(rtnl_decode_route(only(&q).body, &got), 0);
	assert_int_equal(got.dest.prefix, 64);
	assert_true(ip_address_is_same(&got.dest, &route.dest));
	assert_true(ip_address_is_same(&got.gateway, &route.gateway));
	assert_true(ip_address_is_same(&got.source, &route.source));
	assert_int_equal(got.from.prefix, 48);
	assert_int_equal(got.index, 9);
	assert_int_equal(got.priority, 77);
	assert_int_equal(got.table, RT_TABLE_MAIN);
	assert_int_equal(got.type, RTN_UNICAST);
	assert_int_equal(got.protocol, RTPROT_BOOT);
	assert_int_equal(got.scope, 253);
	assert_int_equal(got.flags, RTNH_F_ONLINK);
	assert_int_equal(got.mtu, 1280);
	/* The default route has no destination. */
	route = (struct rtnl_route){.family = AF_INET, .gateway = ip("10.0.0.1"), .index = 9};
	rtnl_encode_route(RTM_DELROUTE, 0, &route, &q);
	assert_int_equal(rtnl_decode_route(only(&q).body, &got), 0);
	assert_int_equal(got.dest.family, AF_UNSPEC);
	assert_int_equal(got.protocol, RTPROT_UNSPEC);
	assert_int_equal(got.mtu, 0);
}

static void a_neighbor_is_what_was_written(void **state)
{
	struct rtnl_neighbor n = {.index = 4,
		.ip = ip("10.0.0.1"),
		.mac = mac("02:00:00:00:00:01"),
		.state = NUD_PERMANENT,
		.flags = NTF_ROUTER};
	struct rtnl_neighbor got;
	struct rtnl_request q;

	(void)state;
	rtnl_encode_neighbor(RTM_NEWNEIGH, NLM_F_CREATE, &n, &q);
	assert_int_equal(rtnl_decode_neighbor(only(&q).body, &got), 0);
	assert_int_equal(got.index, 4);
	assert_int_equal(got.state, NUD_PERMANENT);
	assert_int_equal(got.flags, NTF_ROUTER);
	assert_true(ip_address_is_same(&got.ip, &n.ip));
	assert_true(mac_address_is_same(&got.mac, &n.mac));
}

/* Cut short at each byte, and with each byte changed: refused, or read within its bounds (which the
 * sanitizers watch over, for the copy has no byte too many). */
static void mangled_messages_stay_within_their_bounds(void **state)
{
	struct rtnl_route route = {.family = AF_INET,
		.dest = ip("10.2.0.0/16"),
		.gateway = ip("10.0.0.1"),
		.index = 2,
		.mtu = 1400};
	struct rtnl_request q;
	struct rtnl_route got;
	struct slice body;

	(void)state;
	rtnl_encode_route(RTM_NEWROUTE, 0, &route, &q);
	body = only(&q).body;
	for (size_t len = 0; len <= body.len; len++)
		for (size_t at = 0; at < len; at++) {
			uint8_t *copy = malloc(len);

			memcpy(copy, body.p, len);
			copy[at] ^= 0xff;
			if (rtnl_decode_route(slice_of(copy, len), &got) == 0)
				assert_true(len >= sizeof(struct rtmsg));
			free(copy);
		}
	assert_int_equal(rtnl_decode_route(slice_of(NULL, 0), &got), -EBADMSG);
	assert_int_equal(
		rtnl_decode_route(slice_of(body.p, sizeof(struct rtmsg) - 1), &got), -EBADMSG);
	/* An attribute that goes past the end. */
	assert_int_equal(rtnl_decode_route(slice_of(body.p, body.len - 4), &got), -EBADMSG);
}

static void lengths_of_messages_are_checked(void **state)
{
	static const uint32_t bad[] = {0, 1, sizeof(struct nlmsghdr) - 1, 21, UINT32_MAX};
	_Alignas(4) uint8_t bytes[20] = {0};
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)bytes;
	struct rtnl_message m;
	struct slice rest;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		h->nlmsg_len = bad[i];
		rest = slice_of(bytes, sizeof(bytes));
		assert_int_equal(rtnl_next_message(&rest, &m), -EBADMSG);
	}
	for (size_t len = 1; len < sizeof(*h); len++) {
		rest = slice_of(bytes, len);
		assert_int_equal(rtnl_next_message(&rest, &m), -EBADMSG);
	}
	/* The padding of the last one may be missing. */
	h->nlmsg_len = 17;
	rest = slice_of(bytes, 17);
	assert_int_equal(rtnl_next_message(&rest, &m), 1);
	assert_int_equal(m.body.len, 1);
	assert_int_equal(rtnl_next_message(&rest, &m), 0);
}

static void names_and_addresses_of_links_are_checked(void **state)
{
	static const struct {
		uint16_t type;
		uint16_t len;
		const char *value;
		int r;
	} rows[] = {
		{IFLA_IFNAME, 5, "eth0", 0}, {IFLA_IFNAME, 4, "eth0", -EBADMSG}, /* no NUL */
		{IFLA_IFNAME, 5,
			"et\0"
			"0",
			-EBADMSG},
		{IFLA_IFNAME, 1, "", -EBADMSG}, {IFLA_IFNAME, 0, "", -EBADMSG},
		{IFLA_IFNAME, 17, "name-of-16-bytes", -EBADMSG},
		{IFLA_MTU, 2, "xx", -EBADMSG}, /* and no name */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rtattr a = {
			.rta_type = rows[i].type, .rta_len = (uint16_t)(sizeof(a) + rows[i].len)};
		struct ifinfomsg header = {.ifi_index = 1};
		uint8_t bytes[64];
		struct rtnl_link link;

		memcpy(bytes, &header, sizeof(header));
		memcpy(bytes + sizeof(header), &a, sizeof(a));
		memcpy(bytes + sizeof(header) + sizeof(a), rows[i].value, rows[i].len);
		assert_int_equal(
			rtnl_decode_link(
				slice_of(bytes, sizeof(header) + sizeof(a) + rows[i].len), &link),
			rows[i].r);
	}
}

static void the_kernels_words_are_made_printable(void **state)
{
	struct {
		struct nlmsgerr error;
		struct rtattr a;
		char words[200];
	} body = {.error = {.error = -EINVAL, .msg = {.nlmsg_len = sizeof(struct nlmsghdr)}},
		.a = {.rta_type = NLMSGERR_ATTR_MSG, .rta_len = sizeof(body) - sizeof(body.error)}};
	struct rtnl_message m = {.type = NLMSG_ERROR,
		.flags = NLM_F_ACK_TLVS,
		.body = {(uint8_t *)&body, sizeof(body)}};
	char why[RTNL_WHY_SIZE];
	int code = 1;

	(void)state;
	snprintf(body.words, sizeof(body.words), "Bad\n\033[2Jmtu");
	assert_int_equal(rtnl_decode_error(&m, &code, why), 0);
	assert_int_equal(code, -EINVAL);
	assert_string_equal(why, "Bad??[2Jmtu");
	memset(body.words, 'x', sizeof(body.words));
	assert_int_equal(rtnl_decode_error(&m, &code, why), 0);
	assert_int_equal(strlen(why), RTNL_WHY_SIZE - 1);
	/* It says that more of our request follows than there is. */
	body.error.msg.nlmsg_len = 4000;
	assert_int_equal(rtnl_decode_error(&m, &code, why), -EBADMSG);
	m.flags |= NLM_F_CAPPED;
	assert_int_equal(rtnl_decode_error(&m, &code, why), 0);
	body.error.error = 5;
	assert_int_equal(rtnl_decode_error(&m, &code, why), -EBADMSG);
	m.body.len = 3;
	assert_int_equal(rtnl_decode_error(&m, &code, why), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_what_was_written),
		cmocka_unit_test(an_address_is_what_was_written),
		cmocka_unit_test(a_route_is_what_was_written),
		cmocka_unit_test(a_neighbor_is_what_was_written),
		cmocka_unit_test(mangled_messages_stay_within_their_bounds),
		cmocka_unit_test(lengths_of_messages_are_checked),
		cmocka_unit_test(names_and_addresses_of_links_are_checked),
		cmocka_unit_test(the_kernels_words_are_made_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
