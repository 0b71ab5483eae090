/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/stdio_sink.h"

#include <string.h>

#include "base/clock.h"
#include "runtime/fifo.h"
#include "runtime/log_file.h"
#include "runtime/stdio_uri.h"

/* A logger that takes nothing for so long would otherwise keep a process that has ended from being
 * told so: the guest is asked for its exit after its output. */
enum { LOGGER_PATIENCE_S = 60 };

void stdio_sink_close(struct stdio_sink *sink)
{
	close_fd(sink->write_fd);
	close_fd(sink->read_fd);
	*sink = (struct stdio_sink)STDIO_SINK_INIT;
}

static int open_fifo(const char *path, struct stdio_sink *sink, struct err *err)
{
	auto_fd int path_fd = fifo_find(path, err);

	return path_fd < 0 ? path_fd : fifo_open(path_fd, &sink->read_fd, &sink->write_fd, err);
}

static int open_logger(const struct stdio_uri *uri, size_t i, const struct logger_config *config,
	struct stdio_sink *sink, struct logger **logger, struct err *err)
{
	int r = *logger ? 0 : logger_new(config, uri, logger, err);

	if (r < 0)
		return r;
	sink->write_fd = logger_take_output(*logger, i);
	sink->patience_ns = LOGGER_PATIENCE_S * NS_PER_S;
	return 0;
}

static int open_output(const struct stdio_uri *uri, size_t i, const struct logger_config *config,
	struct stdio_sink *sink, struct logger **logger, struct err *err)
{
	switch (uri->kind) {
	case STDIO_FIFO:
		return open_fifo(uri->path, sink, err);
	case STDIO_FILE:
		sink->write_fd = log_file_open(uri->path, err);
		return sink->write_fd < 0 ? sink->write_fd : 0;
	case STDIO_BINARY:
		return open_logger(uri, i, config, sink, logger, err);
	case STDIO_NONE:
	default:
		return 0;
	}
}

static int open_outputs(const struct stdio_uri uris[STDIO_N_OUTPUTS],
	const struct logger_config *config, struct stdio_sink ret_sinks[STDIO_N_OUTPUTS],
	struct logger **ret, struct err *err)
{
	struct stdio_sink sinks[STDIO_N_OUTPUTS] = {STDIO_SINK_INIT, STDIO_SINK_INIT};
	struct logger *logger = NULL;
	int r = 0;

	for (size_t i = 0; i < STDIO_N_OUTPUTS && r == 0; i++)
		r = open_output(&uris[i], i, config, &sinks[i], &logger, err);
	if (r < 0) {
		for (size_t i = 0; i < STDIO_N_OUTPUTS; i++)
			stdio_sink_close(&sinks[i]);
		logger_free(logger);
		return r;
	}
	memcpy(ret_sinks, sinks, sizeof(sinks));
	*ret = logger;
	return 0;
}

int stdio_open_outputs(const char *const texts[static STDIO_N_OUTPUTS],
	const struct logger_config *config, struct stdio_sink ret_sinks[static STDIO_N_OUTPUTS],
	struct logger **ret, struct err *err)
{
	struct stdio_uri uris[STDIO_N_OUTPUTS] = {{.kind = STDIO_NONE}, {.kind = STDIO_NONE}};
	int r = 0;

	for (size_t i = 0; i < STDIO_N_OUTPUTS && r == 0; i++)
		r = stdio_uri_parse(texts[i], &uris[i], err);
	if (r == 0 && uris[0].kind == STDIO_BINARY && uris[1].kind == STDIO_BINARY &&
		strcmp(texts[0], texts[1]) != 0)
		r = err_set(err, ENOTSUP, "stdio: a logger for stdout and another for stderr");
	if (r == 0)
		r = open_outputs(uris, config, ret_sinks, ret, err);
	for (size_t i = 0; i < STDIO_N_OUTPUTS; i++)
		stdio_uri_fini(&uris[i]);
	return r;
}

int stdio_find_input(const char *text, int *ret_path_fd, struct err *err)
{
	struct stdio_uri uri;
	int r = stdio_uri_parse(text, &uri, err), fd = -1;

	if (r < 0)
		return r;
	if (uri.kind == STDIO_FIFO)
		r = fd = fifo_find(uri.path, err);
	else if (uri.kind != STDIO_NONE)
		r = err_set(err, ENOTSUP, "stdio: %s: stdin is read from a fifo only", text);
	stdio_uri_fini(&uri);
	if (r < 0)
		return r;
	*ret_path_fd = fd;
	return 0;
}
