/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log records: one line each, through one process-wide sink that never blocks.
 *
 * LOG_JSON is what the agent writes and hosts parse (spec of upstream's slog-json: ts, level, msg,
 * name, source, subsystem, pid as a string, version, then the record's own keys); LOG_LOGFMT is
 * what containerd's log fifo shows. A record that does not fit into the sink (its reader is slow or
 * gone) is dropped and counted; the next one that fits says how many were lost. The program ignores
 * SIGPIPE. Values that are not UTF-8 are made so, a record longer than 4 KiB is cut.
 *
 *	log_write(LOG_INFO, "rpc", "container created", "cid", id, NULL);
 *	log_printf(LOG_WARN, "modules", "skip %s: %s", name, strerror(errno));
 *
 * Libraries log at debug only; the program that gives up logs once, with the object's ids.
 */
#include "base/own.h"

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_CRIT, LOG_LEVEL_COUNT };
enum log_format { LOG_JSON, LOG_LOGFMT };

struct log_config {
	enum log_format format;
	enum log_level level; /* records below it are not written */
	const char *name;     /* the program's, e.g. "kata-agent"; borrowed for ever */
	const char *source;   /* "agent", "shim"; borrowed for ever */
	const char *id;	      /* sandbox id for every record, or NULL; borrowed for ever */
	int fd;		      /* borrowed; non-blocking if its reader may be slow; -1: none */
};

/* Before the first record; may be called again. Without it nothing is written. */
void log_init(const struct log_config *config);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_fd(int fd);

/* Pairs of key and value (both strings) follow msg, ended by NULL. */
void log_write(enum log_level level, const char *subsystem, const char *msg, ...)
	__attribute__((sentinel));
void log_printf(enum log_level level, const char *subsystem, const char *fmt, ...)
	printf_like(3, 4);

/* "trace", "debug", "info", "warn", "warning", "error", "critical", "fatal", "panic": -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret) must_check;
/* One that log_level_parse takes: "trace", ..., "fatal". */
const char *log_level_name(enum log_level level);
