/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/shim.h"
#include "wire/status.h"

/* CRIU saves processes of the host's kernel; these belong to a guest's. */
void task_checkpoint(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	struct err err = ERR_INIT;

	(void)message;
	(void)user;
	err_status(&err, ENOTSUP, WIRE_UNIMPLEMENTED,
		"Checkpoint: containers in a virtual machine cannot be checkpointed: not "
		"supported");
	ttrpc_call_fail(call, &err);
}
