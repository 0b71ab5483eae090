/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt is a socket that connects and then, for hybrid vsock, exchanges one line. The reply is
 * looked at with MSG_PEEK and taken up to its newline only: what follows it is the stream's (a
 * guest may speak first, as the log port does).
 */
#include "wire/dial.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "wire/address.h"

/* "OK 4294967295\n" and some room. */
enum { MAX_LINE = 64 };

struct dial {
	struct loop *loop; /* borrowed */
	dial_fn *fn;
	void *data;
	struct address address;
	char *text; /* owned: the address as given */
	int64_t retry_ns, deadline_ns, attempt_ns;
	struct source *timer; /* owned: the end of this attempt, or the start of the next */
	int fd;		      /* owned; -1 between attempts */
	struct source *io;    /* owned; NULL with fd */
	bool is_connected;
	char line[MAX_LINE]; /* untrusted; the part of the reply that has come */
	size_t line_len;
	struct err last; /* why the last attempt failed */
};

static void drop_attempt(struct dial *dial)
{
	source_free(take_ptr(&dial->io));
	close_fd(take_fd(&dial->fd));
}

static void dial_free(struct dial *dial)
{
	drop_attempt(dial);
	source_free(dial->timer);
	free(dial->text);
	free(dial);
}

static void give_up(struct dial *dial)
{
	dial_fn *fn = dial->fn;
	void *data = dial->data;
	struct err err = dial->last;

	err_wrap(&err, "connect to %s", dial->text);
	dial_free(dial);
	fn(data, -1, &err);
}

static void succeed(struct dial *dial)
{
	dial_fn *fn = dial->fn;
	void *data = dial->data;
	int fd;

	source_free(take_ptr(&dial->io));
	fd = take_fd(&dial->fd);
	dial_free(dial);
	fn(data, fd, NULL);
}

/* Whether a peer that is still starting may cause it. */
static bool may_pass(int code)
{
	switch (code) {
	case EACCES:
	case EPERM:
	case EINVAL:
	case EAFNOSUPPORT:
	case EPROTOTYPE:
	case ENOTSOCK:
	case ENOTDIR:
	case ELOOP:
		return false;
	default:
		return true;
	}
}

/* The attempt has failed with dial->last: the next one is later, or there is none. */
static void retry(struct dial *dial)
{
	int64_t next_ns;

	drop_attempt(dial);
	if (!may_pass(dial->last.code) ||
		__builtin_add_overflow(clock_now_ns(), dial->retry_ns, &next_ns) ||
		next_ns >= dial->deadline_ns) {
		give_up(dial);
		return;
	}
	source_set_deadline(dial->timer, next_ns);
}

static void fail_sys(struct dial *dial, int code)
{
	dial->last = (struct err)ERR_INIT;
	err_set(&dial->last, code, "%s", strerror(code));
	retry(dial);
}

static void fail_text(struct dial *dial, const char *text)
{
	dial->last = (struct err)ERR_INIT;
	err_set(&dial->last, EPROTO, "%s", text);
	retry(dial);
}

/* The socket is new and its buffer empty: a short write is as good as an error. */
static int send_connect(struct dial *dial)
{
	char line[MAX_LINE];
	int len = snprintf(line, sizeof(line), "CONNECT %u\n", dial->address.hybrid_port);
	ssize_t n = send(dial->fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return n == len ? 0 : -EIO;
}

static bool is_ok(const char *line, size_t len)
{
	return len >= 2 && memcmp(line, "OK", 2) == 0 &&
	       (len == 2 || line[2] == ' ' || line[2] == '\r');
}

static void read_reply(struct dial *dial)
{
	char *to = dial->line + dial->line_len, *newline;
	ssize_t n =
		recv(dial->fd, to, sizeof(dial->line) - dial->line_len, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		fail_sys(dial, errno);
		return;
	}
	if (n == 0) {
		fail_text(dial, "hung up: nothing listens in the guest yet");
		return;
	}
	newline = memchr(to, '\n', (size_t)n);
	if (newline)
		n = newline - to + 1;
	if (recv(dial->fd, to, (size_t)n, MSG_DONTWAIT) != n) {
		fail_sys(dial, EIO);
		return;
	}
	dial->line_len += (size_t)n;
	if (newline && is_ok(dial->line, dial->line_len - 1))
		succeed(dial);
	else if (newline || dial->line_len == sizeof(dial->line))
		fail_text(dial, "the answer to CONNECT is not OK");
}

static void finish_connect(struct dial *dial)
{
	int code = 0, r;
	socklen_t len = sizeof(code);

	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		code = errno;
	if (code) {
		fail_sys(dial, code);
		return;
	}
	if (!dial->address.is_hybrid) {
		succeed(dial);
		return;
	}
	dial->is_connected = true;
	dial->line_len = 0;
	r = send_connect(dial);
	if (r == 0)
		r = source_set_events(dial->io, EPOLLIN);
	if (r < 0)
		fail_sys(dial, -r);
}

static void on_io(void *data, int fd, uint32_t events)
{
	struct dial *dial = data;

	(void)fd;
	(void)events;
	if (dial->is_connected)
		read_reply(dial);
	else
		finish_connect(dial);
}

static void attempt(struct dial *dial)
{
	const struct address *a = &dial->address;
	int64_t end_ns;
	int r;

	dial->is_connected = false;
	dial->fd = socket(a->sa.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (dial->fd < 0) {
		fail_sys(dial, errno);
		return;
	}
	/* A unix socket is connected at once, or fails; a vsock takes its time. Either way it
	 * becomes writable, and SO_ERROR says which. */
	r = connect(dial->fd, &a->sa.any, a->sa_len) < 0 && errno != EINPROGRESS ? -errno : 0;
	if (r == 0)
		r = loop_add_io(dial->loop, dial->fd, EPOLLOUT, on_io, dial, &dial->io);
	if (r < 0) {
		fail_sys(dial, -r);
		return;
	}
	if (__builtin_add_overflow(clock_now_ns(), dial->attempt_ns, &end_ns) ||
		end_ns > dial->deadline_ns)
		end_ns = dial->deadline_ns;
	source_set_deadline(dial->timer, end_ns);
}

static void on_timer(void *data)
{
	struct dial *dial = data;

	if (dial->fd < 0)
		attempt(dial);
	else
		fail_sys(dial, ETIMEDOUT);
}

int dial_start(struct loop *loop, const struct dial_config *config, dial_fn *fn, void *data,
	struct dial **ret, struct err *err)
{
	struct dial *dial;
	struct address address;
	int r = address_parse(config->address, &address, err);

	if (r < 0)
		return r;
	dial = calloc(1, sizeof(*dial));
	if (!dial)
		return err_sys(err, ENOMEM, "connect to %s", config->address);
	*dial = (struct dial){.loop = loop,
		.fn = fn,
		.data = data,
		.address = address,
		.text = strdup(config->address),
		.retry_ns = config->retry_ns,
		.deadline_ns = config->deadline_ns,
		.attempt_ns = config->attempt_ns,
		.fd = -1};
	/* The first attempt is the timer's too: the callback never runs before we return. */
	r = dial->text ? loop_add_timer(loop, 0, on_timer, dial, &dial->timer) : -ENOMEM;
	if (r < 0) {
		dial_free(dial);
		return err_sys(err, -r, "connect to %s", config->address);
	}
	*ret = dial;
	return 0;
}

void dial_cancel(struct dial *dial)
{
	if (dial)
		dial_free(dial);
}
