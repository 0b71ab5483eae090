/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/net_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { MAC_SIZE = 6 };

size_t ip_address_size(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

static uint8_t max_prefix(uint8_t family)
{
	return (uint8_t)(8 * ip_address_size(family));
}

bool ip_address_parse_prefix(const char *text, uint8_t family, uint8_t *ret)
{
	unsigned n = 0;
	size_t len = strspn(text, "0123456789");

	if (len < 1 || len > 3 || text[len])
		return false;
	for (; *text; text++)
		n = 10 * n + (unsigned)(*text - '0');
	if (n > max_prefix(family))
		return false;
	*ret = (uint8_t)n;
	return true;
}

bool ip_address_parse(const char *text, bool allow_prefix, struct ip_address *ret)
{
	struct ip_address ip = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	const char *slash = allow_prefix ? strchr(text, '/') : NULL;
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char bare[INET6_ADDRSTRLEN];

	if (len >= sizeof(bare))
		return false;
	memcpy(bare, text, len);
	bare[len] = '\0';
	if (inet_pton(ip.family, bare, ip.bytes) != 1)
		return false;
	ip.prefix = max_prefix(ip.family);
	if (slash && !ip_address_parse_prefix(slash + 1, ip.family, &ip.prefix))
		return false;
	*ret = ip;
	return true;
}

const char *ip_address_format(
	const struct ip_address *ip, bool with_prefix, char text[static IP_ADDRESS_TEXT_SIZE])
{
	size_t len;

	text[0] = '\0';
	if (ip->family != AF_INET && ip->family != AF_INET6)
		return text;
	(void)inet_ntop(ip->family, ip->bytes, text, IP_ADDRESS_TEXT_SIZE);
	len = strlen(text);
	if (with_prefix)
		snprintf(text + len, IP_ADDRESS_TEXT_SIZE - len, "/%u", ip->prefix);
	return text;
}

bool ip_address_is_same(const struct ip_address *a, const struct ip_address *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, ip_address_size(a->family)) == 0;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool mac_address_parse(const char *text, struct mac_address *ret)
{
	struct mac_address mac = {.len = MAC_SIZE};

	for (size_t i = 0; i < MAC_SIZE; i++) {
		int high = hex_digit(*text), low;

		if (high < 0)
			return false;
		low = hex_digit(*++text);
		if (low >= 0)
			text++;
		mac.bytes[i] = (uint8_t)(low < 0 ? high : high << 4 | low);
		if (*text != (i + 1 < MAC_SIZE ? ':' : '\0'))
			return false;
		text++;
	}
	*ret = mac;
	return true;
}

const char *mac_address_format(
	const struct mac_address *mac, char text[static MAC_ADDRESS_TEXT_SIZE])
{
	text[0] = '\0';
	for (size_t i = 0; i < mac->len && i < MAC_ADDRESS_MAX; i++)
		snprintf(text + (i ? 3 * i - 1 : 0), 4, i ? ":%02X" : "%02X", mac->bytes[i]);
	return text;
}

bool mac_address_is_same(const struct mac_address *a, const struct mac_address *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}
