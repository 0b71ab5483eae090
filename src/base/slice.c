/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

int slice_to_cstr(struct slice s, size_t max, char **ret)
{
	char *copy;

	if (s.len > max)
		return -E2BIG;
	if (s.len && memchr(s.p, '\0', s.len))
		return -EINVAL;
	copy = malloc(s.len + 1);
	if (!copy)
		return -ENOMEM;
	if (s.len)
		memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	*ret = copy;
	return 0;
}
