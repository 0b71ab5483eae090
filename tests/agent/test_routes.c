/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateRoutes, ListRoutes and AddARPNeighbors. */
#include <stdio.h>

#include "net.h"

enum { MAX_ROUTES = 8 };

struct wanted {
	const char *dest, *gateway, *device, *source;
	uint32_t scope, flags, mtu;
	bool is_v6;
};

/* reply NULL: not looked at. */
static int update(struct fixture *f, const struct wanted *rows, size_t n, struct reply *reply,
	struct err *err)
{
	Grpc__UpdateRoutesRequest request = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Types__Route routes[MAX_ROUTES], *list[MAX_ROUTES];
	Grpc__Routes all = GRPC__ROUTES__INIT;
	struct reply own;

	for (size_t i = 0; i < n; i++) {
		types__route__init(&routes[i]);
		routes[i].dest = text(rows[i].dest);
		routes[i].gateway = text(rows[i].gateway);
		routes[i].device = text(rows[i].device);
		routes[i].source = text(rows[i].source);
		routes[i].has_scope = routes[i].has_flags = routes[i].has_mtu =
			routes[i].has_family = 1;
		routes[i].scope = rows[i].scope;
		routes[i].flags = rows[i].flags;
		routes[i].mtu = rows[i].mtu;
		routes[i].family = rows[i].is_v6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
		list[i] = &routes[i];
	}
	all.routes = list;
	all.n_routes = n;
	request.routes = &all;
	if (!reply)
		reply = &own;
	call_start(f, "UpdateRoutes", &request.base, &grpc__routes__descriptor, reply);
	call_wait(f, reply);
	if (err)
		*err = reply->err;
	if (reply == &own)
		reply_fini(reply);
	return err_is_set(&reply->err) ? (int)wire_status_of(&reply->err) : 0;
}

static const Types__Route *find(const struct reply *reply, const char *dest, const char *device)
{
	const Grpc__Routes *list = (const Grpc__Routes *)reply->message;

	for (size_t i = 0; i < list->n_routes; i++)
		if (strcmp(list->routes[i]->dest, dest) == 0 &&
			strcmp(list->routes[i]->device, device) == 0)
			return list->routes[i];
	return NULL;
}

static void make_link(void)
{
	ip("link add v0 type veth peer name v1");
	ip("link set v0 up");
	ip("link set v1 up");
	ip("addr add 10.1.0.2/24 dev v0");
	ip("addr add fd00::2/64 dev v0 nodad");
}

static void routes_are_added_in_an_order_that_works(void **state)
{
	static const struct wanted rows[] = {
		/* Needs the next one, and that the last but one. */
		{.dest = "", .gateway = "192.168.7.1", .device = "v0", .mtu = 1200},
		{.dest = "192.168.7.0/24", .device = "v0", .scope = 253, .source = "10.1.0.2"},
		{.dest = "10.8.0.0/16", .gateway = "10.77.0.1", .device = "v0", .flags = 4 | 16},
		{.dest = "10.9.0.1", .gateway = "10.1.0.1"},
		{.dest = "fd09::/64", .gateway = "fd00::1", .device = "v0", .is_v6 = true},
		{.gateway = "fd00::1", .device = "v0", .is_v6 = true},
	};
	struct fixture *f = *state;
	const Types__Route *r;
	struct reply reply;

	make_link();
	assert_int_equal(update(f, rows, ARRAY_SIZE(rows), &reply, NULL), 0);
	assert_ip("route", "default via 192.168.7.1 dev v0");
	assert_ip("route show default", "mtu 1200");
	assert_ip("route", "192.168.7.0/24 dev v0 scope link src 10.1.0.2");
	assert_ip("route", "10.8.0.0/16 via 10.77.0.1 dev v0 onlink");
	assert_ip("route", "10.9.0.1 via 10.1.0.1 dev v0");
	assert_ip("-6 route", "fd09::/64 via fd00::1 dev v0");
	assert_ip("-6 route", "default via fd00::1 dev v0");
	/* The answer is what is there now. */
	r = find(&reply, "0.0.0.0/0", "v0");
	assert_true(r && strcmp(r->gateway, "192.168.7.1") == 0 && r->mtu == 1200);
	r = find(&reply, "192.168.7.0/24", "v0");
	assert_true(r && strcmp(r->source, "10.1.0.2") == 0 && r->scope == 253);
	r = find(&reply, "10.8.0.0/16", "v0");
	assert_true(r && r->flags == 4);
	r = find(&reply, "::/0", "v0");
	assert_true(r && strcmp(r->gateway, "fd00::1") == 0 && r->family == TYPES__IPFAMILY__v6);
	assert_non_null(find(&reply, "10.1.0.0/24", "v0"));
	reply_fini(&reply);
	/* Again is no error, and another replaces it. */
	assert_int_equal(update(f, rows, ARRAY_SIZE(rows), NULL, NULL), 0);
	assert_int_equal(
		update(f, &(struct wanted){.gateway = "10.1.0.9", .device = "v0"}, 1, NULL, NULL),
		0);
	assert_ip("route show default", "default via 10.1.0.9 dev v0");
	assert_ip_not("route show default", "192.168.7.1");
}

