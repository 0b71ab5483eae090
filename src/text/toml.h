/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A reader of TOML 1.0 (toml.io/en/v1.0.0), all of it, into values (text/value.h).
 *
 * Where it is narrower than the standard: no NUL in strings and keys (\u0000), nesting at most
 * VALUE_MAX_DEPTH, at most VALUE_MAX_COUNT values. Dates and times are checked and kept as text
 * (VALUE_DATE). Integers are int64_t. "\r\n" in a multi-line string becomes "\n".
 *
 * The time it takes grows linearly with the text, whatever the text holds.
 */
#include "base/slice.h"
#include "text/value.h"

/*
 * name: the file, for messages: "name:line:column: text". The root is a table. -EINVAL: malformed,
 * -EFBIG: longer than max_size bytes, -E2BIG: too many values, -ENOMEM. text may be freed
 * afterwards.
 */
int toml_parse(const char *name, struct slice text, size_t max_size, struct document **ret,
	struct err *err) must_check;
