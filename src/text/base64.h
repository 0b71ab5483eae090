/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Base64 (RFC 4648, section 4): the standard alphabet, padded. */
#include "base/buf.h"

int base64_encode(struct slice bytes, struct buf *out) must_check;
/*
 * Appends the bytes that text stands for. Also takes the URL-safe alphabet (section 5) and missing
 * padding, as readers of protobuf's JSON must; bits that would be lost have to be zero.
 * -EINVAL: not base64; -ENOMEM.
 */
int base64_decode(struct slice text, struct buf *out) must_check;
