/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The bundle's spec, as the guest is told it: everything that speaks of the host is rewritten or
 * left out, and what this release cannot do is refused by name.
 *
 *	annotations	the initdata goes; bundle path and container type are added
 *	hooks		startContainer stays: it alone runs in the container; others are refused
 *	namespaces	network and time (and its offsets) go, pid too (the agent makes it), every path goes
 *	root.path	is where the guest finds the shared root file system
 *	mounts		as runtime/guest_mounts.h says
 *	devices		the host's VFIO devices are left out, with a warning; of its block devices
 *			runtime/guest_devices.h
 *	resources	cpuset.cpus, devices, blockIO and network go: they name the host's
 *	process		AppArmor profiles and SELinux labels are the host's
 *	seccomp		goes when the configuration or the guest says so
 *	domainname	goes: the pod's uts namespace is the guest's
 *
 * KATA: upstream also drops resources.pids, because its agent misreads it; ours applies it.
 *
 * The result borrows from the spec it was made of, which has to outlive it.
 */
#include "agent.pb-c.h"
#include "oci/extension.h"
#include "runtime/guest_devices.h"
#include "runtime/guest_storages.h"
#include "runtime/share.h"

/* Who a container is to its sandbox (annotations of containerd's CRI and CRI-O). */
enum guest_spec_type { GUEST_SPEC_SINGLE, GUEST_SPEC_POD_SANDBOX, GUEST_SPEC_POD_CONTAINER };

/* -EINVAL: an unknown type. */
int guest_spec_type_of(
	const Grpc__Spec *spec, enum guest_spec_type *ret, struct err *err) must_check;
/* The sandbox's id for a container of a pod, from its annotations, or NULL. */
const char *guest_spec_sandbox_id(const Grpc__Spec *spec);

struct guest_spec_config {
	const char *cid;
	const char *bundle; /* on the host */
	bool disable_seccomp;
};

struct guest_spec;

/* The bind mounts it finds are added to plan. */
int guest_spec_new(const Grpc__Spec *host, const struct guest_spec_config *config,
	struct share_plan *plan, struct guest_spec **ret, struct err *err) must_check;
/* Decides about the volumes, once plan has been mounted; once. */
int guest_spec_settle(struct guest_spec *g, const char *cid, const char *sandbox_id,
	const struct share_plan *plan, struct err *err) must_check;
/* NULL is fine. */
void guest_spec_free(struct guest_spec *g);

/* Borrowed from g. */
const Grpc__Spec *guest_spec_get(const struct guest_spec *g);
/* After guest_spec_settle. */
const struct guest_storages *guest_spec_storages(const struct guest_spec *g);
const struct guest_devices *guest_spec_devices(const struct guest_spec *g);
/* True: join the sandbox's pid namespace instead of making one. */
bool guest_spec_shares_pid(const struct guest_spec *g);
/* The guest has no seccomp. */
void guest_spec_drop_seccomp(struct guest_spec *g);
/* Leaves out what this agent has not announced, with a warning that names it. */
int guest_spec_fit(struct guest_spec *g, oci_extensions announced, struct err *err) must_check;

/* The same as all of the above for the process of an exec, which is changed in place. */
int guest_spec_fit_process(
	Grpc__Process *process, oci_extensions announced, struct err *err) must_check;
