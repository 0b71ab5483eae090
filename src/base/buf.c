/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>

enum { KEEP_WHEN_EMPTY = 4096, FIRST_SIZE = 256 };

void buf_fini(struct buf *b)
{
	if (!b)
		return;
	own_free(&b->data);
	*b = (struct buf)BUF_INIT;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? (const char *)b->data + b->start : "";
}

void buf_move_to_front(struct buf *b)
{
	if (b->start == 0)
		return;
	memmove(b->data, b->data + b->start, buf_len(b) + 1);
	b->end -= b->start;
	b->start = 0;
}

uint8_t *buf_reserve(struct buf *b, size_t len)
{
	size_t need, cap = b->cap ? b->cap : FIRST_SIZE;
	uint8_t *data;

	if (__builtin_add_overflow(buf_len(b), len, &need) || need > SIZE_MAX / 4)
		return NULL;
	need++; /* the NUL behind the last byte */
	if (b->data && b->cap - b->start >= need)
		return b->data + b->end;
	/* Moving pays only if it makes much room: else a queue that stays nearly full would be
	 * moved for every few bytes that leave it. */
	if (b->data && b->start < b->cap / 2)
		cap *= 2;
	while (cap < need)
		cap *= 2;
	if (b->data)
		buf_move_to_front(b);
	if (cap == b->cap)
		return b->data + b->end;
	data = realloc(b->data, cap);
	if (!data)
		return NULL;
	b->data = data;
	b->cap = cap;
	b->data[b->end] = '\0';
	return b->data + b->end;
}

void buf_commit(struct buf *b, size_t len)
{
	assert(b->cap - b->end > len);
	b->end += len;
	b->data[b->end] = '\0';
}

int buf_append(struct buf *b, const void *p, size_t len)
{
	uint8_t *to = buf_reserve(b, len);

	if (!to)
		return -ENOMEM;
	if (len)
		memcpy(to, p, len);
	buf_commit(b, len);
	return 0;
}

int buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	uint8_t *to;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		return -EINVAL;
	to = buf_reserve(b, (size_t)len);
	if (!to)
		return -ENOMEM;
	vsnprintf((char *)to, (size_t)len + 1, fmt, ap);
	buf_commit(b, (size_t)len);
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

void buf_consume(struct buf *b, size_t len)
{
	assert(len <= buf_len(b));
	b->start += len;
	if (b->start == b->end)
		buf_clear(b);
}

void buf_clear(struct buf *b)
{
	if (b->cap > KEEP_WHEN_EMPTY) {
		buf_fini(b);
		return;
	}
	b->start = b->end = 0;
	if (b->data)
		b->data[0] = '\0';
}

char *buf_take_str(struct buf *b)
{
	char *s;

	if (!buf_reserve(b, 0))
		return NULL;
	buf_move_to_front(b);
	s = (char *)b->data;
	*b = (struct buf)BUF_INIT;
	return s;
}
