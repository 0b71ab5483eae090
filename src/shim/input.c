/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/input.h"

#include <poll.h>
#include <unistd.h>

enum { SILENCE_MS = 2000, CHUNK_SIZE = 4096 };

/* False: nothing more will come. */
static bool is_readable(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int n;

	do
		n = poll(&in, 1, SILENCE_MS);
	while (n < 0 && errno == EINTR);
	/* A closed stdin is POLLNVAL. */
	return n > 0 && !(in.revents & POLLNVAL);
}

int input_read(struct buf *b, struct err *err)
{
	if (isatty(STDIN_FILENO))
		return 0;
	while (is_readable()) {
		uint8_t *p = buf_reserve(b, CHUNK_SIZE);
		ssize_t n = p ? read(STDIN_FILENO, p, CHUNK_SIZE) : 0;

		if (!p)
			return err_sys(err, ENOMEM, "read stdin");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read stdin");
		if (n == 0)
			break;
		buf_commit(b, (size_t)n);
		if (buf_len(b) > INPUT_MAX_SIZE)
			return err_sys(err, EFBIG, "read stdin");
	}
	return 0;
}
