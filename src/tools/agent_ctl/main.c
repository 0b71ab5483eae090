/* SPDX-License-Identifier: Apache-2.0 */
/* kata-agent-ctl: drives an agent, call by call. */
#include <stdio.h>

#include "tools/agent_ctl/shell.h"

/* Exit status: what the tool was asked for did not happen, or was not understood. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int complain(const struct err *err, int status)
{
	fprintf(stderr, "kata-agent-ctl: %s\n", err->msg);
	return status;
}

static int parse_commands(const struct cli *cli, struct request_defaults *defaults,
	struct command *commands, size_t *n_commands, struct err *err)
{
	int r;

	if (cli->n_words) {
		r = command_parse_words(cli->words, cli->n_words, defaults, &commands[0], err);
		*n_commands = r == 0;
		return r;
	}
	for (size_t i = 0; i < cli->n_lines; i++) {
		r = command_parse(cli->lines[i], defaults, &commands[i], err);
		if (r < 0)
			return r;
		++*n_commands;
	}
	return 0;
}

static int run_session(const struct cli *cli, struct request_defaults *defaults,
	const struct command *commands, size_t n, int *ret_status, struct err *err)
{
	struct session *session;
	int r = session_new(cli, &session, err);

	if (r < 0)
		return r;
	r = session_run(session, commands, n, err);
	if (r == 0 && cli->is_interactive)
		r = shell_run(session, defaults, err);
	*ret_status = session_exit_status(session);
	session_free(session);
	return r;
}

/* All commands are read before the first is run. */
static int run(const struct cli *cli, struct err *err)
{
	struct request_defaults defaults = {
		.no_auto_values = cli->no_auto_values, .bundle_dir = cli->bundle_dir};
	auto_free struct command *commands = calloc(cli->n_lines + 1, sizeof(*commands));
	int r, failure = EXIT_USAGE, status = 0;
	size_t n = 0;

	if (!commands) {
		err_sys(err, ENOMEM, "command line");
		return complain(err, EXIT_FAILED);
	}
	r = parse_commands(cli, &defaults, commands, &n, err);
	if (r == 0) {
		failure = EXIT_FAILED;
		r = run_session(cli, &defaults, commands, n, &status, err);
	}
	if (r < 0 && err_is_set(err))
		complain(err, failure);
	for (size_t i = 0; i < n; i++)
		command_fini(&commands[i]);
	request_defaults_fini(&defaults);
	return r < 0 ? failure : status;
}

static int act(const struct cli *cli, struct err *err)
{
	char id[REQUEST_ID_SIZE];

	switch (cli->action) {
	case CLI_HELP:
		fputs(cli_usage, stdout);
		return 0;
	case CLI_VERSION:
		puts("kata-agent-ctl " KIHON_VERSION);
		return 0;
	case CLI_EXAMPLES:
		fputs(cli_examples, stdout);
		return 0;
	case CLI_MAKE_ID:
		if (request_make_id(id) < 0)
			return EXIT_FAILED;
		puts(id);
		return 0;
	case CLI_RUN:
		break;
	}
	return run(cli, err);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct cli cli;
	int status;

	if (cli_parse(argc, argv, &cli, &err) < 0)
		return complain(&err, EXIT_USAGE);
	status = act(&cli, &err);
	cli_fini(&cli);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "kata-agent-ctl: cannot write to stdout\n");
		return EXIT_FAILED;
	}
	return status;
}
