/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/timens.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/io.h"
#include "linux/namespace.h"

static int set_offset(const char *clock, const Grpc__LinuxTimeOffset *offset, struct err *err)
{
	char text[64];
	int r;

	if (!offset)
		return 0;
	snprintf(text, sizeof(text), "%s %" PRId64 " %" PRIu32, clock, offset->secs,
		offset->nanosecs);
	r = io_write_file(AT_FDCWD, "/proc/self/timens_offsets", text);
	return r < 0 ? err_sys(err, -r, "set the offset of a clock to %s", text) : 0;
}

int timens_enter_new(const Grpc__LinuxTimeOffsets *offsets, struct err *err)
{
	auto_fd int fd = -1;
	int r = 0;

	if (offsets) {
		r = set_offset("monotonic", offsets->monotonic, err);
		if (r == 0)
			r = set_offset("boottime", offsets->boottime, err);
	}
	if (r < 0)
		return r;
	fd = namespace_open_self("time_for_children");
	r = fd < 0 ? fd : namespace_enter(fd, 0);
	return r < 0 ? err_sys(err, -r, "enter the new time namespace") : 0;
}
