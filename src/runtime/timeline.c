/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/timeline.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "text/json.h"

static void append_to_file(const char *what, int64_t from_ns, int64_t to_ns)
{
	const char *file = getenv("KIHON_TIMELINE");
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = {.out = &b};
	auto_fd int fd = -1;

	if (!file || file[0] != '/')
		return;
	json_begin_object(&w, NULL);
	json_put_string(&w, "who", "shim");
	json_put_string(&w, "what", what);
	json_put_i64(&w, "from_ns", from_ns);
	json_put_i64(&w, "to_ns", to_ns);
	json_end_object(&w);
	if (json_finish(&w) < 0 || buf_append_str(&b, "\n") < 0)
		return;
	/* O_NONBLOCK: a fifo without a reader must not hold up a start. */
	fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd >= 0 && write(fd, b.data + b.start, buf_len(&b)) < 0)
		log_printf(LOG_DEBUG, "timeline", "write %s failed", file);
}

void timeline_span(const char *what, int64_t from_ns, int64_t to_ns)
{
	char from[24], to[24];

	snprintf(from, sizeof(from), "%" PRId64, from_ns);
	snprintf(to, sizeof(to), "%" PRId64, to_ns);
	log_write(LOG_INFO, "timeline", "span", "what", what, "from_ns", from, "to_ns", to, NULL);
	append_to_file(what, from_ns, to_ns);
}
