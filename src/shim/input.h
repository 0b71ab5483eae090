/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What containerd writes to the stdin of `start` and -info. */
#include "base/buf.h"
#include "base/err.h"

/* Far above what anybody sends. */
enum { INPUT_MAX_SIZE = 1 << 20 };

/*
 * Appends stdin to its end. Nothing comes from a terminal, nor from somebody who holds the pipe open
 * and is silent for two seconds: containerd writes at once, and no input at all is fine. -EFBIG.
 */
int input_read(struct buf *b, struct err *err) must_check;
