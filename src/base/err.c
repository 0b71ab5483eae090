/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Drops a UTF-8 sequence that truncation may have cut in two. */
static void trim_partial_utf8(char *s)
{
	size_t len = strlen(s), back = 0;

	if (len < ERR_MSG_SIZE - 1)
		return;
	while (back < 3 && back < len && ((unsigned char)s[len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back < len && (unsigned char)s[len - 1 - back] >= 0xc0)
		s[len - 1 - back] = '\0';
}

static int set_va(struct err *err, int code, uint8_t status, bool sys, const char *fmt, va_list ap)
	printf_like(5, 0);
static int set_va(struct err *err, int code, uint8_t status, bool sys, const char *fmt, va_list ap)
{
	size_t used;

	assert(code > 0);
	if (!err)
		return -code;
	assert(err->code == 0);
	err->code = code;
	err->status = status;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	used = strlen(err->msg);
	if (sys && used < sizeof(err->msg) - 1)
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(code));
	trim_partial_utf8(err->msg);
	return -code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = set_va(err, code, 0, false, fmt, ap);
	va_end(ap);
	return r;
}

int err_sys(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = set_va(err, code, 0, true, fmt, ap);
	va_end(ap);
	return r;
}

int err_status(struct err *err, int code, uint8_t status, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = set_va(err, code, status, false, fmt, ap);
	va_end(ap);
	return r;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char old[ERR_MSG_SIZE];
	size_t used;
	va_list ap;

	if (!err || err->code == 0)
		return -EIO;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	/* The precision says that cutting is meant. */
	if (used < sizeof(err->msg) - 1)
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %.*s",
			(int)(sizeof(err->msg) - used), old);
	trim_partial_utf8(err->msg);
	return -err->code;
}

int err_copy(struct err *to, const struct err *from)
{
	if (to)
		*to = *from;
	return from->code ? -from->code : -EIO;
}
