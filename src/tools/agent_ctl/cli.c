/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/agent_ctl/command.h"
#include "tools/agent_ctl/duration.h"

const char cli_usage[] =
	"usage: kata-agent-ctl [OPTION...] METHOD [ARGUMENT...]\n"
	"       kata-agent-ctl connect [OPTION...] [-i] [-c COMMAND...]\n"
	"       kata-agent-ctl list | examples | generate-cid | generate-sid\n"
	"\n"
	"Calls methods of a Kata agent. A COMMAND is a METHOD and its ARGUMENTs in one word.\n"
	"\n"
	"\"run bundle=DIR\" and \"exec cid=ID -- PROGRAM\" run a process with this program's\n"
	"standard input, output and error; \"help METHOD\" says what a method takes.\n"
	"\n"
	"ARGUMENT: name=value or --name value for each field of the request, or the whole\n"
	"request as json://{...}, {...} or file://PATH.\n"
	"\n"
	"  --server-address URI     unix://PATH, unix://@NAME, vsock://CID:PORT or\n"
	"                           hvsock://PATH:PORT [$KATA_AGENT_SERVER_ADDR]\n"
	"  --hybrid-vsock           unix:// is a hybrid vsock socket\n"
	"  --hybrid-vsock-port N    the port behind it [1024]\n"
	"  -c, --cmd COMMAND        may be given several times; \"list\" names all\n"
	"  -i, --interactive        commands from standard input, a line each\n"
	"  --bundle-dir DIR         CreateContainer takes its spec from DIR/config.json\n"
	"  --timeout TIME           of each call: 5s, 250ms, ...; nanoseconds alone; 0: none\n"
	"  --repeat N               each call N times, then minimum, median and maximum\n"
	"  --json                   each reply as one line of JSON\n"
	"  -q, --quiet              no replies\n"
	"  --ignore-errors          go on after a call that failed\n"
	"  -n, --no-auto-values     no container or sandbox ids but those given\n"
	"  -l, --log-level LEVEL    accepted: this program has no log\n"
	"  -h, --help   -V, --version\n";

const char cli_examples[] =
	"kata-agent-ctl --server-address unix:///run/agent.sock Check\n"
	"kata-agent-ctl connect --server-address vsock://3:1024 -c Check -c GetGuestDetails\n"
	"kata-agent-ctl connect --server-address unix:///run/vm/clh.sock --hybrid-vsock -c Check\n"
	"kata-agent-ctl connect --server-address vsock://3:1024 --repeat 100 -c Version\n"
	"kata-agent-ctl connect --server-address vsock://3:1024 \\\n"
	"    -c 'GetGuestDetails json://{\"mem_block_size\": true}'\n"
	"kata-agent-ctl connect --server-address unix://@/tmp/agent --bundle-dir bundle \\\n"
	"    -c CreateSandbox -c 'CreateContainer cid=one' -c StartContainer -c WaitProcess\n"
	"kata-agent-ctl connect --server-address vsock://3:1024 \\\n"
	"    -c 'SignalProcess cid=one signal=usr1'\n"
	"kata-agent-ctl connect --server-address vsock://3:1024 --interactive\n"
	"kata-agent-ctl connect --server-address unix://@/tmp/agent -c CreateSandbox \\\n"
	"    -c 'run bundle=bundle -- sh -c \"echo hello\"'\n"
	"kata-agent-ctl --server-address vsock://3:1024 exec cid=one terminal=true -- sh\n"
	"kata-agent-ctl --server-address vsock://3:1024 --json ReadStdout cid=one len=4096\n";

enum option_code {
	OPTION_WORD = 1, /* getopt: what is no option, where "-" heads the letters */
	OPTION_SERVER = 0x100,
	OPTION_HYBRID,
	OPTION_HYBRID_PORT,
	OPTION_BUNDLE,
	OPTION_TIMEOUT,
	OPTION_REPEAT,
	OPTION_JSON,
	OPTION_IGNORE,
	OPTION_VM,
};

static const struct option options[] = {
	{"server-address", required_argument, NULL, OPTION_SERVER},
	{"hybrid-vsock", no_argument, NULL, OPTION_HYBRID},
	{"hybrid-vsock-port", required_argument, NULL, OPTION_HYBRID_PORT},
	{"bundle-dir", required_argument, NULL, OPTION_BUNDLE},
	{"cmd", required_argument, NULL, 'c'},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"repeat", required_argument, NULL, OPTION_REPEAT},
	{"json", no_argument, NULL, OPTION_JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"ignore-errors", no_argument, NULL, OPTION_IGNORE},
	{"no-auto-values", no_argument, NULL, 'n'},
	{"log-level", required_argument, NULL, 'l'},
	{"interactive", no_argument, NULL, 'i'},
	{"vm", required_argument, NULL, OPTION_VM},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

/* What the options say, before it is one address. */
struct server {
	const char *address, *port;
	bool is_hybrid;
};

static int set_switch(int code, struct cli *cli, struct server *server)
{
	switch (code) {
	case OPTION_HYBRID:
		server->is_hybrid = true;
		return 0;
	case OPTION_JSON:
		cli->is_json = true;
		return 0;
	case 'q':
		cli->is_quiet = true;
		return 0;
	case OPTION_IGNORE:
		cli->ignore_errors = true;
		return 0;
	case 'n':
		cli->no_auto_values = true;
		return 0;
	case 'i':
		cli->is_interactive = true;
		return 0;
	case 'h':
		cli->action = CLI_HELP;
		return 0;
	case 'V':
		cli->action = CLI_VERSION;
		return 0;
	default:
		return -EINVAL;
	}
}

