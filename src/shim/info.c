/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/io.h"
#include "runtime_info.pb-c.h"
#include "shim/roles.h"
#include "wire/message.h"

int info_run(struct err *err)
{
	Containerd__Types__RuntimeInfo info = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
	Containerd__Types__RuntimeVersion version = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
	char name[] = "io.containerd.kata.v2", text[] = KIHON_VERSION;
	auto_buf struct buf b = BUF_INIT;
	int r;

	version.version = text;
	info.name = name;
	info.version = &version;
	r = message_encode(&info.base, &b);
	if (r == 0)
		r = io_write_full(STDOUT_FILENO, b.data + b.start, buf_len(&b));
	return r < 0 ? err_sys(err, -r, "print the runtime's information") : 0;
}
