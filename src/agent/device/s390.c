/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/s390.h"

#include <string.h>

#define HEX "0123456789abcdefABCDEF"

bool s390_is_ccw(const char *text)
{
	size_t n;

	if (strncmp(text, "0.", 2) != 0 || text[2] < '0' || text[2] > '3' || text[3] != '.')
		return false;
	n = strspn(text + 4, HEX);
	return n >= 1 && n <= 4 && !text[4 + n];
}

bool s390_is_ap_queue(const char *text)
{
	return strspn(text, HEX) == 2 && text[2] == '.' && strspn(text + 3, HEX) == 4 && !text[7];
}
