/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/duration.h"

#include <string.h>

#include "base/clock.h"

static const struct {
	const char *suffix;
	int64_t ns;
} units[] = {
	{"", 1},
	{"ns", 1},
	{"us", NS_PER_US},
	{"ms", NS_PER_MS},
	{"s", NS_PER_S},
	{"m", 60 * NS_PER_S},
	{"h", 3600 * NS_PER_S},
};

int duration_parse(const char *text, int64_t *ret_ns)
{
	size_t n_digits = strspn(text, "0123456789");
	int64_t n = 0;

	if (n_digits == 0)
		return -EINVAL;
	for (size_t i = 0; i < n_digits; i++)
		if (__builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, text[i] - '0', &n))
			return -ERANGE;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(units[i].suffix, text + n_digits) == 0)
			return __builtin_mul_overflow(n, units[i].ns, ret_ns) ? -ERANGE : 0;
	return -EINVAL;
}
