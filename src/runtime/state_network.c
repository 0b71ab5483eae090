/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/state_network.h"

#include <limits.h>
#include <string.h>

void state_network_fini(struct state_network *network)
{
	free(take_ptr(&network->netns));
	network->n_links = 0;
}

void state_network_put(const struct state_network *network, struct json_writer *w)
{
	if (!network->netns)
		return;
	json_begin_object(w, "network");
	json_put_string(w, "netns", network->netns);
	json_put_u64(w, "dev", network->dev);
	json_put_u64(w, "ino", network->ino);
	json_begin_array(w, "links");
	for (size_t i = 0; i < network->n_links; i++)
		json_put_i64(w, NULL, network->links[i]);
	json_end_array(w);
	json_end_object(w);
}

static int parse_links(const struct value *list, struct state_network *ret, struct err *err)
{
	if (value_check_type(list, VALUE_ARRAY, err) < 0)
		return -EINVAL;
	VALUE_FOREACH(v, list)
	{
		uint64_t index;

		if (ret->n_links == STATE_MAX_LINKS)
			return value_error(list, err, "more than %d links", STATE_MAX_LINKS);
		if (value_get_u64(v, 1, INT_MAX, &index, err) < 0)
			return -EINVAL;
		ret->links[ret->n_links++] = (int)index;
	}
	return 0;
}

int state_network_parse(const struct value *v, struct state_network *ret, struct err *err)
{
	const struct value *netns, *dev, *ino, *links;
	const char *path;

	if (!v)
		return 0;
	if (value_check_type(v, VALUE_TABLE, err) < 0)
		return -EINVAL;
	netns = value_need(v, "netns", err);
	dev = netns ? value_need(v, "dev", err) : NULL;
	ino = dev ? value_need(v, "ino", err) : NULL;
	links = ino ? value_need(v, "links", err) : NULL;
	if (!links || value_get_string(netns, &path, err) < 0 ||
		value_get_u64(dev, 0, UINT64_MAX, &ret->dev, err) < 0 ||
		value_get_u64(ino, 0, UINT64_MAX, &ret->ino, err) < 0)
		return -EINVAL;
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return value_error(netns, err, "not an absolute path");
	if (parse_links(links, ret, err) < 0)
		return -EINVAL;
	ret->netns = strdup(path);
	return ret->netns ? 0 : err_sys(err, ENOMEM, "read the state");
}
