/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The sandbox: what its containers share. There is one per agent, from CreateSandbox to
 * DestroySandbox; containers may be created before it too (they then share nothing).
 */
#include "agent/device/attach.h"
#include "agent/job.h"
#include "agent/oom.h"
#include "agent/storages.h"
#include "agent/watch.h"
#include "base/map.h"
#include "wire/ttrpc_server.h"

struct agent;
struct sandbox_removal;

enum sandbox_state {
	SANDBOX_NONE,
	SANDBOX_CREATING,
	SANDBOX_READY,
	SANDBOX_DESTROYING,
};

struct sandbox {
	enum sandbox_state state;
	char *id;	       /* owned; NULL: none was given */
	char *guest_hooks;     /* owned: the directory of the image's; NULL: none */
	struct map containers; /* struct container, by id */
	struct map storages;   /* struct storage, by mount point: also those of containers */
	struct storage_set own_storages;
	struct watches watches; /* of storages that are watchable mounts */
	uint32_t n_begun;	/* mounts of own_storages that may need undoing */
	/* Owned; -1: not shared. The pid namespace is that of the first container. */
	int ipc_ns_fd, uts_ns_fd, pid_ns_fd;
	struct attach *attach;	 /* while being created: its storages' devices are waited for */
	struct job *job;	 /* while being created, and at the end of being destroyed */
	struct ttrpc_call *call; /* that CreateSandbox or DestroySandbox; NULL: none */
	struct err failure;	 /* the first one of it */
	bool has_failed_once;	 /* to be removed */
	size_t n_removing;	 /* containers that a destruction waits for */
	struct sandbox_removal *removals; /* owned: one for each of them */
	struct oom_queue oom;
};

void sandbox_init(struct sandbox *s);
/* Forgets everything, containers too; what they made in the kernel stays. */
void sandbox_fini(struct sandbox *s);

/* Removes every container and what the sandbox made, answers call (NULL: none) and stops the agent.
 * -EBUSY while it is being created or destroyed; -ENOMEM: nothing has been begun. */
int sandbox_destroy(struct agent *agent, struct ttrpc_call *call) must_check;
