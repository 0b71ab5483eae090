/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Waits, in the loop, for all devices that a request needs: those that it hands to a container, and
 * those that its storages are on.
 *
 *	attach_start() -> every wait of hotplug.h at once, and a job that makes SCSI hosts look
 *	-> for VFIO: a job that binds the devices -> the wait for their groups' nodes
 *	-> done
 *
 * The first that does not come ends it.
 */
#include "agent/device/hotplug.h"
#include "agent/device/request.h"
#include "agent/reaper.h"
#include "agent/storages.h"

/* Of one request: more than the buses and slots that hosts use. */
enum { ATTACH_MAX = 256 };

struct attach;

/* Once, from the loop. On success err is NULL and found is to be taken over; the sources of the
 * storages that the set owns have been set. */
typedef void attach_done_fn(void *data, struct device_set *found, const struct err *err);

/* The requests and the set are borrowed until it is done or cancelled. */
struct attach_config {
	struct hotplug *hotplug;
	struct reaper *reaper;
	Grpc__Device **devices; /* checked: device_requests_check() */
	size_t n_devices;
	Grpc__Storage **storages;
	struct storage_set *set; /* of the storages; NULL: none */
	attach_done_fn *done;
	void *data;
};

/* *ret is NULL, and done is not called, if there is nothing to wait for. */
int attach_start(
	const struct attach_config *config, struct attach **ret, struct err *err) must_check;
/* done is not called any more. NULL is fine. */
void attach_cancel(struct attach *attach);
