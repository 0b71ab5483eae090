/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One stream of a process, copied between its end on the host (runtime/stdio_sink.h) and the agent.
 *
 * A stream has at most one call to the agent in flight and keeps at most one chunk, so a reader
 * that stops, stops the guest in turn, and nothing grows.
 */
#include "base/err.h"
#include "loop/loop.h"
#include "runtime/agent.h"
#include "runtime/stdio_sink.h"

/* As much as a fifo holds. */
enum { STREAM_CHUNK_SIZE = 64 * 1024 };

struct stream_config {
	struct loop *loop;
	const char *cid, *eid; /* borrowed for the stream's life; eid is "" for the init process */
};

struct stream_out;

/* The end of the output has been written, or there is nobody left to write it to. Called once, from
 * the loop. */
typedef void stream_ended_fn(void *data);

/* sink: taken over on success. Into one without a descriptor the output is read, so that the process
 * does not block, and dropped. */
int stream_out_new(const struct stream_config *config, struct stdio_sink *sink,
	enum agent_method method, struct stream_out **ret, struct err *err) must_check;
void stream_out_free(struct stream_out *s);
int stream_out_start(
	struct stream_out *s, struct agent *agent, stream_ended_fn *ended, void *data) must_check;
/* The process has been killed: from now on output that no reader takes for ten seconds is dropped,
 * so that a reader that is gone cannot keep it from ending. */
void stream_out_hurry(struct stream_out *s);
/* Lets the reader see the end; what is in the fifo stays readable until the stream is freed. */
void stream_out_close(struct stream_out *s);

struct stream_in;

/* path_fd: stdio_find_input()'s, taken over on success. A writer has a reader from start on. */
int stream_in_new(const struct stream_config *config, int path_fd, bool terminal,
	struct stream_in **ret, struct err *err) must_check;
void stream_in_free(struct stream_in *s);
int stream_in_start(struct stream_in *s, struct agent *agent) must_check;
/* CloseIO: what has been written to the fifo is still copied, then the process' stdin is closed.
 * Before this the end of one writer means nothing: another may come (attach). May come before
 * start. */
void stream_in_finish(struct stream_in *s);
/* The process is gone: writers get EPIPE. */
void stream_in_close(struct stream_in *s);
