/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/input.h"

#include "agent.pb-c.h"
#include "wire/status.h"

/* A host awaits each reply before it writes on; a few more do no harm. */
enum { MAX_WAITING = 64 };

struct parked_write {
	struct list link;
	struct input *input; /* borrowed: it outlives its parked writes */
	struct ttrpc_call *call;
	struct slice rest; /* what is still to be written, in the call's request */
	size_t len;	   /* all of it */
};

void input_init(struct input *in, struct loop *loop)
{
	*in = (struct input){.loop = loop, .fd = -1};
	list_init(&in->waiting);
}

static void reply(struct ttrpc_call *call, size_t len)
{
	Grpc__WriteStreamResponse message = GRPC__WRITE_STREAM_RESPONSE__INIT;

	message.has_len = 1;
	message.len = (uint32_t)len;
	ttrpc_call_reply(call, &message.base);
}

static void fail(struct ttrpc_call *call, int code)
{
	struct err err = ERR_INIT;

	if (code == EBADF)
		err_set(&err, code, "Cannot get writer");
	else
		err_sys(&err, code, "write stdin");
	err.status = WIRE_INTERNAL;
	ttrpc_call_fail(call, &err);
}

static struct parked_write *first_parked(struct input *in)
{
	return list_is_empty(&in->waiting)
		       ? NULL
		       : container_of(in->waiting.next, struct parked_write, link);
}

/* Removes the write; its call is the caller's to end. */
static struct ttrpc_call *unpark(struct parked_write *parked)
{
	struct ttrpc_call *call = parked->call;

	list_remove(&parked->link);
	parked->input->n_waiting--;
	ttrpc_call_on_cancel(call, NULL, NULL);
	free(parked);
	return call;
}

static void fail_waiting(struct input *in, int code)
{
	struct parked_write *parked;

	while ((parked = first_parked(in)))
		fail(unpark(parked), code);
}

static void close_input(struct input *in)
{
	source_free(in->source);
	in->source = NULL;
	close_fd(take_fd(&in->fd));
}

static void on_cancel(void *data)
{
	struct parked_write *parked = data;
	struct input *in = parked->input;

	ttrpc_call_drop(unpark(parked));
	if (in->closing && in->n_waiting == 0)
		close_input(in);
}

/* Writes from the front of *rest what the pipe takes. 0 when all is written, -EAGAIN, or -errno. */
static int write_some(int fd, struct slice *rest)
{
	while (rest->len > 0) {
		ssize_t n = write(fd, rest->p, rest->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		*rest = slice_of(rest->p + n, rest->len - (size_t)n);
	}
	return 0;
}

static void on_writable(void *data, int fd, uint32_t events)
{
	struct input *in = data;
	struct parked_write *parked = first_parked(in);

	(void)events;
	if (parked) {
		size_t len = parked->len;
		int r = write_some(fd, &parked->rest);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			close_input(in);
			fail_waiting(in, -r);
			return;
		}
		reply(unpark(parked), len);
	}
	if (in->n_waiting > 0)
		return;
	if (in->closing)
		close_input(in);
	else
		(void)!source_set_events(in->source, 0);
}

int input_open(struct input *in, int fd)
{
	int r = loop_add_io(in->loop, fd, 0, on_writable, in, &in->source);

	in->fd = fd;
	if (r < 0)
		close_input(in);
	return r;
}

void input_fini(struct input *in)
{
	fail_waiting(in, ESRCH);
	close_input(in);
}

static int park(struct input *in, struct ttrpc_call *call, struct slice rest, size_t len)
{
	struct parked_write *parked;
	int r;

	if (in->n_waiting >= MAX_WAITING)
		return -EBUSY;
	r = source_set_events(in->source, EPOLLOUT);
	if (r < 0)
		return r;
	parked = malloc(sizeof(*parked));
	if (!parked)
		return -ENOMEM;
	*parked = (struct parked_write){.input = in, .call = call, .rest = rest, .len = len};
	list_add(&in->waiting, &parked->link);
	in->n_waiting++;
	ttrpc_call_on_cancel(call, on_cancel, parked);
	return 0;
}

void input_write(struct input *in, struct ttrpc_call *call, struct slice data)
{
	struct slice rest = data;
	int r = -EAGAIN;

	if (in->fd < 0 || in->closing) {
		fail(call, EBADF);
		return;
	}
	if (data.len == 0) {
		input_close(in);
		reply(call, 0);
		return;
	}
	if (in->n_waiting == 0)
		r = write_some(in->fd, &rest);
	if (r == -EAGAIN)
		r = park(in, call, rest, data.len);
	else if (r == 0)
		reply(call, data.len);
	if (r == -EPIPE || r == -EIO)
		close_input(in);
	if (r < 0)
		fail(call, -r);
}

void input_close(struct input *in)
{
	if (in->n_waiting > 0)
		in->closing = true;
	else
		close_input(in);
}
