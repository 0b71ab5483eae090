/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/relay.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { CHUNK = 16 << 10 };

/* As output.h: how long an open but silent pipe of an ended process is listened to. */
#define GRACE_NS (500 * NS_PER_MS)

struct relay {
	struct relay_config config; /* the descriptors are owned; -1 once closed */
	struct source *reading, *writing, *grace;
	size_t start, end; /* of what is read and not written yet */
	bool at_end;	   /* nothing more to be read */
	bool finishing, ended;
	uint8_t chunk[CHUNK];
};

static void close_reader(struct relay *relay)
{
	source_free(relay->writing);
	relay->writing = NULL;
	close_fd(take_fd(&relay->config.to_fd));
}

static void close_both(struct relay *relay)
{
	source_free(relay->reading);
	relay->reading = NULL;
	close_fd(take_fd(&relay->config.from_fd));
	close_reader(relay);
}

/* The callback may free the relay: nothing of it may be touched afterwards. */
static void end(struct relay *relay)
{
	relay->ended = true;
	close_both(relay);
	source_set_deadline(relay->grace, INT64_MAX);
	relay->config.ended(relay->config.data);
}

/* 0 when nothing is left to be written, -EAGAIN, or -errno. */
static int flush(struct relay *relay)
{
	while (relay->start < relay->end && relay->config.to_fd >= 0) {
		ssize_t n = write(relay->config.to_fd, relay->chunk + relay->start,
			relay->end - relay->start);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		relay->start += (size_t)n;
	}
	relay->start = relay->end = 0;
	return 0;
}

/* Waits for what there is to wait for next. */
static void go_on(struct relay *relay, bool blocked)
{
	int r = source_set_events(relay->reading, blocked || relay->at_end ? 0 : EPOLLIN);

	if (r == 0 && relay->writing)
		r = source_set_events(relay->writing, blocked ? EPOLLOUT : 0);
	if (r == 0)
		return;
	log_printf(LOG_WARN, "relay", "a stream was cut off: %s", strerror(-r));
	end(relay);
}

static void write_on(struct relay *relay)
{
	int r = flush(relay);

	if (r < 0 && r != -EAGAIN && relay->config.outlives_reader) {
		close_reader(relay);
		r = flush(relay);
	}
	if ((r < 0 && r != -EAGAIN) || (r == 0 && relay->at_end))
		end(relay);
	else
		go_on(relay, r == -EAGAIN);
}

static void on_readable(void *data, int fd, uint32_t events)
{
	struct relay *relay = data;
	ssize_t n = read(fd, relay->chunk, sizeof(relay->chunk));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (relay->finishing)
		source_set_deadline(relay->grace, clock_now_ns() + GRACE_NS);
	/* Errors too: a terminal's end is EIO, a connection's may be ECONNRESET. */
	relay->at_end = n <= 0;
	relay->end = n > 0 ? (size_t)n : 0;
	write_on(relay);
}

static void on_writable(void *data, int fd, uint32_t events)
{
	struct relay *relay = data;

	(void)fd, (void)events;
	if (relay->finishing)
		source_set_deadline(relay->grace, clock_now_ns() + GRACE_NS);
	write_on(relay);
}

static void on_grace_over(void *data)
{
	struct relay *relay = data;

	/* Not while the reader is only slow: its progress sets the deadline anew. */
	if (relay->start == relay->end)
		end(relay);
}

int relay_new(struct loop *loop, const struct relay_config *config, struct relay **ret)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int r;

	if (!relay) {
		close_fd(config->from_fd);
		close_fd(config->to_fd);
		return -ENOMEM;
	}
	relay->config = *config;
	r = loop_add_io(loop, config->from_fd, EPOLLIN, on_readable, relay, &relay->reading);
	if (r == 0 && config->to_fd >= 0)
		r = loop_add_io(loop, config->to_fd, 0, on_writable, relay, &relay->writing);
	if (r == 0)
		r = loop_add_timer(loop, INT64_MAX, on_grace_over, relay, &relay->grace);
	if (r < 0) {
		relay_free(relay);
		return r;
	}
	*ret = relay;
	return 0;
}

void relay_free(struct relay *relay)
{
	if (!relay)
		return;
	close_both(relay);
	source_free(relay->grace);
	free(relay);
}

bool relay_has_ended(const struct relay *relay)
{
	return relay->ended;
}

void relay_finish(struct relay *relay)
{
	relay->finishing = true;
	if (!relay->ended)
		source_set_deadline(relay->grace, clock_now_ns() + GRACE_NS);
}
