/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-agent: creates and supervises the containers of one sandbox.
 *
 * As PID 1 it is the guest's init as well; otherwise it is an ordinary service, of systemd in a
 * guest, or started by hand to be developed against:
 *
 *	KATA_AGENT_SERVER_ADDR=unix:///tmp/agent.sock kata-agent
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/config_file.h"
#include "agent/init.h"
#include "agent/kernel_cmdline.h"
#include "agent/logport.h"
#include "agent/span.h"
#include "base/io.h"
#include "base/log.h"

/* Exit statuses: 0 after SIGTERM, SIGINT or DestroySandbox. */
enum { EXIT_ERROR = 1, EXIT_USAGE = 2, GO_ON = -1 };

static const char usage[] =
	"usage: kata-agent [-c FILE | --config FILE]\n"
	"       kata-agent -v | --version\n"
	"       kata-agent -h | --help\n"
	"\n"
	"Serves containers to a Kata runtime. Without a configuration file the\n"
	"kernel command line is read (agent.log=debug ...). KATA_AGENT_SERVER_ADDR\n"
	"(vsock://-1:1024, unix:///path) and KATA_AGENT_LOG_LEVEL come on top.\n";

static void print_version(void)
{
	printf("kata-agent version %s (api version: %s, commit version: %s, type: C, "
	       "extra features: [",
		KIHON_VERSION, AGENT_API_VERSION, agent_commit);
	for (size_t i = 0; agent_feature(i); i++)
		printf("%s\"%s\"", i ? ", " : "", agent_feature(i));
	printf("])\n");
}

/* An exit status, or GO_ON. *ret_config is borrowed from argv, NULL without --config. */
static int parse_arguments(int argc, char **argv, const char **ret_config)
{
	static const struct option options[] = {
		{"version", no_argument, NULL, 'v'},
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt;

	/* The kernel hands PID 1 every word of its command line that it does not know itself. */
	if (getpid() == 1)
		return GO_ON;
	while ((opt = getopt_long(argc, argv, "vc:h", options, NULL)) >= 0) {
		switch (opt) {
		case 'v':
			print_version();
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'c':
			*ret_config = optarg;
			break;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return GO_ON;
	fprintf(stderr, "kata-agent: unexpected argument %s\n%s", argv[optind], usage);
	return EXIT_USAGE;
}

static int read_kernel_cmdline(struct options *options, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	auto_free char *config_file = NULL;
	int r = io_read_file(AT_FDCWD, "/proc/cmdline", KERNEL_CMDLINE_MAX, &text);

	if (r < 0)
		return err_sys(err, -r, "read /proc/cmdline");
	r = kernel_cmdline_parse(options, buf_slice(&text), &config_file, err);
	if (r < 0)
		return r;
	if (!config_file)
		return options_parse_environment(options, err);
	options_init(options);
	return config_file_read(options, config_file, err);
}

static int load_options(struct options *options, const char *config, bool is_init, struct err *err)
{
	int r;

	options_init(options);
	if (config) {
		r = config_file_read(options, config, err);
		if (r == 0)
			r = options_parse_environment(options, err);
	} else {
		r = read_kernel_cmdline(options, err);
	}
	if (r == 0 && !is_init)
		r = options_parse_run_dir(options, err);
	if (r == 0 && !is_init)
		r = options_parse_ports(options, err);
	if (r == 0)
		log_set_level(options->log_level);
	return r;
}

static int run(bool is_init, const char *config, struct err *err)
{
	struct options options;
	struct agent *agent;
	int r = is_init ? init_set_up(err) : 0;

	span_boot("settings");
	if (r == 0)
		r = load_options(&options, config, is_init, err);
	if (r == 0)
		r = agent_new(&options, is_init, &agent, err);
	if (r < 0)
		return r;
	span_boot("serve");
	r = agent_serve(agent, err);
	agent_free(agent);
	return r;
}

int main(int argc, char **argv)
{
	bool is_init = getpid() == 1;
	const char *config = NULL;
	int status = parse_arguments(argc, argv, &config), r;
	struct err err = ERR_INIT;

	if (status != GO_ON)
		return status;
	/* Writing to a peer or a container that has gone is an error like others. */
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	r = logport_begin();
	span_boot("boot");
	if (r == 0)
		r = run(is_init, config, &err);
	else
		err_sys(&err, -r, "log pipe");
	/* Without a log port or before it is open the console is what somebody may look at. */
	if (r < 0)
		fprintf(stderr, "kata-agent: %s\n", err.msg);
	if (is_init)
		init_power_off();
	return r < 0 ? EXIT_ERROR : 0;
}
