/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a host asks for in CreateContainerRequest.devices, by type (spec/agent.md 8.4):
 *
 *	blk, scsi, mmioblk, nvdimm   a disk: the spec's device gets the guest's numbers
 *	blk-ccw, vfio-ap             of s390x; refused elsewhere
 *
 * and what has been found for it.
 */
#include "agent.pb-c.h"
#include "agent/device/want.h"

struct device_set {
	struct device_update {
		const Grpc__Device *request; /* borrowed */
		struct device_found found;
	} * updates; /* owned: devices of the spec that are something else in the guest */
	size_t n_updates;
};

void device_set_fini(struct device_set *set);

/* What can be said before anything is waited for: INVALID_ARGUMENT, or UNIMPLEMENTED for what this
 * machine cannot have. linux_spec must list the device. */
int device_requests_check(Grpc__Device *const *devices, size_t n, const Grpc__Linux *linux_spec,
	struct err *err) must_check;

/* What a request that has been checked waits for. */
int device_request_want(const Grpc__Device *d, struct device_want *ret, struct err *err) must_check;
