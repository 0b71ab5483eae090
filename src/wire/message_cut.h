/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to src/wire. */
#include "wire/message.h"

/*
 * Appends data, which has passed message_check, to rest, but for its length-prefixed field id: the
 * last of these is *ret, borrowed from data. -ENOMEM.
 */
int message_cut_field(
	struct slice data, unsigned id, struct buf *rest, struct slice *ret) must_check;
