/* SPDX-License-Identifier: Apache-2.0 */
/* containerd-shim-kata-v2: one binary, several roles; see usage below and shim/roles.h. */
#include <stdio.h>
#include <string.h>

#include "shim/cli.h"
#include "shim/roles.h"
#include "vhost/vsockd.h"

/* argv[0] of a process that the hypervisor driver starts from this program. */
#define VSOCKD_ROLE "kata-vsockd"

static int run(const struct cli *cli, const char *program, struct err *err)
{
	switch (cli->action) {
	case CLI_START:
		return start_run(cli, program, err);
	case CLI_DELETE:
		return delete_run(cli, err);
	case CLI_DAEMON:
		return daemon_run(cli, err);
	case CLI_INFO:
		return info_run(err);
	case CLI_VERSION:
		printf("Kihon containerd shim (C): id: io.containerd.kata.v2, version: %s\n",
			KIHON_VERSION);
		return 0;
	case CLI_HELP:
	default:
		fputs(cli_usage, stdout);
		return 0;
	}
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct cli cli;
	int r;

	if (argc > 0 && strcmp(argv[0], VSOCKD_ROLE) == 0)
		return vsockd_main(argc, argv);
	r = cli_parse(argc, argv, &cli, &err);
	if (r == 0)
		r = run(&cli, argv[0], &err);
	if (r < 0)
		fprintf(stderr, "containerd-shim-kata-v2: %s\n", err.msg);
	return r < 0 ? 1 : 0;
}
