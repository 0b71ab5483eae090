/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What may stand at the end of a line that is being typed: names of commands, then those of a
 * command's arguments that are not given yet ("container_id="), then the values of an argument that
 * has a few (true, false, an enum's names).
 */
#include <stddef.h>

#include "base/own.h"

struct completion {
	size_t len; /* of the last word's part, at the end of the line, that each candidate begins with */
	char **words; /* owned, each too; sorted; they end in " " or "=" */
	size_t n;
};

/* Nothing, with 0, where nothing can be said: within quotes and JSON. -ENOMEM. */
int complete_line(const char *line, struct completion *ret) must_check;
/* How many first bytes all candidates have in common, without regard to case. 0 for none. */
size_t completion_common(const struct completion *completion);
void completion_fini(struct completion *completion);