/* What is listed can be given to another guest. */
static void a_list_can_be_sent_back(void **state)
{
	Grpc__ListRoutesRequest request = GRPC__LIST_ROUTES_REQUEST__INIT;
	Grpc__UpdateRoutesRequest again = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	struct fixture *f = *state;
	struct reply reply;
	char before[4096], before_v6[4096];

	make_link();
	ip("route add default via 10.1.0.1");
	ip("route add 10.8.0.0/16 via 10.1.0.1 src 10.1.0.2 mtu 1300");
	ip("-6 route add default via fd00::1");
	ip("route add 10.66.0.0/16 dev v0 table 66");
	ip("route add blackhole 10.67.0.0/16");
	snprintf(before, sizeof(before), "%s", ip_output("route show proto boot"));
	snprintf(before_v6, sizeof(before_v6), "%s", ip_output("-6 route show proto boot"));
	call_start(f, "ListRoutes", &request.base, &grpc__routes__descriptor, &reply);
	call_wait(f, &reply);
	assert_non_null(reply.message);
	/* Of other tables and kinds nothing is said. */
	assert_null(find(&reply, "10.66.0.0/16", "v0"));
	assert_null(find(&reply, "10.67.0.0/16", ""));
	ip("route del default");
	ip("route del 10.8.0.0/16");
	ip("-6 route del default");
	again.routes = (Grpc__Routes *)reply.message;
	assert_int_equal(call(f, "UpdateRoutes", &again.base, NULL), 0);
	assert_ip("route show proto boot", "10.8.0.0/16 via 10.1.0.1 dev v0 src 10.1.0.2 mtu 1300");
	assert_ip("route show proto boot", "default via 10.1.0.1 dev v0");
	assert_ip("-6 route show proto boot", "default via fd00::1 dev v0");
	reply_fini(&reply);
}

static void a_failure_takes_all_back(void **state)
{
	static const struct wanted rows[] = {
		{.dest = "10.3.0.0/16", .device = "v0", .scope = 253},
		{.dest = "10.4.0.0/16", .gateway = "10.1.0.7", .device = "v0"},
		{.dest = "", .gateway = "10.1.0.8", .device = "v0"},
		{.gateway = "fd00::8", .device = "v0", .is_v6 = true},
		{.dest = "10.5.0.0/16", .gateway = "10.99.0.1", .device = "v0"},
	};
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	make_link();
	ip("route add default via 10.1.0.1 mtu 1234");
	ip("route add 10.4.0.0/16 dev v0 scope link");
	ip("-6 route add default via fd00::1");
	assert_int_equal(update(f, rows, ARRAY_SIZE(rows), NULL, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "10.5.0.0/16"));
	assert_non_null(strstr(err.msg, "unreachable"));
	assert_ip_not("route", "10.3.0.0/16");
	assert_ip("route", "10.4.0.0/16 dev v0 scope link");
	assert_ip_not("route", "10.1.0.7");
	assert_ip("route show default", "default via 10.1.0.1 dev v0 mtu 1234");
	assert_ip_not("route", "10.1.0.8");
	assert_ip("-6 route show default", "via fd00::1");
	assert_ip_not("-6 route show default", "fd00::8");
}

static void nonsense_is_refused(void **state)
{
	static const struct wanted rows[] = {
		{.dest = "10.0.0.0/33", .device = "v0"},
		{.dest = "10.0.0/8", .device = "v0"},
		{.dest = "fd00::/129", .device = "v0", .is_v6 = true},
		{.dest = "10.0.0.0/8", .device = "v0", .is_v6 = true},
		{.dest = "10.0.0.0/8", .gateway = "fd00::1", .device = "v0"},
		{.dest = "10.0.0.0/8", .gateway = "10.1.0.1/24", .device = "v0"},
		{.dest = "10.0.0.0/8", .source = "nowhere", .device = "v0"},
		{.dest = "10.0.0.0/8"},
	};
	static const struct wanted unknown = {.dest = "10.5.0.0/16", .device = "nosuch"};
	Grpc__UpdateRoutesRequest empty = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	make_link();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(update(f, &rows[i], 1, NULL, &err), WIRE_INVALID_ARGUMENT);
	assert_int_equal(call(f, "UpdateRoutes", &empty.base, &err), WIRE_INVALID_ARGUMENT);
	assert_int_equal(update(f, &unknown, 1, NULL, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "nosuch"));
	assert_int_equal(update(f, NULL, 0, NULL, &err), 0);
}

