/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The command line of a containerd runtime v2 shim: flags as Go's flag package takes them (one or
 * two dashes, "-f v" or "-f=v", "--" ends them), then at most one word.
 */
#include <stdbool.h>

#include "base/err.h"

enum cli_action {
	CLI_DAEMON, /* no word: serve the task API (started by `start`) */
	CLI_START,
	CLI_DELETE,
	CLI_HELP,
	CLI_VERSION,
	CLI_INFO,
};

struct cli {
	enum cli_action action;
	/* Borrowed from argv; "" where not given. */
	const char *address; /* containerd's GRPC socket */
	const char *bundle;
	const char *id;
	const char *name_space;
	const char
		*publish_binary; /* required by the protocol, unused: events go to TTRPC_ADDRESS */
	bool debug;
};

/* Checks what the action needs: id, namespace and publish binary, and for `delete` the bundle. */
int cli_parse(int argc, char **argv, struct cli *ret, struct err *err) must_check;
/* What -help prints. */
extern const char cli_usage[];
