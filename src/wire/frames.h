/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Private to src/wire: a connected stream socket cut into ttRPC frames. Nothing here waits or calls
 * back: the owner asks for more bytes when the loop says so, takes frames, and flushes.
 *
 *	while ((r = frames_fill(f)) > 0)
 *		while ((what = frames_next(f, &header, &payload)) != FRAME_NONE)
 *			...
 *
 * Memory follows what the peer has really sent, not the length it claims. An empty buffer keeps up
 * to 128 KiB for the next frame until frames_trim.
 */
#include "base/buf.h"
#include "wire/ttrpc.h"

struct frames {
	int fd;		 /* owned */
	struct buf in;	 /* received; the frame last taken is still at its start */
	size_t n_taken;	 /* bytes of that frame */
	uint64_t skip;	 /* bytes of a too large frame still to be read and forgotten */
	uint32_t max_in; /* a received payload over this is too large */
	struct buf out;	 /* to be sent, and the frame being made */
	size_t n_ready;	 /* bytes in out in front of that frame */
	uint64_t n_sent; /* bytes, ever */
};

enum frame_kind {
	FRAME_NONE, /* not yet whole */
	FRAME_WHOLE,
	FRAME_TOO_LARGE, /* header only; its payload will be skipped */
};

/* Takes fd over. max_in is TTRPC_MAX_PAYLOAD and may be made less before the first byte is read. */
void frames_init(struct frames *f, int fd);
void frames_fini(struct frames *f);

/* Reads once; only when frames_next has said FRAME_NONE. The number of bytes, 0 at the end of
 * input, -EAGAIN or another -errno. */
int frames_fill(struct frames *f) must_check;
/* The next frame that has arrived; payload is good until the next call of fill or next. */
enum frame_kind frames_next(struct frames *f, struct ttrpc_header *ret, struct slice *ret_payload);

/*
 * Gives up a frame that has arrived in part and is to have more than min bytes, as if it were too
 * large. False: there is none.
 */
bool frames_refuse(struct frames *f, size_t min, struct ttrpc_header *ret);

/*
 * A frame to send is made in place: begin, append its payload to f->out, then end (which queues it)
 * or abort. -EMSGSIZE: the payload is over TTRPC_MAX_PAYLOAD; the frame is forgotten then.
 */
int frames_begin(struct frames *f) must_check;
int frames_end(struct frames *f, uint32_t stream, enum ttrpc_type type) must_check;
void frames_abort(struct frames *f);
/* Frees the buffers that are empty. Not while a payload from frames_next is in use. */
void frames_trim(struct frames *f);

/* Sends what the socket takes. 0, also when some is left; -errno when the peer is gone. */
int frames_flush(struct frames *f) must_check;

static inline bool frames_has_memory(const struct frames *f)
{
	return f->in.data || f->out.data;
}

static inline size_t frames_memory(const struct frames *f)
{
	return f->in.cap + f->out.cap;
}

static inline size_t frames_unsent(const struct frames *f)
{
	return buf_len(&f->out);
}
