/* SPDX-License-Identifier: Apache-2.0 */
/* kata-agent: creates and supervises the containers of one sandbox. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/init.h"
#include "agent/logport.h"
#include "base/io.h"
#include "base/log.h"

static int print_version(void)
{
	printf("kata-agent version %s, api version %s\n", KIHON_VERSION, AGENT_API_VERSION);
	return 0;
}

/* 0 or an exit status; -1 to go on. */
static int parse_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{"version", no_argument, NULL, 'v'},
		{"config", required_argument, NULL, 'c'},
		{0},
	};
	int opt;

	/* The kernel hands PID 1 every word of its command line that it does not know itself. */
	if (getpid() == 1)
		return -1;
	while ((opt = getopt_long(argc, argv, "vc:", options, NULL)) >= 0) {
		switch (opt) {
		case 'v':
			return print_version();
		case 'c':
			fprintf(stderr,
				"kata-agent: --config %s: a configuration file is not "
				"supported yet\n",
				optarg);
			return 2;
		default:
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "kata-agent: unexpected argument %s\n", argv[optind]);
	return 2;
}

static int load_options(struct options *options, bool is_init, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = io_read_file(AT_FDCWD, "/proc/cmdline", OPTIONS_MAX_CMDLINE, &text);

	options_init(options);
	if (r < 0)
		return err_sys(err, -r, "read /proc/cmdline");
	r = options_parse_cmdline(options, buf_slice(&text), err);
	if (r == 0)
		r = options_parse_environment(options, is_init, err);
	if (r == 0)
		log_set_level(options->log_level);
	return r;
}

static int run(bool is_init, struct err *err)
{
	struct options options;
	struct agent *agent;
	int r = is_init ? init_set_up(err) : 0;

	if (r == 0)
		r = load_options(&options, is_init, err);
	if (r == 0)
		r = agent_new(&options, is_init, &agent, err);
	if (r < 0)
		return r;
	r = agent_serve(agent, err);
	agent_free(agent);
	return r;
}

int main(int argc, char **argv)
{
	bool is_init = getpid() == 1;
	int status = parse_arguments(argc, argv), r;
	struct err err = ERR_INIT;

	if (status >= 0)
		return status;
	/* Writing to a peer or a container that has gone is an error like others. */
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	r = logport_begin();
	if (r == 0)
		r = run(is_init, &err);
	else
		err_sys(&err, -r, "log pipe");
	/* Without a log port or before it is open the console is what somebody may look at. */
	if (r < 0)
		fprintf(stderr, "kata-agent: %s\n", err.msg);
	if (is_init)
		init_power_off();
	return r < 0 ? 1 : 0;
}