struct neighbor {
	const char *ip, *device, *mac;
	int32_t state, flags;
};

static int add(struct fixture *f, const struct neighbor *rows, size_t n, struct err *err)
{
	Grpc__AddARPNeighborsRequest request = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Types__ARPNeighbor neighbors[MAX_ROUTES], *list[MAX_ROUTES];
	Grpc__ARPNeighbors all = GRPC__ARPNEIGHBORS__INIT;
	Types__IPAddress addresses[MAX_ROUTES];

	for (size_t i = 0; i < n; i++) {
		types__arpneighbor__init(&neighbors[i]);
		types__ipaddress__init(&addresses[i]);
		addresses[i].address = text(rows[i].ip);
		neighbors[i].toipaddress = rows[i].ip ? &addresses[i] : NULL;
		neighbors[i].device = text(rows[i].device);
		neighbors[i].lladdr = text(rows[i].mac);
		neighbors[i].has_state = neighbors[i].has_flags = 1;
		neighbors[i].state = rows[i].state;
		neighbors[i].flags = rows[i].flags;
		list[i] = &neighbors[i];
	}
	all.arpneighbors = list;
	all.n_arpneighbors = n;
	request.neighbors = &all;
	return call(f, "AddARPNeighbors", &request.base, err);
}

static void neighbors_are_added(void **state)
{
	static const struct neighbor rows[] = {
		{.ip = "10.1.0.1", .device = "v0", .mac = "02:00:00:00:00:01"},
		{.ip = "10.1.0.3", .device = "v0", .mac = "02:00:00:00:00:03", .state = 4},
		{.ip = "fd00::1", .device = "v0", .mac = "02:00:00:00:00:01", .flags = 0x80},
	};
	static const struct neighbor again = {
		.ip = "10.1.0.1", .device = "v0", .mac = "02:00:00:00:00:09"};
	struct fixture *f = *state;

	make_link();
	assert_int_equal(add(f, rows, ARRAY_SIZE(rows), NULL), 0);
	assert_ip("neigh", "10.1.0.1 dev v0 lladdr 02:00:00:00:00:01 PERMANENT");
	assert_ip("neigh", "10.1.0.3 dev v0 lladdr 02:00:00:00:00:03 STALE");
	assert_ip("neigh", "fd00::1 dev v0 lladdr 02:00:00:00:00:01 router PERMANENT");
	assert_int_equal(add(f, &again, 1, NULL), 0);
	assert_ip("neigh", "10.1.0.1 dev v0 lladdr 02:00:00:00:00:09 PERMANENT");
}

static void neighbors_come_all_or_none(void **state)
{
	static const struct neighbor rows[] = {
		{.ip = "10.1.0.1", .device = "v0", .mac = "02:00:00:00:00:09"},
		{.ip = "10.1.0.2", .device = "v0", .mac = "02:00:00:00:00:02"},
		/* The kernel wants an address for a state that says there is one. */
		{.ip = "10.1.0.4", .device = "v0"},
	};
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	make_link();
	ip("neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 dev v0");
	assert_int_equal(add(f, rows, ARRAY_SIZE(rows), &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "10.1.0.4"));
	assert_ip("neigh", "10.1.0.1 dev v0 lladdr 02:00:00:00:00:01 PERMANENT");
	assert_ip_not("neigh", "10.1.0.2");
}

static void nonsense_of_neighbors_is_refused(void **state)
{
	static const struct neighbor rows[] = {
		{.ip = NULL, .device = "v0"},
		{.ip = "", .device = "v0"},
		{.ip = "10.1.0.1/24", .device = "v0"},
		{.ip = "10.1.0.1", .device = "v0", .mac = "02:00"},
		{.ip = "10.1.0.1", .device = "v0", .state = 65536},
		{.ip = "10.1.0.1", .device = "v0", .state = -1},
	};
	static const struct neighbor unknown = {.ip = "10.1.0.1", .device = "nosuch"};
	Grpc__AddARPNeighborsRequest empty = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	make_link();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(add(f, &rows[i], 1, &err), WIRE_INVALID_ARGUMENT);
	assert_int_equal(call(f, "AddARPNeighbors", &empty.base, &err), WIRE_INVALID_ARGUMENT);
	assert_int_equal(add(f, &unknown, 1, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "nosuch"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		net_test(routes_are_added_in_an_order_that_works),
		net_test(a_list_can_be_sent_back),
		net_test(a_failure_takes_all_back),
		net_test(nonsense_is_refused),
		net_test(neighbors_are_added),
		net_test(neighbors_come_all_or_none),
		net_test(nonsense_of_neighbors_is_refused),
	};

	net_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
