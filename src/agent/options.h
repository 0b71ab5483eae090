/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How the agent is told what to do: the kernel command line, then the environment.
 *
 * The kernel command line is split at ASCII white space, without quoting. Tokens that are not ours
 * are ignored. A key of ours with a value that cannot be meant is an error and ends the start: a
 * guest that runs with half of its host's wishes is worse than none. Keys of features that are
 * still to come are checked as upstream checks them; those that change what the host may rely on
 * are listed in not_supported, to be logged.
 */
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/slice.h"

enum {
	OPTIONS_ADDR_SIZE = 128, /* "unix://" and sun_path fit */
	OPTIONS_PATH_SIZE = 64,	 /* leaves room for ids and names below it in a sun_path */
	OPTIONS_MAX_CMDLINE = 64 << 10,
};

/* One bit each in options.not_supported. */
enum option_later {
	OPTION_DEBUG_CONSOLE,
	OPTION_TRACING,
	OPTION_PASSFD,
	OPTION_MEM_AGENT,
	OPTION_LATER_COUNT,
};

struct options {
	char server_addr[OPTIONS_ADDR_SIZE];
	char run_dir[OPTIONS_PATH_SIZE]; /* what belongs to the sandbox, wiped by CreateSandbox */
	enum log_level log_level;
	uint32_t log_port;	      /* vsock; 0: records go to standard output */
	uint32_t container_pipe_size; /* bytes; 0: as the kernel makes them */
	unsigned int not_supported;   /* 1 << enum option_later */
};

void options_init(struct options *o);
/* text: the kernel command line; untrusted length and content. */
int options_parse_cmdline(struct options *o, struct slice text, struct err *err) must_check;
/*
 * KATA_AGENT_SERVER_ADDR and KATA_AGENT_LOG_LEVEL (ignored if it is none). For an agent that is not
 * PID 1 also KIHON_AGENT_RUN_DIR, which lets tests run beside a real one; the kernel hands unknown
 * command-line parameters to PID 1 as its environment, so there it must not be read.
 */
int options_parse_environment(struct options *o, bool is_init, struct err *err) must_check;
/* "agent.debug_console", for the log. */
const char *option_later_name(enum option_later option);
