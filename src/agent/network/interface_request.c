/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network/interface_request.h"

#include <net/if.h>
#include <string.h>

#include "agent/rpc.h"
#include "wire/status.h"

/* The kernel's rule for names of links. */
static bool is_valid_name(const char *name)
{
	if (strlen(name) >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || strchr("/:%", *name) || *name == 0x7f)
			return false;
	return true;
}

static int parse_address(const Types__IPAddress *from, struct ip_address *ret, struct err *err)
{
	const char *address = rpc_str(from->address), *mask = rpc_str(from->mask);

	if (!ip_address_parse(address, false, ret))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"interface: \"%s\" is no IP address", address);
	if (!ip_address_parse_prefix(mask, ret->family, &ret->prefix))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"interface: address %s: \"%s\" is no length of a prefix", address, mask);
	return 0;
}

static int parse_link(const Types__Interface *i, struct interface_request *ret, struct err *err)
{
	int r;

	if (!mac_address_parse(rpc_str(i->hwaddr), &ret->mac))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"interface: hwAddr: \"%s\" is no hardware address", rpc_str(i->hwaddr));
	ret->name = rpc_str(i->name);
	if (!is_valid_name(ret->name))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"interface: \"%s\" cannot be the name of a link", ret->name);
	if (i->mtu > UINT32_MAX)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"interface %s: an MTU of %llu", ret->name, (unsigned long long)i->mtu);
	ret->mtu = (uint32_t)i->mtu;
	ret->no_arp = i->raw_flags & IFF_NOARP;
	ret->is_plugged = *rpc_str(i->devicepath);
	if (!ret->is_plugged)
		return 0;
	r = device_want_pci(DEVICE_NET_PCI, i->devicepath, &ret->device, err);
	return r < 0 ? err_wrap(err, "interface %s: devicePath", ret->name) : 0;
}

int interface_request_parse(
	const Types__Interface *i, struct interface_request *ret, struct err *err)
{
	auto_interface_request struct interface_request parsed = {.addresses = NULL};
	int r;

	if (!i)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "missing interface");
	r = parse_link(i, &parsed, err);
	if (r < 0)
		return r;
	parsed.n_addresses = i->n_ipaddresses;
	parsed.addresses = calloc(i->n_ipaddresses + 1, sizeof(*parsed.addresses));
	if (!parsed.addresses)
		return err_sys(err, ENOMEM, "interface %s", parsed.name);
	for (size_t k = 0; k < parsed.n_addresses && r == 0; k++)
		r = parse_address(i->ipaddresses[k], &parsed.addresses[k], err);
	if (r < 0)
		return r;
	*ret = parsed;
	parsed.addresses = NULL;
	return 0;
}

void interface_request_fini(struct interface_request *r)
{
	free(take_ptr(&r->addresses));
}
