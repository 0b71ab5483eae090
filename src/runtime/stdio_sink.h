/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a process' stdio goes on the host, whatever its kind: fifo.h, log_file.h, logger.h. What
 * copies it is in stream.h.
 */
#include "base/err.h"
#include "runtime/logger.h"

/* The host's end of one output. STDIO_SINK_INIT is one that drops everything. */
struct stdio_sink {
	int write_fd;	     /* owned; -1: drop what comes */
	int read_fd;	     /* owned: keeps what is in a fifo; -1: none */
	int64_t patience_ns; /* how long nothing may be taken before the rest is dropped */
};

#define STDIO_SINK_INIT                                                 \
	{                                                               \
		.write_fd = -1, .read_fd = -1, .patience_ns = INT64_MAX \
	}

/* texts: as containerd names them; "" where there is none. Both may name one logger, which *ret
 * then is, not started yet; else *ret is NULL. Two different ones: -ENOTSUP. */
int stdio_open_outputs(const char *const texts[static STDIO_N_OUTPUTS],
	const struct logger_config *config, struct stdio_sink ret_sinks[static STDIO_N_OUTPUTS],
	struct logger **ret, struct err *err) must_check;
void stdio_sink_close(struct stdio_sink *sink);

/* The fifo of stdin, or -1 in *ret: none. Found, not opened: fifo.h. */
int stdio_find_input(const char *text, int *ret_path_fd, struct err *err) must_check;
