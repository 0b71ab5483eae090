/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Learns from the agent which containers have run out of memory: one GetOOMEvent at a time waits in
 * the guest, and the next is asked when it has been answered.
 *
 * The guest is hostile: an agent that answers without pause is asked ten times a second at most, and
 * the name it gives is only its word. One that fails is asked again after a second, then after two
 * and so on up to a minute. One that does not know the method, or has hung up, is left alone.
 */
#include "loop/loop.h"
#include "runtime/agent.h"

struct oom_watch;

/* cid: what the agent says. Never from inside oom_watch_new; may free the watch. */
typedef void oom_watch_fn(void *data, const char *cid);

/* agent is borrowed for the watch's life. -ENOMEM and whatever agent_call says. */
int oom_watch_new(struct loop *loop, struct agent *agent, oom_watch_fn *fn, void *data,
	struct oom_watch **ret) must_check;
/* NULL is fine. */
void oom_watch_free(struct oom_watch *w);
