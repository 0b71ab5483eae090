/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A spec's resources as properties of a systemd unit, as far as systemd knows them. The files of the
 * unit's cgroup are written as well (limits.h); but systemd writes them again, from its properties,
 * whenever it reads its configuration anew.
 */
#include "linux/systemd.h"
#include "oci.pb-c.h"

/*
 * Adds what is set. -1 means no limit, 0 not set, as in limits.h. period_us: that of the unit's
 * cgroup now, for a quota that comes without one. -EINVAL: memory and swap do not go together.
 */
int unit_limits_add(struct systemd_properties *p, const Grpc__LinuxResources *resources,
	uint64_t period_us, struct err *err) must_check;

/* What a quota is per second of time, in microseconds; systemd keeps hundredths, so it is rounded up to
 * the next 10 ms. */
uint64_t unit_limits_quota(int64_t quota_us, uint64_t period_us);

/* "0-3,8" as a mask, its lowest bit first; false for other forms and numbers past the end. */
bool unit_limits_mask(const char *list, uint8_t *mask, size_t size, size_t *ret_len);
