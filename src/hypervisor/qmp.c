/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: bytes are gathered until a line is whole, each line is parsed and handled
 * before the next one is looked at. Commands carry an increasing number as their id and wait in a
 * list for the reply that repeats it. The first failure closes the socket and is reported once.
 *
 * An fd has to leave in one sendmsg with the first byte of its command, and QEMU forgets an fd that it
 * has not used when the next one arrives. So there is one command with an fd at a time, from here to
 * its reply; the others wait, whole, in their requests.
 */
#include "hypervisor/qmp.h"

#include <inttypes.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/list.h"
#include "text/json.h"

enum { READ_SIZE = 16384 };
enum qmp_state { QMP_GREETING, QMP_CAPABILITIES, QMP_READY, QMP_CLOSED };

struct request {
	struct list link;
	uint64_t id;
	qmp_reply_fn *fn; /* may be NULL */
	void *data;	  /* borrowed from the caller */
	int fd;		  /* owned; -1 once it is being sent */
	struct buf line;  /* what is to be sent with the fd, until then */
};

struct qmp {
	enum qmp_state state;
	int fd;		       /* owned */
	struct source *source; /* owned */
	struct buf in, out;
	int fd_out; /* owned; goes with byte fd_at of out; -1: none */
	size_t fd_at;
	uint64_t fd_id;	      /* the command with an fd that has no reply yet; 0: none */
	size_t n_scanned;     /* bytes of in known to hold no newline */
	struct list requests; /* owned, oldest first */
	size_t n_requests;
	uint64_t last_id;
	const struct qmp_handlers *handlers; /* borrowed */
	void *data;			     /* borrowed from the caller */
	bool *freed;			     /* set by qmp_free() during dispatch; NULL outside */
};

static void free_request(struct request *r)
{
	close_fd(r->fd);
	buf_fini(&r->line);
	free(r);
}

static void drop_requests(struct qmp *qmp)
{
	LIST_FOREACH_SAFE (r, &qmp->requests, struct request, link) {
		list_remove(&r->link);
		free_request(r);
	}
	qmp->n_requests = 0;
}

static void disconnect(struct qmp *qmp)
{
	qmp->state = QMP_CLOSED;
	source_free(qmp->source);
	qmp->source = NULL;
	close_fd(qmp->fd);
	close_fd(take_fd(&qmp->fd_out));
	qmp->fd = -1;
	drop_requests(qmp);
}

static void fail(struct qmp *qmp, struct err *err)
{
	disconnect(qmp);
	err_wrap(err, "QMP");
	qmp->handlers->closed(qmp->data, err);
}

/* ---- Sending ---- */

/* Bytes and, if it goes with the first of them, the fd. */
static ssize_t send_some(const struct qmp *qmp, struct slice bytes)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes.p, .iov_len = bytes.len};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (qmp->fd_out >= 0 && qmp->fd_at == 0) {
		control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(&control.header), &qmp->fd_out, sizeof(int));
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
	}
	return sendmsg(qmp->fd, &message, MSG_NOSIGNAL);
}

/* Writes what the socket takes; the rest waits for EPOLLOUT. */
static int flush(struct qmp *qmp)
{
	while (buf_len(&qmp->out) > 0) {
		struct slice s = buf_slice(&qmp->out);
		ssize_t n;

		if (qmp->fd_out >= 0 && qmp->fd_at > 0)
			s.len = qmp->fd_at;
		n = send_some(qmp, s);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		if (qmp->fd_out >= 0 && qmp->fd_at == 0)
			close_fd(take_fd(&qmp->fd_out));
		else if (qmp->fd_out >= 0)
			qmp->fd_at -= (size_t)n;
		buf_consume(&qmp->out, (size_t)n);
	}
	return source_set_events(
		qmp->source, EPOLLIN | (buf_len(&qmp->out) > 0 ? (uint32_t)EPOLLOUT : 0));
}

/* A broken connection is reported by closed(), from the loop, not from here. */
static void flush_or_hang_up(struct qmp *qmp)
{
	if (flush(qmp) < 0)
		(void)shutdown(qmp->fd, SHUT_RDWR);
}

static int format_command(struct buf *line, const struct qmp_command *command, uint64_t id)
{
	struct slice arguments = command->arguments;
	/* Names of commands are ours: nothing in them needs quoting. */
	int r = buf_printf(line, "{\"execute\":\"%s\",\"id\":%" PRIu64, command->name, id);

	if (r == 0 && arguments.len > 0)
		r = buf_append_str(line, ",\"arguments\":");
	if (r == 0 && arguments.len > 0)
		r = buf_append(line, arguments.p, arguments.len);
	return r == 0 ? buf_append_str(line, "}\n") : r;
}

/* Moves the request's line, and its fd, to what is being sent. */
static int queue(struct qmp *qmp, struct request *request)
{
	size_t at = buf_len(&qmp->out);
	struct slice line = buf_slice(&request->line);
	int r = buf_append(&qmp->out, line.p, line.len);

	if (r < 0)
		return r;
	buf_fini(&request->line);
	request->line = (struct buf)BUF_INIT;
	if (request->fd >= 0) {
		qmp->fd_out = take_fd(&request->fd);
		qmp->fd_at = at;
		qmp->fd_id = request->id;
	}
	return 0;
}

