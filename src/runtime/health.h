/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The health check: asks the agent grpc.Health/Check again and again, so that a guest that hangs is
 * found although nobody calls it.
 *
 * A check may take health_check_request_timeout_ms, upstream's key and default (90 s). The next one
 * is sent a third of that after the answer, but at most 30 s after it: upstream's period, which has
 * this ratio to its limit. So a guest that stops answering is found within four thirds of the key:
 * two minutes by default. That is long because a false alarm costs a pod, and a guest of an
 * emulator on a host that swaps may be silent for many seconds; whoever knows his hosts sets less.
 * A process that dies, a guest that stops, panics or hangs up is not waited for: hypervisor.h and
 * agent.h tell of it at once.
 */
#include "config/config.h"
#include "loop/loop.h"
#include "runtime/agent.h"

struct health;

/* The agent does not answer, or says that it fails. Called once; nothing is asked afterwards. */
typedef void health_failed_fn(void *data, const struct err *why);

/* agent and config are borrowed for the check's life; the first question is a period away. */
int health_new(struct loop *loop, struct agent *agent, const struct config_agent *config,
	health_failed_fn *failed, void *data, struct health **ret) must_check;
/* Also from health_failed_fn. NULL is fine. */
void health_free(struct health *health);
