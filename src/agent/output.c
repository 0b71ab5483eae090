/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/output.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "wire/status.h"

enum {
	/* A pipe can be made to hold so much without privilege (/proc/sys/fs/pipe-max-size): no
	 * read can give more, whatever length a host asks for. */
	MAX_READ = 1 << 20,
	/* A host reads a stream with one call at a time; a few more do no harm. */
	MAX_WAITING = 64,
};

/* How long an open but silent pipe of an ended process is listened to (spec of upstream: 500 ms).
 */
#define GRACE_NS (500 * NS_PER_MS)

struct parked_read {
	struct list link;
	struct output *output; /* borrowed: it outlives its parked reads */
	struct ttrpc_call *call;
	uint32_t len;
};

void output_init(struct output *o, struct loop *loop)
{
	*o = (struct output){.loop = loop, .fd = -1};
	list_init(&o->waiting);
}

static void reply(struct ttrpc_call *call, uint8_t *data, size_t len)
{
	Grpc__ReadStreamResponse message = GRPC__READ_STREAM_RESPONSE__INIT;

	message.has_data = len > 0;
	message.data = (ProtobufCBinaryData){.data = data, .len = len};
	ttrpc_call_reply(call, &message.base);
}

static void fail(struct ttrpc_call *call, int code)
{
	struct err err = ERR_INIT;

	err_sys(&err, code, "read output");
	err.status = WIRE_INTERNAL;
	ttrpc_call_fail(call, &err);
}

static void on_cancel(void *data)
{
	struct parked_read *parked = data;

	list_remove(&parked->link);
	parked->output->n_waiting--;
	ttrpc_call_drop(parked->call);
	free(parked);
}

static void take_out(struct parked_read *parked)
{
	list_remove(&parked->link);
	parked->output->n_waiting--;
	ttrpc_call_on_cancel(parked->call, NULL, NULL);
}

/* before: the list's head for the end of the queue, its first entry for the front. */
static void put_in(struct parked_read *parked, struct list *before)
{
	list_add(before, &parked->link);
	parked->output->n_waiting++;
	ttrpc_call_on_cancel(parked->call, on_cancel, parked);
}

static struct parked_read *first_parked(struct output *o)
{
	return list_is_empty(&o->waiting) ? NULL
					  : container_of(o->waiting.next, struct parked_read, link);
}

static void answer_end(struct output *o)
{
	struct parked_read *parked;

	while ((parked = first_parked(o))) {
		take_out(parked);
		reply(parked->call, NULL, 0);
		free(parked);
	}
}

/* The callback may free the output: nothing of it may be touched afterwards. */
static void set_drained(struct output *o)
{
	output_drained_fn *fn = o->on_drained;

	answer_end(o);
	o->drained = true;
	o->on_drained = NULL;
	if (fn)
		fn(o->data);
}

/* The last writer has gone and all is read. */
static void at_end(struct output *o)
{
	source_free(o->source);
	o->source = NULL;
	close_fd(take_fd(&o->fd));
	set_drained(o);
}

static size_t n_readable(const struct output *o)
{
	int n = 0;

	return o->fd >= 0 && ioctl(o->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/* Bytes read into *ret, 0 at the end, -EAGAIN when there is nothing now. */
static ssize_t read_some(struct output *o, uint32_t len, uint8_t **ret)
{
	size_t room = n_readable(o);
	auto_free uint8_t *data = NULL;
	ssize_t n;

	if (o->fd < 0)
		return 0;
	/* As much as there is, so that a large request costs nothing; a byte, to see the end. */
	room = room > len ? len : room;
	room = room == 0 ? 1 : room > MAX_READ ? MAX_READ : room;
	data = malloc(room);
	if (!data)
		return -ENOMEM;
	n = read(o->fd, data, room);
	if (n < 0)
		/* EIO: the last one who had the terminal open has closed it. */
		return errno == EIO ? 0 : -errno;
	*ret = take_ptr(&data);
	return n;
}

/* Answers the call if it can be answered now. Only then true. May free the output. */
static bool serve(struct output *o, struct ttrpc_call *call, uint32_t len)
{
	auto_free uint8_t *data = NULL;
	ssize_t n = read_some(o, len, &data);

	if (n == -EAGAIN && !o->drained)
		return false;
	if (n < 0 && n != -EAGAIN) {
		fail(call, (int)-n);
		return true;
	}
	reply(call, data, n > 0 ? (size_t)n : 0);
	if (n == 0)
		at_end(o);
	else if (n > 0 && o->finishing && !o->drained)
		source_set_deadline(o->grace, clock_now_ns() + GRACE_NS);
	return true;
}

static void on_readable(void *data, int fd, uint32_t events)
{
	struct output *o = data;
	struct parked_read *parked = first_parked(o);

	(void)fd, (void)events;
	if (!parked) {
		(void)!source_set_events(o->source, 0);
		return;
	}
	/* Out of the queue first: the end of the data answers all that are in it. */
	take_out(parked);
	if (serve(o, parked->call, parked->len))
		free(parked);
	else
		put_in(parked, o->waiting.next);
}

static void on_grace_over(void *data)
{
	struct output *o = data;

	/* Somebody reads, only slowly: what is there is waited for, and then the grace starts anew.
	 */
	if (!o->was_read || n_readable(o) == 0)
		set_drained(o);
}

int output_open(struct output *o, int fd)
{
	int r = loop_add_io(o->loop, fd, 0, on_readable, o, &o->source);

	if (r == 0)
		r = loop_add_timer(o->loop, INT64_MAX, on_grace_over, o, &o->grace);
	o->fd = fd;
	if (r < 0)
		output_fini(o);
	return r;
}

void output_fini(struct output *o)
{
	answer_end(o);
	source_free(o->source);
	source_free(o->grace);
	o->source = o->grace = NULL;
	close_fd(take_fd(&o->fd));
}

static int park(struct output *o, struct ttrpc_call *call, uint32_t len)
{
	struct parked_read *parked;
	int r;

	if (o->n_waiting >= MAX_WAITING)
		return -EBUSY;
	r = source_set_events(o->source, EPOLLIN);
	if (r < 0)
		return r;
	parked = malloc(sizeof(*parked));
	if (!parked)
		return -ENOMEM;
	*parked = (struct parked_read){.output = o, .call = call, .len = len};
	put_in(parked, &o->waiting);
	return 0;
}

void output_read(struct output *o, struct ttrpc_call *call, uint32_t len)
{
	int r;

	o->was_read = true;
	if (len == 0) {
		reply(call, NULL, 0);
		return;
	}
	if (o->n_waiting == 0 && serve(o, call, len))
		return;
	r = park(o, call, len);
	if (r < 0)
		fail(call, -r);
}

void output_finish(struct output *o, output_drained_fn *fn, void *data)
{
	struct pollfd p = {.fd = o->fd, .events = POLLIN};

	o->on_drained = fn;
	o->data = data;
	o->finishing = true;
	if (o->fd < 0)
		set_drained(o);
	/* Who has read so far comes for the end too, and is to find it. */
	else if (!o->was_read && poll(&p, 1, 0) == 1 && (p.revents & (POLLIN | POLLHUP)) == POLLHUP)
		at_end(o);
	else
		source_set_deadline(o->grace, clock_now_ns() + GRACE_NS);
}