/* The request is in the list, or freed. */
static int start_request(
	struct qmp *qmp, struct request *request, const struct qmp_command *command)
{
	int r = format_command(&request->line, command, request->id);

	if (r == 0 && (request->fd < 0 || qmp->fd_id == 0))
		r = queue(qmp, request);
	if (r < 0) {
		free_request(request);
		return r;
	}
	qmp->last_id++;
	list_add(&qmp->requests, &request->link);
	qmp->n_requests++;
	flush_or_hang_up(qmp);
	return 0;
}

static int execute(struct qmp *qmp, const struct qmp_command *command, qmp_reply_fn *fn, void *data)
{
	auto_fd int fd = command->fd;
	struct request *request;

	if (qmp->n_requests >= QMP_PENDING_MAX)
		return -EBUSY;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	*request = (struct request){
		.id = qmp->last_id + 1, .fn = fn, .data = data, .fd = take_fd(&fd)};
	return start_request(qmp, request, command);
}

/* After a reply: the next command with an fd, if one waits. */
static int queue_next_fd(struct qmp *qmp)
{
	LIST_FOREACH (r, &qmp->requests, struct request, link) {
		int queued;

		if (r->fd < 0)
			continue;
		queued = queue(qmp, r);
		flush_or_hang_up(qmp);
		return queued;
	}
	return 0;
}

int qmp_execute(struct qmp *qmp, const char *command, qmp_reply_fn *fn, void *data)
{
	return qmp_execute_command(qmp, &(struct qmp_command){.name = command, .fd = -1}, fn, data);
}

int qmp_execute_command(
	struct qmp *qmp, const struct qmp_command *command, qmp_reply_fn *fn, void *data)
{
	if (qmp->state == QMP_READY)
		return execute(qmp, command, fn, data);
	close_fd(command->fd);
	return -ENOTCONN;
}

/* ---- Receiving ---- */

static void on_capabilities(void *data, const struct value *ret, const struct err *err)
{
	struct qmp *qmp = data;

	(void)ret;
	if (err) {
		struct err why = *err;

		fail(qmp, &why);
		return;
	}
	qmp->state = QMP_READY;
	qmp->handlers->ready(qmp->data);
}

static int handle_greeting(struct qmp *qmp, struct err *err)
{
	int r;

	if (qmp->state != QMP_GREETING)
		return err_set(err, EPROTO, "unexpected greeting");
	qmp->state = QMP_CAPABILITIES;
	r = execute(qmp, &(struct qmp_command){.name = "qmp_capabilities", .fd = -1},
		on_capabilities, qmp);
	return r < 0 ? err_sys(err, -r, "send qmp_capabilities") : 0;
}

static int handle_event(
	struct qmp *qmp, const struct value *root, const struct value *event, struct err *err)
{
	const struct value *args = value_find(root, "data");
	const char *name;
	int r = value_get_string(event, &name, err);

	if (r == 0 && args)
		r = value_check_type(args, VALUE_TABLE, err);
	if (r == 0)
		qmp->handlers->event(qmp->data, name, args);
	return r;
}

/* What {"class": ..., "desc": ...} says, as the err of a command. */
static int read_error(const struct value *error, struct err *ret, struct err *err)
{
	const struct value *class = value_need(error, "class", err), *desc;
	const char *class_name, *text;
	int r;

	if (!class)
		return -EINVAL;
	desc = value_need(error, "desc", err);
	if (!desc)
		return -EINVAL;
	r = value_get_string(class, &class_name, err);
	if (r == 0)
		r = value_get_string(desc, &text, err);
	if (r == 0)
		err_set(ret, EIO, "%s: %s", class_name, text);
	return r;
}

static struct request *take_request(struct qmp *qmp, uint64_t id)
{
	LIST_FOREACH (r, &qmp->requests, struct request, link) {
		if (r->id != id || buf_len(&r->line) > 0)
			continue; /* the latter has not been sent */
		list_remove(&r->link);
		qmp->n_requests--;
		return r;
	}
	return NULL;
}

static int handle_reply(struct qmp *qmp, const struct value *root, struct err *err)
{
	const struct value *error = value_find(root, "error"), *ret = value_find(root, "return");
	const struct value *id_value = value_find(root, "id");
	struct err command_err = ERR_INIT;
	struct request *request, copy;
	uint64_t id;
	int r;

	if (!error == !ret)
		return err_set(err, EPROTO, "neither greeting nor event nor reply");
	if (error && read_error(error, &command_err, err) < 0)
		return -EINVAL;
	/* QEMU answers a line that it cannot parse without an id. */
	if (!id_value)
		return err_set(
			err, EPROTO, "reply without id%s%s", error ? ": " : "", command_err.msg);
	if (value_get_u64(id_value, 1, UINT64_MAX, &id, err) < 0)
		return -EINVAL;
	request = id == qmp->fd_id && qmp->fd_out >= 0 ? NULL : take_request(qmp, id);
	if (!request)
		return err_set(err, EPROTO, "reply to nothing that was asked");
	copy = *request;
	free_request(request);
	if (id == qmp->fd_id) {
		qmp->fd_id = 0;
		r = queue_next_fd(qmp);
		if (r < 0)
			return err_sys(err, -r, "send");
	}
	if (copy.fn)
		copy.fn(copy.data, ret, error ? &command_err : NULL);
	return 0;
}

