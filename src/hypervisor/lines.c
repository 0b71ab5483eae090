/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/lines.h"

#include <string.h>

#include "base/log.h"

enum { READ_SIZE = 4096, DRAIN_READS = 32 };

/* ESC, then either one character or '[' with parameters up to a final byte (ECMA-48 5.4). */
enum escape { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_PARAMETERS };

static const char panic_mark[] = "Kernel panic - not syncing";

static bool is_blank(const char *line)
{
	return line[strspn(line, " ")] == '\0';
}

static void end_line(struct lines *lines)
{
	lines->line[lines->len] = '\0';
	lines->len = 0;
	if (is_blank(lines->line))
		return;
	memcpy(lines->last, lines->line, sizeof(lines->last));
	if (lines->panic[0] == '\0' && strstr(lines->line, panic_mark))
		memcpy(lines->panic, lines->line, sizeof(lines->panic));
	log_write(LOG_DEBUG, lines->subsystem, lines->line, NULL);
}

/* True: the byte belongs to an escape sequence. */
static bool skip_escape(struct lines *lines, uint8_t c)
{
	/* Also inside a sequence, which was cut off then. */
	if (c == 0x1b) {
		lines->escape = ESCAPE_BEGUN;
		return true;
	}
	switch ((enum escape)lines->escape) {
	case ESCAPE_NONE:
		return false;
	case ESCAPE_BEGUN:
		lines->escape = c == '[' ? ESCAPE_PARAMETERS : ESCAPE_NONE;
		return c >= 0x20;
	case ESCAPE_PARAMETERS:
		if (c < 0x20 || c >= 0x40)
			lines->escape = ESCAPE_NONE;
		return c >= 0x20;
	}
	return false;
}

static void feed_byte(struct lines *lines, uint8_t c)
{
	if (skip_escape(lines, c))
		return;
	if (c == '\n') {
		end_line(lines);
		return;
	}
	if (c == '\t')
		c = ' ';
	if (c < 0x20 || c == 0x7f || lines->len == LINES_WIDTH - 1)
		return;
	lines->line[lines->len++] = c < 0x80 ? (char)c : '?';
}

void lines_feed(struct lines *lines, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		feed_byte(lines, bytes.p[i]);
}

/* False: nothing more for now, or for ever. */
static bool read_some(struct lines *lines)
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = read(lines->fd, bytes, sizeof(bytes));

	if (n > 0)
		lines_feed(lines, slice_of(bytes, (size_t)n));
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		lines_detach(lines);
	return n > 0;
}

static void on_readable(void *data, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	/* One read: a guest that floods its console must not keep the loop from others. */
	(void)read_some(data);
}

int lines_attach(struct lines *lines, struct loop *loop, int fd)
{
	int r = loop_add_io(loop, fd, EPOLLIN, on_readable, lines, &lines->source);

	if (r < 0) {
		close_fd(fd);
		return r;
	}
	lines->fd = fd;
	return 0;
}

void lines_drain(struct lines *lines)
{
	for (int i = 0; i < DRAIN_READS && lines->fd >= 0 && read_some(lines); i++)
		;
}

void lines_detach(struct lines *lines)
{
	source_free(lines->source);
	lines->source = NULL;
	close_fd(lines->fd);
	lines->fd = -1;
	if (lines->len > 0)
		end_line(lines);
}

const char *lines_tail(const struct lines *lines)
{
	return lines->panic[0] ? lines->panic : lines->last;
}
