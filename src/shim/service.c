/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of containerd.task.v2.Task. Version 3 has the same messages under another name;
 * serving both lets a containerd that prefers the newer one find it.
 */
#include "shim/shim.h"
#include "task.pb-c.h"

#define METHOD(service, name, message, handler)                                        \
	{                                                                              \
		service, name, &containerd__task__v2__##message##__descriptor, handler \
	}

#define METHODS(service)                                                                 \
	METHOD(service, "State", state_request, task_state),                             \
		METHOD(service, "Create", create_task_request, task_create),             \
		METHOD(service, "Start", start_request, task_start),                     \
		METHOD(service, "Delete", delete_request, task_delete),                  \
		METHOD(service, "Pids", pids_request, task_pids),                        \
		METHOD(service, "Pause", pause_request, task_pause),                     \
		METHOD(service, "Resume", resume_request, task_resume),                  \
		METHOD(service, "Checkpoint", checkpoint_task_request, task_checkpoint), \
		METHOD(service, "Kill", kill_request, task_kill),                        \
		METHOD(service, "Exec", exec_process_request, task_exec),                \
		METHOD(service, "ResizePty", resize_pty_request, task_resize_pty),       \
		METHOD(service, "CloseIO", close_iorequest, task_close_io),              \
		METHOD(service, "Update", update_task_request, task_update),             \
		METHOD(service, "Wait", wait_request, task_wait),                        \
		METHOD(service, "Stats", stats_request, task_stats),                     \
		METHOD(service, "Connect", connect_request, task_connect),               \
		METHOD(service, "Shutdown", shutdown_request, task_shutdown)

const struct ttrpc_method shim_methods[] = {
	METHODS("containerd.task.v2.Task"),
	METHODS("containerd.task.v3.Task"),
};
const size_t shim_n_methods = ARRAY_SIZE(shim_methods);
