/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/timeline.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "text/json.h"

static struct {
	const char *pod;    /* borrowed for ever */
	int fd;		    /* owned: the pod's file; -1: not begun, or ended */
	struct buf pending; /* lines that wait for the file */
	size_t size;	    /* of the file and what waits for it */
} timeline = {.pod = "", .fd = -1, .pending = BUF_INIT};

static int format(const struct timeline_span *span, struct buf *b)
{
	struct json_writer w = {.out = b};
	int r;

	json_begin_object(&w, NULL);
	json_put_string(&w, "pod", timeline.pod);
	json_put_string(&w, "who", span->who);
	json_put_string(&w, "what", span->what);
	if (span->id)
		json_put_string(&w, "id", span->id);
	json_put_i64(&w, "from_ns", span->from_ns);
	json_put_i64(&w, "to_ns", span->to_ns);
	json_end_object(&w);
	r = json_finish(&w);
	return r < 0 ? r : buf_append_str(b, "\n");
}

/* O_NONBLOCK: a fifo without a reader must not hold up a start. */
static int open_file(int dir_fd, const char *file, int flags)
{
	return openat(dir_fd, file,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0600);
}

static void write_line(int fd, struct slice line)
{
	if (fd >= 0 && write(fd, line.p, line.len) < 0)
		log_write(LOG_DEBUG, "timeline", "a span is lost", "error", strerror(errno), NULL);
}

static void write_shared(struct slice line)
{
	const char *file = getenv("KIHON_TIMELINE");
	auto_fd int fd = file && file[0] == '/' ? open_file(AT_FDCWD, file, 0) : -1;

	write_line(fd, line);
}

static void write_own(struct slice line)
{
	if (timeline.size + line.len > TIMELINE_FILE_MAX)
		return;
	timeline.size += line.len;
	if (timeline.fd >= 0)
		write_line(timeline.fd, line);
	else if (buf_append(&timeline.pending, line.p, line.len) < 0)
		timeline.size -= line.len;
}

static void write_log(const struct timeline_span *span)
{
	char from[24], to[24];

	if (log_get_level() > LOG_DEBUG)
		return;
	snprintf(from, sizeof(from), "%" PRId64, span->from_ns);
	snprintf(to, sizeof(to), "%" PRId64, span->to_ns);
	log_write(LOG_DEBUG, "timeline", "span", "who", span->who, "what", span->what, "id",
		span->id ? span->id : "", "from_ns", from, "to_ns", to, NULL);
}

void timeline_init(const char *pod)
{
	timeline.pod = pod;
}

void timeline_open(const char *dir)
{
	auto_fd int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	timeline_close();
	timeline.size = buf_len(&timeline.pending);
	timeline.fd = dir_fd < 0 ? -1 : open_file(dir_fd, "timeline.json", O_NOFOLLOW);
	if (timeline.fd < 0)
		log_write(LOG_DEBUG, "timeline", "no file", "error", strerror(errno), NULL);
	else if (timeline.size > 0)
		write_line(timeline.fd, buf_slice(&timeline.pending));
	buf_fini(&timeline.pending);
}

void timeline_close(void)
{
	close_fd(take_fd(&timeline.fd));
	timeline.size = buf_len(&timeline.pending);
}

void timeline_add(const struct timeline_span *span)
{
	auto_buf struct buf b = BUF_INIT;

	write_log(span);
	if (format(span, &b) < 0)
		return;
	write_shared(buf_slice(&b));
	write_own(buf_slice(&b));
}

void timeline_span(const char *what, const char *id, int64_t from_ns, int64_t to_ns)
{
	timeline_add(&(struct timeline_span){
		.who = "shim", .what = what, .id = id, .from_ns = from_ns, .to_ns = to_ns});
}

void timeline_end(const char *what, const char *id, int64_t from_ns)
{
	timeline_span(what, id, from_ns, clock_now_ns());
}
