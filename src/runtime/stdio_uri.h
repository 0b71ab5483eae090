/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What containerd's stdin, stdout or stderr field says (containerd, runtime v2):
 *
 *	""				nothing
 *	/path or fifo:///path		a fifo
 *	file:///path			a file, appended to
 *	binary:///path?key=value&...	a logging program; every key and its value are arguments
 *
 * A path behind a scheme is percent-decoded, a bare one is taken as it is.
 */
#include "base/err.h"

enum stdio_kind { STDIO_NONE, STDIO_FIFO, STDIO_FILE, STDIO_BINARY };

enum {
	STDIO_N_OUTPUTS = 2,	  /* stdout, stderr */
	STDIO_URI_MAX = 16 << 10, /* bytes: what carries a path and a command line of some size */
	STDIO_ARGS_MAX = 64,	  /* keys and values */
};

struct stdio_uri {
	enum stdio_kind kind;
	char *path;  /* owned: absolute; NULL for STDIO_NONE */
	char **args; /* owned: key, value, key, value, ... and NULL; NULL unless STDIO_BINARY */
	size_t n_args;
};

/*
 * A key that comes again is ignored, a key without a value has an empty one; both as containerd
 * does. Unlike containerd, which drops what it cannot read, a URI with a host, a fragment, a wrong
 * escape or a NUL is refused (-EINVAL), and one past the limits (-E2BIG). Other schemes: -ENOTSUP.
 */
int stdio_uri_parse(const char *text, struct stdio_uri *ret, struct err *err) must_check;
void stdio_uri_fini(struct stdio_uri *uri);