/* An option that has an argument. */
static int set_value(int code, struct cli *cli, struct server *server, struct err *err)
{
	switch (code) {
	case OPTION_SERVER:
		server->address = optarg;
		return 0;
	case OPTION_HYBRID_PORT:
		server->port = optarg;
		return 0;
	case OPTION_BUNDLE:
		cli->bundle_dir = optarg;
		return 0;
	case 'c':
	case OPTION_WORD:
		cli->lines[cli->n_lines++] = optarg;
		return 0;
	case 'l':
		return 0;
	case OPTION_TIMEOUT:
		if (duration_parse(optarg, &cli->timeout_ns) < 0)
			return err_set(err, EINVAL, "--timeout %s: not a time (5s, 250ms)", optarg);
		return 0;
	case OPTION_REPEAT:
		if (command_parse_repeat(optarg, &cli->repeat) < 0)
			return err_set(err, EINVAL, "--repeat %s: not a number from 1 to %d",
				optarg, COMMAND_MAX_REPEAT);
		return 0;
	case OPTION_VM:
		return err_set(err, EINVAL, "--vm is not supported: start a pod, or an agent");
	default:
		return err_set(err, EINVAL, "unknown option");
	}
}

/* letters: as getopt has it; a "+" or "-" in front says what a word that is no option does. */
static int parse_options(const char *letters, int argc, char **argv, struct cli *cli,
	struct server *server, struct err *err)
{
	int code;

	opterr = 0;
	optind = 0;
	while ((code = getopt_long(argc, argv, letters, options, NULL)) >= 0) {
		int r;

		if (code == '?')
			return err_set(err, EINVAL, "unknown option %s", argv[optind - 1]);
		if (code == ':')
			return err_set(err, EINVAL, "%s needs a value", argv[optind - 1]);
		if (set_switch(code, cli, server) == 0)
			continue;
		r = set_value(code, cli, server, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int settle_address(struct cli *cli, const struct server *server, struct err *err)
{
	static const char scheme[] = "unix://";
	const char *address = server->address ? server->address : getenv("KATA_AGENT_SERVER_ADDR");
	int r;

	if (!address)
		return 0;
	if (!server->is_hybrid) {
		cli->address = strdup(address);
		return cli->address ? 0 : err_sys(err, ENOMEM, "command line");
	}
	if (strncmp(address, scheme, strlen(scheme)) != 0)
		return err_set(err, EINVAL, "--hybrid-vsock: %s is no unix:// address", address);
	r = asprintf(&cli->address, "hvsock://%s:%s", address + strlen(scheme),
		server->port ? server->port : "1024");
	if (r < 0) {
		cli->address = NULL;
		return err_sys(err, ENOMEM, "command line");
	}
	return 0;
}

static int parse_words(
	int argc, char **argv, struct cli *cli, struct server *server, struct err *err)
{
	int at = optind;

	if (at == argc)
		return 0;
	if (strcmp(argv[at], "connect") == 0) {
		int r = parse_options("-:c:l:inqhV", argc - at, argv + at, cli, server, err);

		/* What stands behind "--". */
		for (int i = optind + at; r == 0 && i < argc; i++)
			cli->lines[cli->n_lines++] = argv[i];
		return r;
	}
	if (strcmp(argv[at], "examples") == 0)
		cli->action = CLI_EXAMPLES;
	else if (strcmp(argv[at], "generate-cid") == 0 || strcmp(argv[at], "generate-sid") == 0)
		cli->action = CLI_MAKE_ID;
	cli->words = argv + at;
	cli->n_words = (size_t)(argc - at);
	return 0;
}

static int check(const struct cli *cli, struct err *err)
{
	if (cli->action != CLI_RUN)
		return 0;
	if (cli->n_words && cli->n_lines)
		return err_set(err, EINVAL, "--cmd and %s exclude each other", cli->words[0]);
	if (cli->n_words && cli->is_interactive)
		return err_set(
			err, EINVAL, "--interactive and %s exclude each other", cli->words[0]);
	if (!cli->n_words && !cli->n_lines && !cli->is_interactive)
		return err_set(err, EINVAL, "no command: --help says how");
	return 0;
}

int cli_parse(int argc, char **argv, struct cli *ret, struct err *err)
{
	struct cli cli = {.repeat = 1};
	struct server server = {0};
	int r;

	cli.lines = calloc((size_t)argc + 1, sizeof(*cli.lines));
	r = cli.lines ? 0 : err_sys(err, ENOMEM, "command line");
	if (r == 0)
		r = parse_options("+:c:l:inqhV", argc, argv, &cli, &server, err);
	if (r == 0)
		r = parse_words(argc, argv, &cli, &server, err);
	if (r == 0)
		r = check(&cli, err);
	if (r == 0)
		r = settle_address(&cli, &server, err);
	if (r < 0) {
		cli_fini(&cli);
		return r;
	}
	*ret = cli;
	return 0;
}

void cli_fini(struct cli *cli)
{
	free(cli->lines);
	free(cli->address);
	*cli = (struct cli){0};
}