static int handle_line(struct qmp *qmp, struct slice line, struct err *err)
{
	auto_document struct document *doc = NULL;
	const struct value *root, *event;
	int r = json_parse("message", line, QMP_LINE_MAX, &doc, err);

	if (r < 0)
		return r;
	root = document_root(doc);
	r = value_check_type(root, VALUE_TABLE, err);
	if (r < 0)
		return r;
	event = value_find(root, "event");
	if (event)
		return handle_event(qmp, root, event, err);
	if (value_find(root, "QMP"))
		return handle_greeting(qmp, err);
	return handle_reply(qmp, root, err);
}

/* Takes the first line out of in, without its end; false: there is none yet. */
static bool take_line(struct qmp *qmp, struct buf *line, int *ret_r)
{
	struct slice in = buf_slice(&qmp->in);
	const uint8_t *end = NULL;
	size_t len;

	if (in.len > qmp->n_scanned)
		end = memchr(in.p + qmp->n_scanned, '\n', in.len - qmp->n_scanned);
	if (!end) {
		qmp->n_scanned = in.len;
		return false;
	}
	len = (size_t)(end - in.p);
	buf_clear(line);
	*ret_r = buf_append(line, in.p, len);
	buf_consume(&qmp->in, len + 1);
	qmp->n_scanned = 0;
	return true;
}

/* Handles the whole lines in the buffer. The client may be gone afterwards: *freed. */
static int handle_input(struct qmp *qmp, const bool *freed, struct err *err)
{
	auto_buf struct buf line = BUF_INIT;
	int r = 0;

	while (!*freed && qmp->state != QMP_CLOSED && take_line(qmp, &line, &r)) {
		struct slice s = buf_slice(&line);

		if (r < 0)
			return err_sys(err, -r, "read");
		/* QEMU ends lines with CR LF. */
		while (s.len > 0 && (s.p[s.len - 1] == '\r' || s.p[s.len - 1] == ' '))
			s.len--;
		if (s.len == 0)
			continue;
		r = handle_line(qmp, s, err);
		if (r < 0)
			return r;
	}
	if (!*freed && buf_len(&qmp->in) > QMP_LINE_MAX)
		return err_set(err, EPROTO, "line longer than %d bytes", QMP_LINE_MAX);
	return 0;
}

static int receive(struct qmp *qmp, struct err *err)
{
	uint8_t *p = buf_reserve(&qmp->in, READ_SIZE);
	ssize_t n;

	if (!p)
		return err_sys(err, ENOMEM, "read");
	n = recv(qmp->fd, p, READ_SIZE, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return err_sys(err, errno, "read");
	if (n <= 0)
		return err_set(err, EPIPE, "closed by QEMU");
	buf_commit(&qmp->in, (size_t)n);
	return 0;
}

static void on_io(void *data, int fd, uint32_t events)
{
	struct qmp *qmp = data;
	struct err err = ERR_INIT;
	bool freed = false;
	int r = 0;

	(void)fd;
	qmp->freed = &freed;
	/* What was sent before the end is still read: an event may tell why. */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = receive(qmp, &err);
	if (r == 0)
		r = handle_input(qmp, &freed, &err);
	if (freed)
		return;
	if (r == 0 && qmp->state != QMP_CLOSED && (events & EPOLLOUT)) {
		r = flush(qmp);
		if (r < 0)
			err_sys(&err, -r, "write");
	}
	if (r < 0 && qmp->state != QMP_CLOSED)
		fail(qmp, &err);
	if (!freed)
		qmp->freed = NULL;
}

int qmp_new(struct loop *loop, int fd, const struct qmp_handlers *handlers, void *data,
	struct qmp **ret)
{
	auto_fd int owned_fd = fd;
	struct qmp *qmp = calloc(1, sizeof(*qmp));
	int r;

	if (!qmp)
		return -ENOMEM;
	*qmp = (struct qmp){
		.state = QMP_GREETING, .fd = -1, .fd_out = -1, .handlers = handlers, .data = data};
	list_init(&qmp->requests);
	r = loop_add_io(loop, fd, EPOLLIN, on_io, qmp, &qmp->source);
	if (r < 0) {
		qmp_free(qmp);
		return r;
	}
	qmp->fd = take_fd(&owned_fd);
	*ret = qmp;
	return 0;
}

void qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return;
	if (qmp->freed)
		*qmp->freed = true;
	disconnect(qmp);
	buf_fini(&qmp->in);
	buf_fini(&qmp->out);
	free(qmp);
}
