/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/stream.h"
#include "wire/message.h"

/* container_pipe_size is at most 1 MiB; the rest is for what lies between the pipe and us. */
enum { HURRY_S = 10, AFTER_KILL_MAX = 8 << 20 };

struct stream_out {
	struct stream_config config;
	enum agent_method method;
	struct agent *agent;	    /* borrowed; NULL before start */
	struct stdio_sink sink;	    /* owned */
	struct source *writable;    /* owned; parked unless chunk waits; NULL: a file */
	struct source *timer;	    /* owned */
	struct agent_pending *call; /* owned; NULL: none in flight */
	struct buf chunk;	    /* read from the guest, not yet written */
	bool is_hurried, has_ended;
	size_t n_after_kill; /* bytes that came since is_hurried */
	stream_ended_fn *ended;
	void *data; /* borrowed from the owner */
};

static void read_next(struct stream_out *s);

static void end(struct stream_out *s)
{
	s->has_ended = true;
	source_set_deadline(s->timer, INT64_MAX);
	s->ended(s->data);
}

static void stop_writing(struct stream_out *s)
{
	source_free(s->writable);
	s->writable = NULL;
	close_fd(s->sink.write_fd);
	s->sink.write_fd = -1;
	buf_clear(&s->chunk);
}

static void set_patience(struct stream_out *s)
{
	int64_t patience_ns = s->is_hurried ? HURRY_S * NS_PER_S : s->sink.patience_ns;
	bool is_limited = buf_len(&s->chunk) > 0 && patience_ns < INT64_MAX;

	source_set_deadline(s->timer, is_limited ? clock_now_ns() + patience_ns : INT64_MAX);
}

static void give_up(struct stream_out *s, const char *why)
{
	log_write(LOG_WARN, "stdio", "output is dropped from now on", "cid", s->config.cid, "exec",
		s->config.eid, "error", why, NULL);
	stop_writing(s);
}

/* Writes what the sink takes now. False: it is full. Any other failure ends the writing. */
static bool write_some(struct stream_out *s, struct slice *left)
{
	while (left->len > 0 && s->sink.write_fd >= 0) {
		ssize_t n = write(s->sink.write_fd, left->p, left->len);

		if (n >= 0)
			*left = slice_of(left->p + n, left->len - (size_t)n);
		else if (errno == EAGAIN && s->writable)
			return false;
		else if (errno != EINTR)
			give_up(s, strerror(errno));
	}
	return true;
}

/* Keeps what did not fit until there is room. */
static void keep(struct stream_out *s, struct slice left)
{
	if (buf_append(&s->chunk, left.p, left.len) < 0 ||
		source_set_events(s->writable, EPOLLOUT) < 0) {
		stop_writing(s);
		read_next(s);
		return;
	}
	set_patience(s);
}

static void on_writable(void *data, int fd, uint32_t events)
{
	struct stream_out *s = data;
	struct slice left = buf_slice(&s->chunk);

	(void)fd;
	(void)events;
	if (!write_some(s, &left)) {
		buf_consume(&s->chunk, buf_len(&s->chunk) - left.len);
		set_patience(s);
		return;
	}
	buf_clear(&s->chunk);
	set_patience(s);
	if (s->writable && source_set_events(s->writable, 0) < 0)
		stop_writing(s);
	read_next(s);
}

static void on_impatient(void *data)
{
	struct stream_out *s = data;

	give_up(s, "nobody takes it");
	read_next(s);
}

/* More than was asked for; or more after the process was killed than its pipe can have held. */
static bool is_absurd(struct stream_out *s, size_t len)
{
	const char *what = len > STREAM_CHUNK_SIZE
				   ? "the guest sends more output than was asked for"
				   : "a killed process goes on writing";

	if (s->is_hurried)
		s->n_after_kill += len;
	if (len <= STREAM_CHUNK_SIZE && s->n_after_kill <= AFTER_KILL_MAX)
		return false;
	log_write(LOG_WARN, "stdio", what, "cid", s->config.cid, "exec", s->config.eid, NULL);
	return true;
}

static void on_read(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct stream_out *s = data;
	const Grpc__ReadStreamResponse *r = (const void *)reply;
	struct slice left;

	s->call = NULL;
	/* An error ends the stream too: upstream's agent answers the end of a terminal with one. */
	if (err || r->data.len == 0 || is_absurd(s, r->data.len)) {
		end(s);
		return;
	}
	left = slice_of(r->data.data, r->data.len);
	if (write_some(s, &left))
		read_next(s);
	else
		keep(s, left);
}

static int call_read(struct stream_out *s)
{
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;

	request.container_id = message_text(s->config.cid);
	request.exec_id = message_text(s->config.eid);
	MESSAGE_SET(&request, len, STREAM_CHUNK_SIZE);
	return agent_call(s->agent, s->method, &request.base, on_read, s, &s->call);
}

static void read_next(struct stream_out *s)
{
	if (call_read(s) < 0)
		end(s);
}

/* A file is always ready, and epoll will not have it. */
static int watch(struct stream_out *s)
{
	int r = loop_add_timer(s->config.loop, INT64_MAX, on_impatient, s, &s->timer);

	if (r < 0 || s->sink.write_fd < 0)
		return r;
	r = loop_add_io(s->config.loop, s->sink.write_fd, 0, on_writable, s, &s->writable);
	return r == -EPERM ? 0 : r;
}

int stream_out_new(const struct stream_config *config, struct stdio_sink *sink,
	enum agent_method method, struct stream_out **ret, struct err *err)
{
	struct stream_out *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_sys(err, ENOMEM, "open stdio");
	*s = (struct stream_out){.config = *config, .method = method, .sink = *sink};
	r = watch(s);
	if (r < 0) {
		s->sink = (struct stdio_sink)STDIO_SINK_INIT;
		stream_out_free(s);
		return err_sys(err, -r, "watch stdio");
	}
	*sink = (struct stdio_sink)STDIO_SINK_INIT;
	*ret = s;
	return 0;
}

void stream_out_free(struct stream_out *s)
{
	if (!s)
		return;
	if (s->call)
		agent_pending_cancel(s->call);
	stop_writing(s);
	source_free(s->timer);
	stdio_sink_close(&s->sink);
	buf_fini(&s->chunk);
	free(s);
}

int stream_out_start(struct stream_out *s, struct agent *agent, stream_ended_fn *ended, void *data)
{
	s->agent = agent;
	s->ended = ended;
	s->data = data;
	return call_read(s);
}

void stream_out_hurry(struct stream_out *s)
{
	s->is_hurried = true;
	if (!s->has_ended)
		set_patience(s);
}

void stream_out_close(struct stream_out *s)
{
	if (s->call)
		agent_pending_cancel(s->call);
	s->call = NULL;
	stop_writing(s);
	source_set_deadline(s->timer, INT64_MAX);
	s->has_ended = true;
}
