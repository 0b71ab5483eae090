/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The interface of an UpdateInterface, checked. */
#include "agent/device/want.h"
#include "base/err.h"
#include "linux/net_address.h"
#include "types.pb-c.h"

struct interface_request {
	struct mac_address mac;
	const char *name; /* borrowed from the message; "": stays */
	uint32_t mtu;	  /* 0: stays */
	bool no_arp;
	bool is_plugged; /* it is the interface of this device: */
	struct device_want device;
	struct ip_address *addresses; /* owned; with their prefixes */
	size_t n_addresses;
};

/* What is no address, name or size is an INVALID_ARGUMENT. i NULL: missing. */
int interface_request_parse(
	const Types__Interface *i, struct interface_request *ret, struct err *err) must_check;
void interface_request_fini(struct interface_request *r);
#define auto_interface_request __attribute__((cleanup(interface_request_fini)))
