/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frames.h"

#include <assert.h>
#include <sys/socket.h>

enum {
	READ_SIZE = 4096,	/* when no header is known: many small frames at once */
	READ_STEP = 64 * 1024,	/* of a large frame, or as much again as has arrived */
	KEEP_SIZE = 128 * 1024, /* what an empty buffer may keep until frames_trim */
};

void frames_init(struct frames *f, int fd)
{
	*f = (struct frames){.fd = fd, .max_in = TTRPC_MAX_PAYLOAD};
}

void frames_fini(struct frames *f)
{
	close_fd(take_fd(&f->fd));
	buf_fini(&f->in);
	buf_fini(&f->out);
}

/* As buf_consume, but an emptied buffer keeps more: with musl each large block is a mapping of its
 * own, and making one per frame costs eight times what the rest does. */
static void drop_front(struct buf *b, size_t len)
{
	if (len < buf_len(b) || b->cap > KEEP_SIZE) {
		buf_consume(b, len);
		return;
	}
	b->start = b->end = 0;
	b->data[0] = '\0';
}

/* Forgets the frame last taken. */
static void release_taken(struct frames *f)
{
	if (f->n_taken)
		drop_front(&f->in, f->n_taken);
	f->n_taken = 0;
}

void frames_trim(struct frames *f)
{
	release_taken(f);
	if (buf_len(&f->in) == 0)
		buf_fini(&f->in);
	if (buf_len(&f->out) == 0)
		buf_fini(&f->out);
}

static size_t next_read_size(const struct frames *f)
{
	size_t have = buf_len(&f->in), whole, rest, step;

	if (have < TTRPC_HEADER_SIZE) {
		rest = f->in.cap > have ? f->in.cap - have - 1 : 0;
		return rest > READ_SIZE ? rest : READ_SIZE;
	}
	whole = TTRPC_HEADER_SIZE + (size_t)ttrpc_header_decode(buf_slice(&f->in).p).len;
	assert(have < whole);
	rest = whole - have;
	step = have > READ_STEP ? have : READ_STEP;
	return rest < step ? rest : step;
}

static int receive(int fd, void *p, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, p, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

static int skip_some(struct frames *f)
{
	uint8_t scratch[READ_SIZE];
	int n = receive(f->fd, scratch, f->skip < sizeof(scratch) ? f->skip : sizeof(scratch));

	if (n > 0)
		f->skip -= (uint64_t)n;
	return n;
}

int frames_fill(struct frames *f)
{
	size_t size;
	uint8_t *to;
	int n;

	release_taken(f);
	if (f->skip)
		return skip_some(f);
	/* buf_reserve would rather grow than move a part of a frame. */
	buf_move_to_front(&f->in);
	size = next_read_size(f);
	to = buf_reserve(&f->in, size);
	if (!to)
		return -ENOMEM;
	n = receive(f->fd, to, size);
	if (n > 0)
		buf_commit(&f->in, (size_t)n);
	return n;
}

enum frame_kind frames_next(struct frames *f, struct ttrpc_header *ret, struct slice *ret_payload)
{
	struct ttrpc_header h;
	size_t len;

	release_taken(f);
	if (buf_len(&f->in) < TTRPC_HEADER_SIZE)
		return FRAME_NONE;
	h = ttrpc_header_decode(buf_slice(&f->in).p);
	len = buf_len(&f->in) - TTRPC_HEADER_SIZE;
	if (h.len > f->max_in) {
		if (len > h.len)
			len = h.len;
		f->skip = h.len - len;
		f->n_taken = TTRPC_HEADER_SIZE + len;
		*ret = h;
		*ret_payload = slice_of(NULL, 0);
		return FRAME_TOO_LARGE;
	}
	if (len < h.len)
		return FRAME_NONE;
	f->n_taken = TTRPC_HEADER_SIZE + h.len;
	*ret = h;
	*ret_payload = slice_of(buf_slice(&f->in).p + TTRPC_HEADER_SIZE, h.len);
	return FRAME_WHOLE;
}

bool frames_refuse(struct frames *f, size_t min, struct ttrpc_header *ret)
{
	struct ttrpc_header h;
	size_t len;

	release_taken(f);
	if (buf_len(&f->in) < TTRPC_HEADER_SIZE)
		return false;
	h = ttrpc_header_decode(buf_slice(&f->in).p);
	len = buf_len(&f->in) - TTRPC_HEADER_SIZE;
	if (h.len <= min || len >= h.len)
		return false;
	f->skip = h.len - len;
	buf_fini(&f->in);
	*ret = h;
	return true;
}

int frames_begin(struct frames *f)
{
	static const uint8_t header[TTRPC_HEADER_SIZE];

	f->n_ready = buf_len(&f->out);
	return buf_append(&f->out, header, sizeof(header));
}

void frames_abort(struct frames *f)
{
	if (!f->out.data)
		return;
	f->out.end = f->out.start + f->n_ready;
	f->out.data[f->out.end] = '\0';
}

int frames_end(struct frames *f, uint32_t stream, enum ttrpc_type type)
{
	size_t len = buf_len(&f->out) - f->n_ready - TTRPC_HEADER_SIZE;
	struct ttrpc_header h = {.len = (uint32_t)len, .stream = stream, .type = (uint8_t)type};

	if (len > TTRPC_MAX_PAYLOAD) {
		frames_abort(f);
		return -EMSGSIZE;
	}
	ttrpc_header_encode(&h, f->out.data + f->out.start + f->n_ready);
	return 0;
}

int frames_flush(struct frames *f)
{
	while (frames_unsent(f)) {
		struct slice s = buf_slice(&f->out);
		ssize_t n = send(f->fd, s.p, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		f->n_sent += (uint64_t)n;
		drop_front(&f->out, (size_t)n);
	}
	return 0;
}
