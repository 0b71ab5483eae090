/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The state file's word on the pod's network namespace: what runtime/network/attach.h has to undo. */
#include <stddef.h>
#include <stdint.h>

#include "text/json.h"

enum { STATE_MAX_LINKS = 64 };

struct state_network {
	char *netns;	   /* owned: path; NULL: there is nothing to undo */
	uint64_t dev, ino; /* of the namespace: the path may be another's by now */
	/* The indices of its links that get an ingress discipline. */
	int links[STATE_MAX_LINKS];
	size_t n_links;
};

void state_network_fini(struct state_network *network);
void state_network_put(const struct state_network *network, struct json_writer *w);
/* v: NULL, as in files from before there was any; then *ret stays. */
int state_network_parse(
	const struct value *v, struct state_network *ret, struct err *err) must_check;
