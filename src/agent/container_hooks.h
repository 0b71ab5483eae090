/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The hooks that the agent runs for a container that is there, or has gone: in jobs. */
#include "agent/container.h"
#include "agent/container/hooks.h"

/* What a launch with this spec is told to keep: which of poststart and poststop there may be. */
void container_hooks_note(struct container *c, const Grpc__Spec *spec);
bool container_hooks_any(const struct container *c, enum hooks_kind kind);

/* In a job. Failures of hooks are told as its warnings; -errno: they could not even be tried. */
int container_hooks_run(const struct container *c, enum hooks_kind kind, struct job_report *report,
	struct err *err) must_check;
