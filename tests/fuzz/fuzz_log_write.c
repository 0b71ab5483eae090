/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is logged, each record is one line, and in LOG_JSON a JSON object with the usual keys.
 */
#include <assert.h>
#include <fcntl.h>

#include "base/log.h"
#include "text/json.h"

enum { LINE_MAX_SIZE = 4096, N_PARTS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as strings: cut at its NULs. */
static void split(const uint8_t *data, size_t size, char *copy, const char *parts[N_PARTS])
{
	size_t n = 0, at = 0;

	memcpy(copy, data, size);
	copy[size] = '\0';
	while (n < N_PARTS) {
		parts[n++] = copy + at;
		at += strlen(copy + at);
		at += at < size;
	}
}

static size_t read_line(int fd, char *line)
{
	ssize_t n = read(fd, line, LINE_MAX_SIZE);

	assert(n > 0 && line[n - 1] == '\n');
	assert(memchr(line, '\n', (size_t)n) == line + n - 1);
	return (size_t)n;
}

static void check_json(const char *line, size_t len)
{
	static const char *const keys[] = {
		"ts", "level", "msg", "name", "source", "subsystem", "pid", "version"};
	auto_document struct document *doc = NULL;
	struct err err = ERR_INIT;
	int r = json_parse("record", slice_of(line, len), LINE_MAX_SIZE, &doc, &err);

	/* The record's own keys are the caller's to choose well. */
	if (r < 0 && strstr(err.msg, "in the object already"))
		return;
	assert(r == 0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert(value_find(document_root(doc), keys[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *copy = malloc(size + 1);
	const char *parts[N_PARTS];
	char line[LINE_MAX_SIZE];
	int fds[2];

	if (!copy || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	split(data, size, copy, parts);
	for (int format = LOG_JSON; format <= LOG_LOGFMT; format++) {
		size_t len;

		log_init(&(struct log_config){.format = (enum log_format)format,
			.name = "fuzz",
			.source = "fuzz",
			.fd = fds[1]});
		log_write(LOG_INFO, "fuzz", parts[0], parts[1], parts[2], "k", parts[3], NULL);
		len = read_line(fds[0], line);
		if (format == LOG_JSON)
			check_json(line, len);
	}
	close_fd(fds[0]);
	close_fd(fds[1]);
	return 0;
}
