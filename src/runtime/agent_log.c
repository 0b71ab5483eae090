/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One read per event, one period's worth of lines per period: past that the source is parked and a
 * timer opens it again, so the guest's own buffers fill up, and its logger drops.
 */
#include "runtime/agent_log.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "wire/dial.h"

enum { READ_SIZE = 4096, LINES_PER_PERIOD = 200, PERIOD_MS = 1000, ATTEMPT_S = 2 };

struct agent_log {
	struct loop *loop;		 /* borrowed */
	struct guest_timeline *timeline; /* borrowed */
	struct dial *dial;		 /* owned; NULL once answered */
	int fd;				 /* owned; -1: not connected */
	struct source *io;		 /* owned */
	struct source *timer;		 /* owned: ends the period */
	struct buf pending; /* untrusted: the start of a line, less than AGENT_LOG_LINE_MAX */
	unsigned n_lines;   /* in this period */
};

static void relay(struct agent_log *log, struct slice line)
{
	struct agent_log_record record;

	log->n_lines++;
	if (line.len == 0)
		return;
	agent_log_decode(line, &record);
	if (record.is_span) {
		guest_timeline_add(log->timeline, &record.span);
		return;
	}
	if (record.level == LOG_INFO)
		record.level = LOG_DEBUG;
	log_write(record.level, "agent", record.msg, "agent-subsystem", record.subsystem, "fields",
		record.fields, NULL);
}

static void relay_lines(struct agent_log *log)
{
	for (;;) {
		struct slice s = buf_slice(&log->pending);
		const uint8_t *end = s.len ? memchr(s.p, '\n', s.len) : NULL;

		if (!end && s.len < AGENT_LOG_LINE_MAX)
			return;
		s.len = end ? (size_t)(end - s.p) : AGENT_LOG_LINE_MAX;
		relay(log, s);
		buf_consume(&log->pending, s.len + (end ? 1 : 0));
	}
}

static void disconnect(struct agent_log *log)
{
	source_free(log->io);
	log->io = NULL;
	close_fd(log->fd);
	log->fd = -1;
	relay(log, buf_slice(&log->pending));
	buf_fini(&log->pending);
}

static void on_period(void *data)
{
	struct agent_log *log = data;

	log->n_lines = 0;
	if (log->io && source_set_events(log->io, EPOLLIN) < 0)
		disconnect(log);
}

static void on_readable(void *data, int fd, uint32_t events)
{
	struct agent_log *log = data;
	uint8_t *to = buf_reserve(&log->pending, READ_SIZE);
	ssize_t n;

	(void)events;
	if (!to) {
		disconnect(log);
		return;
	}
	n = read(fd, to, READ_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		disconnect(log);
		return;
	}
	buf_commit(&log->pending, (size_t)n);
	if (log->n_lines == 0)
		source_set_deadline(log->timer, clock_now_ns() + PERIOD_MS * NS_PER_MS);
	relay_lines(log);
	if (log->n_lines >= LINES_PER_PERIOD && source_set_events(log->io, 0) < 0)
		disconnect(log);
}

static void on_dialled(void *data, int fd, const struct err *err)
{
	struct agent_log *log = data;
	int r;

	log->dial = NULL;
	if (fd < 0) {
		log_write(LOG_WARN, "agent", "no log from the guest", "error", err->msg, NULL);
		return;
	}
	log->fd = fd;
	r = loop_add_io(log->loop, fd, EPOLLIN, on_readable, log, &log->io);
	if (r < 0) {
		log_write(LOG_WARN, "agent", "no log from the guest", "error", strerror(-r), NULL);
		disconnect(log);
	}
}

int agent_log_new(struct loop *loop, const char *address, int64_t retry_ns, int64_t deadline_ns,
	struct guest_timeline *timeline, struct agent_log **ret, struct err *err)
{
	struct dial_config dial = {.address = address,
		.retry_ns = retry_ns,
		.deadline_ns = deadline_ns,
		.attempt_ns = ATTEMPT_S * NS_PER_S};
	struct agent_log *log = calloc(1, sizeof(*log));
	int r;

	if (!log)
		return err_sys(err, ENOMEM, "read the guest's log");
	*log = (struct agent_log){.loop = loop, .timeline = timeline, .fd = -1};
	r = loop_add_timer(loop, INT64_MAX, on_period, log, &log->timer);
	if (r < 0)
		err_sys(err, -r, "read the guest's log");
	else
		r = dial_start(loop, &dial, on_dialled, log, &log->dial, err);
	if (r < 0) {
		agent_log_free(log);
		return r;
	}
	*ret = log;
	return 0;
}

void agent_log_free(struct agent_log *log)
{
	if (!log)
		return;
	dial_cancel(log->dial);
	source_free(log->io);
	source_free(log->timer);
	close_fd(log->fd);
	buf_fini(&log->pending);
	free(log);
}
