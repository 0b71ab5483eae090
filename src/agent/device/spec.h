/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A spec says which devices a container gets as the host knows them; in the guest they have other
 * numbers, in the list of devices and in the cgroup's rules.
 *
 * All changes are made at once and on the host's numbers, so that a device that becomes 8:16 is not
 * taken for the one that was 8:16. Block and character devices are told apart (spec/regressions.md
 * 13).
 */
#include "agent/device/request.h"

struct device_number {
	bool is_block;
	int64_t major, minor;
};

/* For rules that come later, when the requests that it was found by have gone. */
struct device_renumbering {
	struct device_number host, guest;
};

/* Changed device rules. A zeroed one is empty. */
struct device_rules {
	Grpc__LinuxResources resources;		/* the rest of it is borrowed */
	Grpc__LinuxDeviceCgroup *rules, **list; /* owned */
};

/*
 * Rules by the guest's numbers, and one for each device, which is allowed. Without rules the devices
 * that are listed are what a container may use (container/device_policy.h): then there is nothing to
 * add. -ENOMEM.
 */
int device_rules_translate(const struct device_renumbering *map, size_t n,
	const Grpc__LinuxResources *from, struct device_rules *ret) must_check;
void device_rules_fini(struct device_rules *rules);

/* What the changed parts of a Grpc__Linux are made of. A zeroed one is empty. */
struct device_spec {
	Grpc__LinuxDevice *devices, **device_list; /* owned */
	struct device_rules rules;
	struct device_renumbering *map; /* owned, until somebody takes it */
	size_t n_map;
};

/*
 * Puts the found devices into l, a copy whose parts are not its own: changed lists are those of
 * ret, which, as set, must outlive l's use. -EINVAL: one device of the host is to become two.
 */
int device_spec_apply(const struct device_set *set, Grpc__Linux *l, struct device_spec *ret,
	struct err *err) must_check;
void device_spec_fini(struct device_spec *s);
