/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/netdev.h"

#include "linux/proctext.h"

/* Names may hold colons: the last one ends them, for behind it are only numbers. */
static bool cut_name(struct slice *line, struct slice *ret)
{
	size_t end = line->len;

	while (end > 0 && line->p[end - 1] != ':')
		end--;
	if (end == 0)
		return false;
	*ret = slice_of(line->p, end - 1);
	*line = slice_of(line->p + end, line->len - end);
	while (ret->len > 0 && ret->p[0] == ' ')
		*ret = slice_of(ret->p + 1, ret->len - 1);
	return ret->len > 0;
}

bool netdev_next(struct slice *text, struct netdev *ret)
{
	struct slice line;

	while (proctext_next_line(text, &line)) {
		*ret = (struct netdev){.n = 0};
		if (!cut_name(&line, &ret->name))
			continue;
		while (ret->n < NETDEV_COUNT && proctext_next_u64(&line, &ret->counts[ret->n]))
			ret->n++;
		return true;
	}
	return false;
}
