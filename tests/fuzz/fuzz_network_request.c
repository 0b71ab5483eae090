/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts in requests about the network. Lines: name, address, prefix, hardware address, device,
 * and a route's destination, gateway and source; first a byte for the families.
 */
#include <assert.h>
#include <string.h>

#include "agent/network/interface_request.h"
#include "agent/network/route_request.h"
#include "text.h"

enum { NAME, ADDRESS, PREFIX, MAC, DEVICE, DEST, GATEWAY, SOURCE, N_LINES };

static void check_address(const struct ip_address *ip)
{
	char text[IP_ADDRESS_TEXT_SIZE];
	struct ip_address again;

	assert(ip->prefix <= 8 * ip_address_size(ip->family));
	assert(ip_address_parse(ip_address_format(ip, true, text), true, &again));
	assert(ip_address_is_same(ip, &again) && again.prefix == ip->prefix);
}

static void read_interface(char **lines, Types__IPFamily family)
{
	Types__IPAddress address = TYPES__IPADDRESS__INIT, *addresses[] = {&address};
	Types__Interface i = TYPES__INTERFACE__INIT;
	struct interface_request request;
	char mac[MAC_ADDRESS_TEXT_SIZE];
	struct mac_address again;

	i.name = lines[NAME];
	i.hwaddr = lines[MAC];
	i.devicepath = lines[DEVICE];
	i.ipaddresses = addresses;
	i.n_ipaddresses = lines[ADDRESS] ? 1 : 0;
	address.has_family = 1;
	address.family = family;
	address.address = lines[ADDRESS];
	address.mask = lines[PREFIX];
	if (interface_request_parse(&i, &request, NULL) < 0)
		return;
	assert(strlen(request.name) < 16 && !strchr(request.name, '/'));
	for (size_t n = 0; n < request.n_addresses; n++)
		check_address(&request.addresses[n]);
	if (request.mac.len > 0)
		assert(mac_address_parse(mac_address_format(&request.mac, mac), &again) &&
			mac_address_is_same(&request.mac, &again));
	interface_request_fini(&request);
}

static void read_route(char **lines, Types__IPFamily family)
{
	Types__Route route = TYPES__ROUTE__INIT;
	struct rtnl_route parsed;

	route.has_family = 1;
	route.family = family;
	route.dest = lines[DEST];
	route.gateway = lines[GATEWAY];
	route.source = lines[SOURCE];
	route.device = lines[NAME];
	(void)!route_request_parse(&route, &parsed, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *lines[N_LINES] = {NULL}, *text, *rest;
	Types__IPFamily family;

	if (size == 0)
		return 0;
	family = data[0] & 1 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	rest = text = fuzz_text(data + 1, size - 1);
	for (size_t i = 0; i < N_LINES; i++)
		lines[i] = strsep(&rest, "\n");
	read_interface(lines, family);
	read_route(lines, family);
	free(text);
	return 0;
}
