/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/fifo.h"
#include "runtime/stream.h"
#include "wire/message.h"

enum { HURRY_S = 10 };

struct stream_out {
	struct stream_config config; /* its path is not kept */
	enum agent_method method;
	struct agent *agent;	    /* borrowed; NULL before start */
	int read_fd;		    /* owned: keeps the fifo's content; -1: no fifo */
	int write_fd;		    /* owned; -1: drop what comes */
	struct source *writable;    /* owned; parked unless chunk waits */
	struct source *timer;	    /* owned */
	struct agent_pending *call; /* owned; NULL: none in flight */
	struct buf chunk;	    /* read from the guest, not yet written */
	bool is_hurried, has_ended;
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
	close_fd(s->write_fd);
	s->write_fd = -1;
	buf_clear(&s->chunk);
}

static void set_patience(struct stream_out *s)
{
	bool is_waiting = buf_len(&s->chunk) > 0 && s->is_hurried;

	source_set_deadline(s->timer, is_waiting ? clock_now_ns() + HURRY_S * NS_PER_S : INT64_MAX);
}

/* Writes what the fifo takes now. False: it is full. Any other failure ends the writing. */
static bool write_some(struct stream_out *s, struct slice *left)
{
	while (left->len > 0 && s->write_fd >= 0) {
		ssize_t n = write(s->write_fd, left->p, left->len);

		if (n >= 0)
			*left = slice_of(left->p + n, left->len - (size_t)n);
		else if (errno == EAGAIN)
			return false;
		else if (errno != EINTR)
			stop_writing(s);
	}
	return true;
}

/* Keeps what did not fit until the fifo has room. */
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

	log_write(LOG_WARN, "stdio", "nobody reads the output of a killed process: dropped", "cid",
		s->config.cid, "exec", s->config.eid, NULL);
	stop_writing(s);
	read_next(s);
}

static void on_read(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct stream_out *s = data;
	const Grpc__ReadStreamResponse *r = (const void *)reply;
	struct slice left;

	s->call = NULL;
	/* An error ends the stream too: upstream's agent answers the end of a terminal with one. */
	if (err || r->data.len == 0 || r->data.len > STREAM_CHUNK_SIZE) {
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

	request.container_id = (char *)(uintptr_t)s->config.cid;
	request.exec_id = (char *)(uintptr_t)s->config.eid;
	MESSAGE_SET(&request, len, STREAM_CHUNK_SIZE);
	return agent_call(s->agent, s->method, &request.base, on_read, s, &s->call);
}

static void read_next(struct stream_out *s)
{
	if (call_read(s) < 0)
		end(s);
}

static int open_fifo(struct stream_out *s, const char *path, struct err *err)
{
	auto_fd int path_fd = fifo_find(path, err);

	return path_fd < 0 ? path_fd : fifo_open(path_fd, &s->read_fd, &s->write_fd, err);
}

int stream_out_new(const struct stream_config *config, enum agent_method method,
	struct stream_out **ret, struct err *err)
{
	struct stream_out *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return err_sys(err, ENOMEM, "open stdio");
	*s = (struct stream_out){
		.config = *config, .method = method, .read_fd = -1, .write_fd = -1};
	s->config.path = NULL;
	if (config->path[0])
		r = open_fifo(s, config->path, err);
	if (r == 0) {
		r = loop_add_timer(config->loop, INT64_MAX, on_impatient, s, &s->timer);
		if (r == 0 && s->write_fd >= 0)
			r = loop_add_io(config->loop, s->write_fd, 0, on_writable, s, &s->writable);
		if (r < 0)
			err_sys(err, -r, "watch %s", config->path);
	}
	if (r < 0) {
		stream_out_free(s);
		return r;
	}
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
	close_fd(s->read_fd);
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
