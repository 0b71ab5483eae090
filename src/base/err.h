/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What went wrong, for a person or a peer to read.
 *
 * A struct err belongs to the caller, has a fixed size and never allocates, so it works when memory
 * is gone, after fork and in PID 1. A function takes `struct err *err` as its last argument; NULL
 * means the caller does not want the text. It is set once, by whoever notices the failure, and
 * wrapped on the way up by every boundary that knows something new. Success leaves it alone, and a
 * callee never inspects it.
 *
 * Messages say what was attempted, on what: "open /run/x: No such file or directory". They carry no
 * final newline or full stop.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

enum { ERR_MSG_SIZE = 1024 };

struct err {
	int code;	/* a positive errno; 0: not set */
	uint8_t status; /* the ttRPC status a handler wants sent; 0: derive it from code */
	char msg[ERR_MSG_SIZE];
};

/* clang-format off */
#define ERR_INIT {0}
/* clang-format on */

/*
 * Sets the text and returns -code. err_set() adds nothing to the text; err_sys() appends
 * ": <strerror(code)>". Both truncate quietly; the message stays valid UTF-8 if its parts were.
 */
int err_set(struct err *err, int code, const char *fmt, ...) printf_like(3, 4);
int err_sys(struct err *err, int code, const char *fmt, ...) printf_like(3, 4);
/* Like err_set, with an explicit ttRPC status (wire/status.h) for the peer. */
int err_status(struct err *err, int code, uint8_t status, const char *fmt, ...) printf_like(4, 5);

/* Puts "<text>: " in front of the message. Returns -err->code (or -EIO if err is NULL or unset). */
int err_wrap(struct err *err, const char *fmt, ...) printf_like(2, 3);

/* Copies from to to; to may be NULL. Returns -from->code. */
int err_copy(struct err *to, const struct err *from);

static inline bool err_is_set(const struct err *err)
{
	return err && err->code != 0;
}
