/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Addresses of IP and of Ethernet, as text and as bytes. Texts are taken strictly: no blanks, no
 * zone, no abbreviated IPv4, a prefix in plain decimal digits.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

enum {
	IP_ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN + 4, /* with its prefix */
	MAC_ADDRESS_MAX = 32,			     /* MAX_ADDR_LEN of the kernel */
	MAC_ADDRESS_TEXT_SIZE = MAC_ADDRESS_MAX * 3,
};

struct ip_address {
	uint8_t family; /* AF_INET or AF_INET6; AF_UNSPEC: none */
	uint8_t prefix; /* bits */
	uint8_t bytes[16];
};

/* In bytes: 4 or 16. */
size_t ip_address_size(uint8_t family);
/* The prefix is that of a single host, or the one given behind a slash where that is allowed. False:
 * text is none. */
bool ip_address_parse(const char *text, bool allow_prefix, struct ip_address *ret);
/* Decimal, at most what the family has. */
bool ip_address_parse_prefix(const char *text, uint8_t family, uint8_t *ret);
const char *ip_address_format(
	const struct ip_address *ip, bool with_prefix, char text[static IP_ADDRESS_TEXT_SIZE]);
/* The address, whatever the prefix. */
bool ip_address_is_same(const struct ip_address *a, const struct ip_address *b);

/* What a link is called on its wire. Only Ethernet's 6 bytes are ever parsed. */
struct mac_address {
	uint8_t len; /* 0: none */
	uint8_t bytes[MAC_ADDRESS_MAX];
};

/* Six groups of one or two hexadecimal digits. */
bool mac_address_parse(const char *text, struct mac_address *ret);
/* Upper case, as upstream's agent writes them. */
const char *mac_address_format(
	const struct mac_address *mac, char text[static MAC_ADDRESS_TEXT_SIZE]);
bool mac_address_is_same(const struct mac_address *a, const struct mac_address *b);
