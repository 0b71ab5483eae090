/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A growable run of bytes that is written at its end and read at its start.
 *
 * A zeroed struct buf is a valid empty one. Appending keeps a NUL behind the last byte, so the
 * content of a buf that was given no NUL is also a C string (buf_str). A failed append leaves the
 * buf as it was and returns -ENOMEM. Pointers into it are good until the next call that takes a
 * non-const buf.
 */
#include <stdarg.h>

#include "base/slice.h"

struct buf {
	uint8_t *data; /* owned */
	size_t start;  /* first unread byte */
	size_t end;    /* one past the last byte */
	size_t cap;    /* bytes allocated */
};

/* clang-format off */
#define BUF_INIT {0}
/* clang-format on */

void buf_fini(struct buf *b);
#define auto_buf __attribute__((cleanup(buf_fini)))

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline struct slice buf_slice(const struct buf *b)
{
	return slice_of(b->data ? b->data + b->start : NULL, buf_len(b));
}

/* The unread bytes as a C string; "" when empty. */
const char *buf_str(const struct buf *b);

int buf_append(struct buf *b, const void *p, size_t len) must_check;
int buf_append_str(struct buf *b, const char *s) must_check;
int buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3) must_check;
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) printf_like(2, 0) must_check;

/*
 * Makes room for len more bytes and returns where they go (NULL: no memory); buf_commit() then says
 * how many were really written there.
 */
uint8_t *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

/* Moves the unread bytes to the start of the memory: all that is free is behind them then. */
void buf_move_to_front(struct buf *b);

/* Drops len bytes (at most buf_len) from the start. An emptied buf keeps at most 4 KiB of memory. */
void buf_consume(struct buf *b, size_t len);
void buf_clear(struct buf *b);
/* Takes the memory as a C string (caller frees); NULL when there is no memory. The buf is empty. */
char *buf_take_str(struct buf *b);
