/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Keeps a running virtual machine as large as its containers need (sizing.h): CPUs first, then memory,
 * then the agent is told to put both to use (OnlineCPUMem). A machine of fixed size
 * (static_sandbox_resource_mgmt) is left alone, and every change is done at once.
 *
 *	r = sizer_set(sizer, cid, &need);	remembered, nothing happens yet
 *	r = sizer_apply(sizer, on_sized, data);	on_sized: the machine is as large as it has to be
 *	sizer_forget(sizer, cid);		the next sizer_apply() makes it smaller
 *
 * A guest that does not give back what it has is no error. One that does not get what it needs is; the
 * machine has then what could be added.
 */
#include "hypervisor/resize.h"
#include "runtime/agent.h"
#include "runtime/sizing.h"

struct sizer;

/* err NULL: done. Called once, from the loop or from sizer_end(). */
typedef void sizer_done_fn(void *data, const struct err *err);

/* All borrowed for the sizer's life. */
int sizer_new(struct loop *loop, struct hypervisor *hv, struct agent *agent,
	const struct config *config, struct sizer **ret) must_check;
/* Whoever still waits is not called any more. NULL is fine. */
void sizer_free(struct sizer *sizer);
/* The machine or its agent is going: who waits is told -ECONNRESET now. NULL is fine. */
void sizer_end(struct sizer *sizer);

/* Replaces what was known of the container. -ENOMEM leaves that as it was. */
int sizer_set(struct sizer *sizer, const char *cid, const struct sizing_need *need) must_check;
void sizer_forget(struct sizer *sizer, const char *cid);
/* done may be NULL. -ENOMEM; -ENOTCONN after sizer_end(). */
int sizer_apply(struct sizer *sizer, sizer_done_fn *done, void *data) must_check;
