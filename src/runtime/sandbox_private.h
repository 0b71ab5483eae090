/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What sandbox.c (the way up), sandbox_mount.c and sandbox_stop.c (the way down) share. */
#include "base/list.h"
#include "hypervisor/hypervisor.h"
#include "runtime/agent_log.h"
#include "runtime/guest_timeline.h"
#include "runtime/health.h"
#include "runtime/management.h"
#include "runtime/network/network.h"
#include "runtime/sandbox.h"
#include "runtime/sizer.h"
#include "runtime/state.h"

enum hypervisor_phase { HV_NONE, HV_UP, HV_STOPPING, HV_DOWN };

struct sandbox {
	struct loop *loop; /* borrowed */
	enum sandbox_state state;
	char *id, *hostname;   /* owned */
	struct config *config; /* owned */
	struct layout layout;
	struct state *journal; /* owned: what has been made */
	struct hypervisor *hv; /* owned */
	enum hypervisor_phase hv_phase;
	pid_t pid;		 /* the VMM's, once started */
	struct network *network; /* owned; NULL: the guest has lo only */
	sandbox_done_fn *network_done;
	void *network_data;
	struct agent *agent;	   /* owned */
	struct agent_log *log;	   /* owned */
	struct share_plan binds;   /* owned: of the configuration */
	char **bind_sources;	   /* owned, each and the array: their paths */
	struct list disks;	   /* sandbox_disk.c's, owned */
	uint32_t last_disk;	   /* number of the last that was plugged */
	uint64_t shm_size;	   /* bytes; 0: the default */
	bool has_seccomp;	   /* untrusted: the guest's word */
	oci_extensions extensions; /* the same */
	size_t n_jobs;		   /* under way; a stop waits for them */
	bool destroy_asked, destroy_answered;
	bool undone, is_untouched;

	sandbox_lost_fn *lost;
	void *data; /* borrowed from the owner */
	sandbox_done_fn *start_done, *stop_done;
	void *start_data, *stop_data;
	struct source *start_timer;    /* owned: the deadline of the start */
	struct health *health;	       /* owned; while RUNNING */
	struct oom_watch *oom;	       /* owned; while RUNNING, if asked for */
	struct management *management; /* owned; while RUNNING */
	struct sizer *sizer;	       /* owned; from RUNNING on */
	struct source *hangup_timer;   /* owned: what is left of the wait for the VM's end */
	struct source *stop_timer;     /* owned: how long the guest may take to say goodbye */
	struct err hangup; /* the agent hung up: the VM's end, which says more, is waited for */
	struct err undo_err;

	int64_t step_ns; /* when the current step of the start, or of the stop, began */
	int64_t stop_ns; /* when the stop began */
	struct guest_timeline guest_timeline;
};

/* -EINVAL, -EEXIST: the configuration names what cannot be. Once. */
int sandbox_plan_binds(struct sandbox *sb, struct err *err) must_check;
void sandbox_free_binds(struct sandbox *sb);
/* After the hypervisor has gone. */
void sandbox_free_disks(struct sandbox *sb);
void sandbox_set_state(struct sandbox *sb, enum sandbox_state state);
/* The network namespace of the VMM (struct hypervisor_vm). */
int sandbox_vmm_netns(const struct sandbox *sb);
/* The VM or its agent is gone. */
void sandbox_lose(struct sandbox *sb, const struct err *why);
int sandbox_start_health(struct sandbox *sb) must_check;
int sandbox_start_sizer(struct sandbox *sb) must_check;
int sandbox_start_management(struct sandbox *sb, struct err *err) must_check;
/* The agent has hung up on a running sandbox. */
void sandbox_hang_up(struct sandbox *sb, const struct err *why);
/* How long the VM's end is waited for after the agent has hung up. */
enum { SANDBOX_HANGUP_MS = 1000 };
/* Goes on with a stop that may have waited for what has just ended. */
void sandbox_stop_step(struct sandbox *sb);
