/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shared mounts: what one container has mounted, another one has too. When a container's init is
 * ready and waits, each mount of its request is copied, with what is below it, from the mount
 * namespace of the container of that name into its own.
 *
 * A request that names no container that there is, or whose mount does not come within
 * SHARED_MOUNTS_WAIT_NS, is passed over, as upstream's agent does; whatever else fails, fails the
 * creation.
 */
#include "agent/container.h"
#include "base/clock.h"

#define SHARED_MOUNTS_WAIT_NS (10 * NS_PER_S)

/* What can be said against them before anything is done. */
int shared_mounts_check(const Grpc__CreateContainerRequest *request, struct err *err) must_check;

/* In a job of its own, which changes its mount namespace. Each that is passed over is a step of the
 * report. */
int shared_mounts_make(const struct container *c, const Grpc__CreateContainerRequest *request,
	struct job_report *report, struct err *err) must_check;
