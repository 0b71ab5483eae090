/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

/* A record is built in a fixed buffer: logging must work when memory is gone. Longer ones are cut
 * inside their last value. 4 KiB is PIPE_BUF, so a record enters a pipe whole or not at all. */
enum { RECORD_SIZE = 4096, TAIL_SIZE = 8, MSG_SIZE = 2048, ESCAPE_SIZE = 6 };
/* Values end here, so that an escape and the closing quote still fit; the message earlier, so that
 * the keys behind it, which every record has, do too. */
enum { VALUES_END = RECORD_SIZE - TAIL_SIZE - 8, MSG_END = RECORD_SIZE - 1024 };

/* Of upstream's record format, not of the program. */
#define LOG_VERSION "0.1.0"

static struct log_config config = {.fd = -1, .level = LOG_INFO};
static unsigned long n_dropped;
static bool is_torn; /* the last record entered the sink in part */

static const char *const short_names[] = {"TRCE", "DEBG", "INFO", "WARN", "ERRO", "CRIT"};
static const char *const long_names[] = {"trace", "debug", "info", "warning", "error", "fatal"};
static_assert(ARRAY_SIZE(short_names) == LOG_LEVEL_COUNT, "a name for every level");
static_assert(ARRAY_SIZE(long_names) == LOG_LEVEL_COUNT, "a name for every level");

struct record {
	char text[RECORD_SIZE];
	size_t len;
	bool has_pair;
};

static void put(struct record *r, const char *s, size_t len)
{
	size_t room = RECORD_SIZE - TAIL_SIZE - r->len;

	if (len > room)
		return;
	memcpy(r->text + r->len, s, len);
	r->len += len;
}

static void put_str(struct record *r, const char *s)
{
	put(r, s, strlen(s));
}

/* One byte of a value, escaped as JSON wants it (logfmt readers accept the same). */
static void put_escaped(struct record *r, unsigned char c)
{
	char text[8];

	switch (c) {
	case '"':
	case '\\':
		snprintf(text, sizeof(text), "\\%c", c);
		break;
	case '\n':
		snprintf(text, sizeof(text), "\\n");
		break;
	case '\t':
		snprintf(text, sizeof(text), "\\t");
		break;
	default:
		if (c >= 0x20 && c != 0x7f) {
			put(r, (const char *)&c, 1);
			return;
		}
		snprintf(text, sizeof(text), "\\u%04x", c);
	}
	put_str(r, text);
}

/* Cut at byte end of the record. */
static void put_value(struct record *r, const char *value, size_t end)
{
	size_t left = strlen(value);

	put_str(r, "\"");
	while (left > 0 && r->len < end) {
		size_t n = utf8_sequence(value, left);

		if (n > 1)
			put(r, value, n);
		else if (n == 1)
			put_escaped(r, (unsigned char)*value);
		else
			put_str(r, "\\ufffd");
		n += n == 0;
		value += n;
		left -= n;
	}
	put_str(r, "\"");
}

/* logfmt has no quotes for keys. */
static void put_bare_key(struct record *r, const char *key)
{
	for (; *key; key++) {
		bool is_plain = *key > ' ' && *key < 0x7f && *key != '=' && *key != '"';

		put(r, is_plain ? key : "_", 1);
	}
}

static void put_pair_until(struct record *r, const char *key, const char *value, size_t end)
{
	/* A key is whole or left out, even if each of its bytes needs an escape. */
	if (r->len + strlen(key) * ESCAPE_SIZE + 16 > VALUES_END)
		return;
	if (r->has_pair)
		put_str(r, config.format == LOG_JSON ? "," : " ");
	r->has_pair = true;
	if (config.format == LOG_JSON) {
		put_value(r, key, VALUES_END);
		put_str(r, ":");
	} else {
		put_bare_key(r, key);
		put_str(r, "=");
	}
	put_value(r, value, end);
}

static void put_pair(struct record *r, const char *key, const char *value)
{
	put_pair_until(r, key, value, VALUES_END);
}

static void put_header(
	struct record *r, enum log_level level, const char *subsystem, const char *msg)
{
	char ts[CLOCK_TEXT_SIZE], pid[16], lost[24];

	clock_format(clock_real_ns(), ts);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	put_pair(r, config.format == LOG_JSON ? "ts" : "time", ts);
	put_pair(r, "level", config.format == LOG_JSON ? short_names[level] : long_names[level]);
	put_pair_until(r, "msg", msg, MSG_END);
	put_pair(r, "name", config.name);
	put_pair(r, "source", config.source);
	put_pair(r, "subsystem", subsystem);
	put_pair(r, "pid", pid);
	put_pair(r, "version", LOG_VERSION);
	if (config.id)
		put_pair(r, "sandbox", config.id);
	/* Before the record's own pairs, which may fill it. */
	if (n_dropped) {
		snprintf(lost, sizeof(lost), "%lu", n_dropped);
		put_pair(r, "dropped-before", lost);
	}
}

static void finish(struct record *r)
{
	ssize_t n;

	if (config.format == LOG_JSON)
		r->text[r->len++] = '}';
	r->text[r->len++] = '\n';
	n = write(config.fd, r->text, r->len);
	n_dropped = n == (ssize_t)r->len ? 0 : n_dropped + 1;
	/* A stream socket may take a part: the next record then starts on a line of its own. */
	if (n > 0)
		is_torn = n < (ssize_t)r->len;
}

void log_init(const struct log_config *c)
{
	config = *c;
}

void log_set_level(enum log_level level)
{
	config.level = level;
}

enum log_level log_get_level(void)
{
	return config.level;
}

void log_set_fd(int fd)
{
	config.fd = fd;
}

void log_write(enum log_level level, const char *subsystem, const char *msg, ...)
{
	struct record r;
	int saved = errno;
	const char *key;
	va_list ap;

	if (level < config.level || config.fd < 0)
		return;
	r.len = 0;
	r.has_pair = false;
	if (is_torn)
		put_str(&r, "\n");
	if (config.format == LOG_JSON)
		put_str(&r, "{");
	put_header(&r, level, subsystem, msg);
	va_start(ap, msg);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		put_pair(&r, key, value ? value : "");
	}
	va_end(ap);
	finish(&r);
	errno = saved;
}

void log_printf(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	char msg[MSG_SIZE];
	int saved = errno;
	va_list ap;

	if (level < config.level || config.fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	log_write(level, subsystem, msg, NULL);
	errno = saved;
}

int log_level_parse(const char *text, enum log_level *ret)
{
	static const struct {
		const char *text;
		enum log_level level;
	} names[] = {
		{"trace", LOG_TRACE},
		{"debug", LOG_DEBUG},
		{"info", LOG_INFO},
		{"warn", LOG_WARN},
		{"warning", LOG_WARN},
		{"error", LOG_ERROR},
		{"critical", LOG_CRIT},
		{"fatal", LOG_CRIT},
		{"panic", LOG_CRIT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i].text) == 0) {
			*ret = names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return long_names[level];
}
