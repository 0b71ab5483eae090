/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent: one loop, one server, one sandbox. Every request handler is handed its struct agent.
 *
 * It serves until the sandbox has been destroyed, or, when it is not PID 1, until SIGTERM or
 * SIGINT.
 */
#include "agent/device/hotplug.h"
#include "agent/options.h"
#include "agent/reaper.h"
#include "agent/sandbox.h"
#include "base/list.h"
#include "loop/loop.h"
#include "wire/ttrpc_server.h"

/* The version of the agent's API (Health.Version), which upstream has never changed. */
#define AGENT_API_VERSION "0.0.1"
/* What we announce as extra_features: the i-th, NULL past the end. Sorted: the fields of
 * proto/oci.proto that upstream's schema has not (oci/extension.h), then "seccomp". */
const char *agent_feature(size_t i);
enum { AGENT_FEATURES_MAX = 65 };

/* Below options.run_dir: what the host shares, or copies (CopyFile). */
#define AGENT_SHARE_DIR "shared/containers"
enum { AGENT_SHARE_PATH_SIZE = OPTIONS_PATH_SIZE + sizeof("/" AGENT_SHARE_DIR) };

/*
 * What hosts may make us hold: in bytes, AGENT_SHARED_BUDGET and a reserve per connection, 40 MiB in
 * all, a third of the smallest guest (128 MiB). One shim is one connection; tools open a few more,
 * and more than a hundred is nobody's.
 */
enum {
	AGENT_MAX_CONNECTIONS = 128,
	/* Health, signals, waits, and the creation of an ordinary container (10 to 60 KiB decoded):
	 * served whatever others do. */
	AGENT_CONNECTION_RESERVE = 128 << 10,
	AGENT_SHARED_BUDGET = 24 << 20,
	/* The largest message, 4 MiB, and 16 MiB to decode it into. A single peer leaves others
	 * more than their reserve. */
	AGENT_CONNECTION_BUDGET = 20 << 20,
	/* A peer that does not read for a moment may still ask. Past twice this and a message, 12 MiB,
	 * it is disconnected: 100 containers that all write at once give half of that, 64 KiB each,
	 * before it is its turn to read. */
	AGENT_MAX_UNSENT = 4 << 20,
};

/* The commit that the agent was built from, or "unknown". */
extern const char agent_commit[];

struct console;
struct logport;
struct passfd;
struct trace;

struct agent {
	const struct options *options; /* borrowed */
	struct loop *loop;
	struct reaper *reaper;
	struct logport *logport;
	struct console *console; /* NULL: none asked for */
	struct passfd *passfd;	 /* NULL: none asked for */
	struct trace *trace;	 /* NULL: not asked for */
	struct ttrpc_server *server;
	struct ttrpc_method *methods; /* owned: what the server serves */
	struct sandbox sandbox;
	struct list call_jobs;	 /* calls that jobs answer (call_job.c) */
	struct hotplug hotplug;	 /* who waits for devices */
	struct scrape *scrape;	 /* GetMetrics at work (rpc_metrics.c), or NULL */
	struct network *network; /* owned */
	uint64_t n_scrapes;
	struct source *sigterm, *sigint, *flush_timer;
	bool is_init;	   /* PID 1 of the guest */
	bool has_systemd;  /* which is PID 1, on cgroup v2, and makes cgroups for us */
	bool is_listening; /* a name of the server's address may be there */
};

/* Opens the log port and others that are asked for, then the server's address. options must outlive the agent. */
int agent_new(const struct options *options, bool is_init, struct agent **ret,
	struct err *err) must_check;
int agent_serve(struct agent *agent, struct err *err) must_check;
void agent_free(struct agent *agent);

const char *agent_share_path(const struct agent *agent, char path[static AGENT_SHARE_PATH_SIZE]);

/* Stops accepting, lets the replies out as far as peers read them soon, then ends agent_serve. */
void agent_stop(struct agent *agent);

/* CLOCK_MONOTONIC: when a process whose launch begins now is to be set up, for its call's sake and
 * by agent.launch_process_timeout. */
int64_t agent_launch_deadline_ns(const struct agent *agent, const struct ttrpc_call *call);
