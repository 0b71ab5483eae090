/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/buf.h"
#include "base/log.h"
#include "runtime/fifo.h"
#include "runtime/stream.h"
#include "wire/message.h"

struct stream_in {
	struct stream_config config;
	bool is_terminal;
	struct agent *agent;	    /* borrowed; NULL before start */
	int path_fd;		    /* owned: the fifo, until start; -1: none */
	bool is_finished;	    /* CloseIO has been asked for */
	int read_fd;		    /* owned; -1: no fifo, or closed */
	int write_fd;		    /* owned: keeps the fifo from ending; -1 once finished */
	struct source *readable;    /* owned; parked while a call is in flight */
	struct agent_pending *call; /* owned; NULL: none in flight */
	struct buf chunk;	    /* read from the fifo, not yet taken by the guest */
};

static void send_chunk(struct stream_in *s);

void stream_in_close(struct stream_in *s)
{
	if (s->call)
		agent_pending_cancel(s->call);
	s->call = NULL;
	source_free(s->readable);
	s->readable = NULL;
	close_fd(s->path_fd);
	close_fd(s->read_fd);
	close_fd(s->write_fd);
	s->path_fd = s->read_fd = s->write_fd = -1;
	buf_fini(&s->chunk);
}

static void on_stdin_closed(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct stream_in *s = data;

	(void)reply;
	s->call = NULL;
	if (err)
		log_write(LOG_DEBUG, "stdio", "close stdin", "cid", s->config.cid, "exec",
			s->config.eid, "error", err->msg, NULL);
	stream_in_close(s);
}

static void on_fifo_end(struct stream_in *s)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	/* A terminal has no end of input of its own; closing it would cut its output off as well.
	 */
	if (s->is_terminal) {
		stream_in_close(s);
		return;
	}
	request.container_id = message_text(s->config.cid);
	request.exec_id = message_text(s->config.eid);
	if (source_set_events(s->readable, 0) < 0 ||
		agent_call(s->agent, AGENT_CLOSE_STDIN, &request.base, on_stdin_closed, s,
			&s->call) < 0)
		stream_in_close(s);
}

static void on_written(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct stream_in *s = data;
	const Grpc__WriteStreamResponse *r = (const void *)reply;

	s->call = NULL;
	/* The process has closed its stdin or is gone; or the guest claims more than it was given.
	 */
	if (err || r->len == 0 || r->len > buf_len(&s->chunk)) {
		stream_in_close(s);
		return;
	}
	buf_consume(&s->chunk, r->len);
	if (buf_len(&s->chunk) > 0)
		send_chunk(s);
	else if (source_set_events(s->readable, EPOLLIN) < 0)
		stream_in_close(s);
}

static void send_chunk(struct stream_in *s)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct slice chunk = buf_slice(&s->chunk);

	request.container_id = message_text(s->config.cid);
	request.exec_id = message_text(s->config.eid);
	request.has_data = 1;
	request.data.data = (uint8_t *)(uintptr_t)chunk.p;
	request.data.len = chunk.len;
	if (agent_call(s->agent, AGENT_WRITE_STDIN, &request.base, on_written, s, &s->call) < 0)
		stream_in_close(s);
}

static void on_readable(void *data, int fd, uint32_t events)
{
	struct stream_in *s = data;
	uint8_t *to = buf_reserve(&s->chunk, STREAM_CHUNK_SIZE);
	ssize_t n;

	(void)events;
	if (!to) {
		stream_in_close(s);
		return;
	}
	n = read(fd, to, STREAM_CHUNK_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		stream_in_close(s);
	} else if (n == 0) {
		on_fifo_end(s);
	} else {
		buf_commit(&s->chunk, (size_t)n);
		if (source_set_events(s->readable, 0) < 0)
			stream_in_close(s);
		else
			send_chunk(s);
	}
}

int stream_in_new(const struct stream_config *config, int path_fd, bool terminal,
	struct stream_in **ret, struct err *err)
{
	struct stream_in *s = calloc(1, sizeof(*s));

	if (!s)
		return err_sys(err, ENOMEM, "open stdio");
	*s = (struct stream_in){.config = *config,
		.is_terminal = terminal,
		.path_fd = path_fd,
		.read_fd = -1,
		.write_fd = -1};
	*ret = s;
	return 0;
}

void stream_in_free(struct stream_in *s)
{
	if (!s)
		return;
	stream_in_close(s);
	free(s);
}

/*
 * Only now: ctr copies its stdin as soon as the fifo has a reader, and tells of its end by CloseIO
 * only if Create has been answered by then. With a reader from the start, a short input would have
 * ended unheard long before a VM has booted.
 */
static int open_fifo(struct stream_in *s)
{
	struct err err = ERR_INIT;
	int r = fifo_open(s->path_fd, &s->read_fd, &s->write_fd, &err);

	close_fd(take_fd(&s->path_fd));
	if (r == 0)
		r = loop_add_io(s->config.loop, s->read_fd, EPOLLIN, on_readable, s, &s->readable);
	if (r == 0 && s->is_finished)
		stream_in_finish(s);
	return r;
}

int stream_in_start(struct stream_in *s, struct agent *agent)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	s->agent = agent;
	if (s->path_fd >= 0)
		return open_fifo(s);
	if (s->is_terminal)
		return 0;
	/* No stdin at all: the process reads an end of file, as from /dev/null. */
	request.container_id = message_text(s->config.cid);
	request.exec_id = message_text(s->config.eid);
	return agent_call(agent, AGENT_CLOSE_STDIN, &request.base, on_stdin_closed, s, &s->call);
}

void stream_in_finish(struct stream_in *s)
{
	s->is_finished = true;
	close_fd(s->write_fd);
	s->write_fd = -1;
}
