/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How the agent is told what to do, whoever tells it: kernel_cmdline.h, config_file.h, or the
 * environment. The sources exclude each other, as upstream's do:
 *
 *	--config FILE                          the file, then the environment
 *	agent.config_file=FILE in the kernel   the file alone
 *	  command line
 *	neither                                the kernel command line, then the environment
 *
 * A key of ours with a value that cannot be meant is an error and ends the start: a guest that runs
 * with half of its host's wishes is worse than none. Keys of features that are still to come are
 * checked as upstream checks them; those that change what the host may rely on are listed in
 * not_supported, to be logged.
 */
#include <stdint.h>

#include "agent/endpoints.h"
#include "base/err.h"
#include "base/log.h"

enum {
	OPTIONS_ADDR_SIZE = 128, /* "unix://" and sun_path fit */
	OPTIONS_PATH_SIZE = 64,	 /* leaves room for ids and names below it in a sun_path */
};

/* One bit each in options.not_supported. */
enum option_later {
	OPTION_MEM_AGENT,
	OPTION_LATER_COUNT,
};

struct options {
	char server_addr[OPTIONS_ADDR_SIZE];
	char run_dir[OPTIONS_PATH_SIZE]; /* what belongs to the sandbox, wiped by CreateSandbox */
	enum log_level log_level;
	/* Ports are vsock's (port.h). */
	uint32_t log_port;	      /* 0: records go to standard output */
	bool debug_console;	      /* a root shell for the host; console.h */
	uint32_t debug_console_port;  /* 0: on the guest's console */
	uint32_t passfd_port;	      /* 0: no streams over ports; passfd.h */
	bool tracing;		      /* trace.h */
	uint32_t container_pipe_size; /* bytes; 0: as the kernel makes them */
	int64_t hotplug_timeout_ns;   /* how long a device or interface may take to appear */
	int64_t launch_timeout_ns;    /* for a container's process to be set up */
	/* What stands in for vsock outside of a guest (port.h): "" for nothing. */
	char ports_dir[OPTIONS_PATH_SIZE];
	bool has_local_host;	    /* the host is this machine */
	unsigned int not_supported; /* 1 << enum option_later */
	struct endpoints endpoints; /* the methods that hosts may call */
};

/* How a value is checked, and what is kept of it; as upstream's parser does. */
enum option_rule {
	RULE_LEVEL,
	RULE_ADDR,
	RULE_SECONDS,	/* unsigned; 0 keeps the default. TOML also: { secs = 1, nanos = 0 } */
	RULE_PORT,	/* > 0 counts */
	RULE_PIPE_SIZE, /* >= 0 */
	RULE_FLAG,	/* on the kernel command line only as a word without "=" */
	RULE_BOOL,	/* "true", or a number that is not 0; everything else is false */
	RULE_LATER_BOOL,
	RULE_FLAG_OR_BOOL, /* either form */
	RULE_LITERAL,	   /* "true" or "false" */
	RULE_UINT,	   /* at most max */
	RULE_INT64,
	RULE_WORD, /* one of words */
	RULE_URL,
	RULE_ANY,
	RULE_REFUSED, /* to be left empty */
};

struct option_key {
	const char *cmdline, *toml; /* its names; NULL: not to be set there */
	enum option_rule rule;
	size_t at;		 /* where in struct options the value goes; 0: nowhere */
	enum option_later later; /* of RULE_LATER_BOOL */
	uint64_t max;
	const char *words; /* "a|b" */
};

void options_init(struct options *o);
/* NULL: no such key. */
const struct option_key *options_find_cmdline(const char *name);
const struct option_key *options_find_toml(const char *name);
/* The caller says in front of the error where the value stands. */
int options_set(struct options *o, const struct option_key *key, const char *value,
	struct err *err) must_check;
/* KATA_AGENT_SERVER_ADDR, KATA_AGENT_LOG_LEVEL (ignored if it is none) and KATA_AGENT_TRACING. */
int options_parse_environment(struct options *o, struct err *err) must_check;
/*
 * KIHON_AGENT_RUN_DIR, which lets agents run beside each other. Not for PID 1: the kernel hands it
 * unknown parameters of its command line as its environment.
 */
int options_parse_run_dir(struct options *o, struct err *err) must_check;
/* KIHON_AGENT_PORTS, as port.h says; not for PID 1 either. */
int options_parse_ports(struct options *o, struct err *err) must_check;
/* "agent.mem_agent_enable", for the log. */
const char *option_later_name(enum option_later option);
