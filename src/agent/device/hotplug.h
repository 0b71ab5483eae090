/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Waiting for a device, in the loop.
 *
 * The kernel's events are listened to from before sysfs is looked at, so nothing falls in between;
 * nobody listens while nobody waits. A device that is there already is found in sysfs. A disk that
 * is found there is asked to announce itself once more (as udev does at boot), because it appears a
 * moment before it can be opened; its event comes when it can.
 */
#include <stdint.h>

#include "agent/device/want.h"
#include "base/list.h"
#include "loop/loop.h"

/* Each event makes each of them be looked for; hosts have a handful. */
enum { HOTPLUG_WAITS_MAX = 1024 };

struct hotplug {
	struct loop *loop;   /* borrowed */
	const char *sys_dir; /* borrowed: where sysfs is */
	int64_t timeout_ns;
	struct list waits;
	size_t n_waits;
	int sys_fd, events_fd; /* owned; -1 while there are no waits */
	struct source *events; /* owned */
};

struct hotplug_wait;

/* Once, from the loop; the wait is freed before. err NULL: found. -ETIMEDOUT: it did not come. */
typedef void hotplug_done_fn(void *data, const struct device_found *found, const struct err *err);

void hotplug_init(struct hotplug *h, struct loop *loop, const char *sys_dir, int64_t timeout_ns);
/* All waits must have ended. */
void hotplug_fini(struct hotplug *h);

/* RESOURCE_EXHAUSTED past HOTPLUG_WAITS_MAX. want is copied. */
int hotplug_wait(struct hotplug *h, const struct device_want *want, hotplug_done_fn *done,
	void *data, struct hotplug_wait **ret, struct err *err) must_check;
/* Stops waiting; done is not called. NULL is fine. */
void hotplug_wait_free(struct hotplug_wait *wait);
