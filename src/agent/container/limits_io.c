/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "agent/container/limits_place.h"
#include "base/io.h"

struct throttle {
	const char *key, *v1_file;
	Grpc__LinuxThrottleDevice *const *devices;
	size_t n_devices;
};

static int put_throttle(const struct limits_place *p, const struct throttle *t)
{
	char text[LIMITS_TEXT_SIZE], rate[24];
	int r = 0;

	for (size_t i = 0; i < t->n_devices && r == 0; i++) {
		const Grpc__LinuxThrottleDevice *d = t->devices[i];

		snprintf(rate, sizeof(rate), "%" PRIu64, d->rate);
		if (p->unified)
			snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %s=%s", d->major,
				d->minor, t->key, d->rate ? rate : "max");
		else
			snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %s", d->major,
				d->minor, rate);
		r = limits_put(p, p->unified ? "io.max" : t->v1_file, text);
	}
	return r;
}

static unsigned int clamp_weight(uint32_t weight)
{
	return weight < 10 ? 10 : weight > 1000 ? 1000 : weight;
}

uint64_t limits_io_weight(uint32_t weight)
{
	return 1 + (clamp_weight(weight) - 10) * UINT64_C(9999) / 990;
}

/* BFQ takes OCI's scale of 10 to 1000, v2's io.weight 1 to 10000. device: "8:16"; NULL: all. */
static int put_weight(const struct limits_place *p, const char *device, uint32_t weight)
{
	unsigned int w = clamp_weight(weight);
	const char *bfq = p->unified ? "io.bfq.weight"
			  : device   ? "blkio.bfq.weight_device"
				     : "blkio.bfq.weight";
	char text[LIMITS_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s%s%u", device ? device : "", device ? " " : "", w);
	if (p->fd >= 0 && io_write_file(p->fd, bfq, text) == 0)
		return 0;
	if (!p->unified)
		return limits_put(p, device ? "blkio.weight_device" : "blkio.weight", text);
	snprintf(text, sizeof(text), "%s %" PRIu64, device ? device : "default",
		limits_io_weight(weight));
	return limits_put(p, "io.weight", text);
}

static int put_device_weights(const struct limits_place *p, const Grpc__LinuxBlockIO *io)
{
	char device[48];
	int r = 0;

	for (size_t i = 0; i < io->n_weightdevice && r == 0; i++) {
		const Grpc__LinuxWeightDevice *d = io->weightdevice[i];

		snprintf(device, sizeof(device), "%" PRId64 ":%" PRId64, d->major, d->minor);
		if (d->weight > 0)
			r = put_weight(p, device, d->weight);
	}
	return r;
}

int limits_put_io(const struct limits_target *target, const Grpc__LinuxBlockIO *io)
{
	struct limits_place p = limits_find(target, CGROUP_BLKIO);
	const struct throttle throttles[] = {
		{"rbps", "blkio.throttle.read_bps_device", io->throttlereadbpsdevice,
			io->n_throttlereadbpsdevice},
		{"wbps", "blkio.throttle.write_bps_device", io->throttlewritebpsdevice,
			io->n_throttlewritebpsdevice},
		{"riops", "blkio.throttle.read_iops_device", io->throttlereadiopsdevice,
			io->n_throttlereadiopsdevice},
		{"wiops", "blkio.throttle.write_iops_device", io->throttlewriteiopsdevice,
			io->n_throttlewriteiopsdevice},
	};
	int r = io->weight > 0 ? put_weight(&p, NULL, io->weight) : 0;

	if (r == 0)
		r = put_device_weights(&p, io);
	for (size_t i = 0; i < ARRAY_SIZE(throttles) && r == 0; i++)
		r = put_throttle(&p, &throttles[i]);
	return r;
}
