/* SPDX-License-Identifier: Apache-2.0 */
/* ResizePty and CloseIO. */
#include "shim/shim.h"
#include "task.pb-c.h"

void task_resize_pty(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__ResizePtyRequest *request = (const void *)message;
	struct err err = ERR_INIT;
	struct guest_process *p = shim_find_process(
		user, shim_text(request->id), shim_text(request->exec_id), NULL, &err);
	int r;

	if (!p) {
		ttrpc_call_fail(call, &err);
		return;
	}
	r = guest_process_resize(p, request->height, request->width, shim_answer, call);
	if (r < 0) {
		err_sys(&err, -r, "resize the terminal");
		ttrpc_call_fail(call, &err);
	}
}

void task_close_io(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Containerd__Task__V2__CloseIORequest *request = (const void *)message;
	struct err err = ERR_INIT;
	struct guest_process *p = shim_find_process(
		user, shim_text(request->id), shim_text(request->exec_id), NULL, &err);

	if (!p) {
		ttrpc_call_fail(call, &err);
		return;
	}
	if (request->stdin)
		guest_process_close_stdin(p);
	ttrpc_call_reply(call, NULL);
}
