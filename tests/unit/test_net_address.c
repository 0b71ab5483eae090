/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "linux/net_address.h"

static void addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *written;
		uint8_t family, prefix;
	} rows[] = {
		{"10.0.0.1", "10.0.0.1/32", AF_INET, 32},
		{"10.0.0.1/8", "10.0.0.1/8", AF_INET, 8},
		{"0.0.0.0/0", "0.0.0.0/0", AF_INET, 0},
		{"255.255.255.255/32", "255.255.255.255/32", AF_INET, 32},
		{"::", "::/128", AF_INET6, 128},
		{"::/0", "::/0", AF_INET6, 0},
		{"FD00:0:0::1/064", "fd00::1/64", AF_INET6, 64},
		{"::ffff:10.0.0.1", "::ffff:10.0.0.1/128", AF_INET6, 128},
		{"1111:2222:3333:4444:5555:6666:7777:8888/128",
			"1111:2222:3333:4444:5555:6666:7777:8888/128", AF_INET6, 128},
	};
	char text[IP_ADDRESS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ip_address ip, again;

		assert_true(ip_address_parse(rows[i].text, true, &ip));
		assert_int_equal(ip.family, rows[i].family);
		assert_int_equal(ip.prefix, rows[i].prefix);
		assert_string_equal(ip_address_format(&ip, true, text), rows[i].written);
		assert_true(ip_address_parse(ip_address_format(&ip, false, text), false, &again));
		assert_true(ip_address_is_same(&ip, &again));
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const rows[] = {"", " ", "10", "10.0.0", "10.0.0.256", "10.0.0.1 ",
		" 10.0.0.1", "10.0.0.1.2", "0x0a.0.0.1", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/-1",
		"10.0.0.1/+1", "10.0.0.1/ 1", "10.0.0.1/1x", "10.0.0.1/0001", "10.0.0.1/1/1", "/8",
		":", ":::", "fd00::/129", "fd00::1%eth0", "fd00::1::2", "[::1]",
		"11111:2222:3333:4444:5555:6666:7777:8888", "2001:db8::g", "host",
		"0000000000000000000000000000000000000000000000000000010.0.0.1"};
	struct ip_address ip = {.family = 99};
	uint8_t prefix;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_false(ip_address_parse(rows[i], true, &ip));
	assert_false(ip_address_parse("10.0.0.1/8", false, &ip));
	assert_int_equal(ip.family, 99);
	assert_false(ip_address_parse_prefix("", AF_INET, &prefix));
	assert_false(ip_address_parse_prefix("255.0.0.0", AF_INET, &prefix));
	assert_false(ip_address_parse_prefix("4294967304", AF_INET, &prefix));
	assert_true(ip_address_parse_prefix("128", AF_INET6, &prefix));
	assert_int_equal(prefix, 128);
}

static void families_are_never_the_same(void **state)
{
	struct ip_address a, b, none = {.family = AF_UNSPEC};
	char text[IP_ADDRESS_TEXT_SIZE];

	(void)state;
	assert_true(ip_address_parse("0.0.0.0", false, &a));
	assert_true(ip_address_parse("::", false, &b));
	assert_false(ip_address_is_same(&a, &b));
	assert_false(ip_address_is_same(&a, &none));
	assert_string_equal(ip_address_format(&none, true, text), "");
}

static void hardware_addresses_are_six_groups(void **state)
{
	static const char *const bad[] = {"", "02", "02:00:00:00:00",
		"02:00:00:00:00:", "02:00:00:00:00:01:", "02:00:00:00:00:01:02",
		"02-00-00-00-00-01", "020:0:0:0:0:1", ":0:0:0:0:1", "02:00:00:00:00:0g",
		"02:00:00:00:00:01 ", "0x2:0:0:0:0:1"};
	struct mac_address a, b = {.len = 0}, longest = {.len = MAC_ADDRESS_MAX};
	char text[MAC_ADDRESS_TEXT_SIZE];

	(void)state;
	assert_true(mac_address_parse("02:00:00:aB:cd:ef", &a));
	assert_string_equal(mac_address_format(&a, text), "02:00:00:AB:CD:EF");
	assert_false(mac_address_is_same(&a, &b));
	assert_true(mac_address_parse("2:0:0:AB:CD:EF", &b));
	assert_true(mac_address_is_same(&a, &b));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(mac_address_parse(bad[i], &a));
	assert_true(mac_address_is_same(&a, &b));
	b.len = 0;
	assert_string_equal(mac_address_format(&b, text), "");
	/* InfiniBand and others have longer ones. */
	assert_int_equal(strlen(mac_address_format(&longest, text)), MAC_ADDRESS_TEXT_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(families_are_never_the_same),
		cmocka_unit_test(hardware_addresses_are_six_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
