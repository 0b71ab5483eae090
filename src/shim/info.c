/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/io.h"
#include "runtime_info.pb-c.h"
#include "shim/input.h"
#include "shim/roles.h"
#include "wire/message.h"

enum { OPTIONS_BUDGET = 2 * INPUT_MAX_SIZE };

static int encode(Google__Protobuf__Any *options, struct buf *b)
{
	Containerd__Types__RuntimeInfo info = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
	Containerd__Types__RuntimeVersion version = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
	char name[] = "io.containerd.kata.v2", text[] = KIHON_VERSION;

	version.version = text;
	info.name = name;
	info.version = &version;
	info.options = options;
	return message_encode(&info.base, b);
}

int info_encode(struct slice options, struct buf *b, struct err *err)
{
	struct message_budget budget = {.limit = OPTIONS_BUDGET};
	ProtobufCMessage *message = NULL;
	int r = 0;

	if (options.len > 0)
		r = message_decode(
			&google__protobuf__any__descriptor, options, &budget, &message, err);
	if (r < 0)
		return r;
	r = encode((Google__Protobuf__Any *)message, b);
	message_free(message, &budget);
	return r < 0 ? err_sys(err, -r, "encode the runtime's information") : 0;
}

int info_run(struct err *err)
{
	auto_buf struct buf options = BUF_INIT, info = BUF_INIT;
	int r = input_read(&options, err);

	if (r == 0)
		r = info_encode(buf_slice(&options), &info, err);
	if (r < 0)
		return r;
	r = io_write_full(STDOUT_FILENO, info.data + info.start, buf_len(&info));
	return r < 0 ? err_sys(err, -r, "print the runtime's information") : 0;
}
