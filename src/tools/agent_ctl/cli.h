/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The command line of kata-agent-ctl: upstream's, and a shorter form (cli_usage). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum cli_action { CLI_RUN, CLI_HELP, CLI_VERSION, CLI_EXAMPLES, CLI_MAKE_ID };

struct cli {
	enum cli_action action;
	char *address; /* owned; as wire/dial.h takes it; NULL: none given */
	char **lines;  /* owned, what they point to borrowed from argv: each --cmd, in order */
	size_t n_lines;
	char *const *words; /* borrowed from argv: METHOD and its arguments */
	size_t n_words;
	const char *bundle_dir; /* borrowed from argv, or NULL */
	int64_t timeout_ns;	/* of a call; 0: none */
	unsigned repeat;
	bool is_json, is_quiet, ignore_errors, no_auto_values;
	bool is_interactive; /* after what lines ask for, a shell */
};

extern const char cli_usage[], cli_examples[];

/*
 * Reorders argv's pointers. ret->address is the environment's KATA_AGENT_SERVER_ADDR where no option
 * says it. -EINVAL: err says which word is wrong; -ENOMEM.
 */
int cli_parse(int argc, char **argv, struct cli *ret, struct err *err) must_check;
void cli_fini(struct cli *cli);
