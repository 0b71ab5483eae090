/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What each kind of device of hypervisor/device.h is made of in QEMU: one to three parts, the back end
 * first, the device that the guest sees last. Names of parts carry the device's number, which is never
 * used twice in a machine; the device itself is called "dev-<id>".
 */
#include "hypervisor/device.h"
#include "hypervisor/qemu_bus.h"
#include "hypervisor/qemu_part.h"

enum { QEMU_DEVICE_PARTS_MAX = 3 };

struct qemu_parts {
	struct qemu_part list[QEMU_DEVICE_PARTS_MAX];
	size_t n;
};

void qemu_parts_fini(struct qemu_parts *parts);

/* What the configuration says of all disks. */
struct qemu_block_options {
	const char *aio; /* "io_uring", "native", "threads"; NULL: QEMU's own choice */
	/* The host's cache: given to the VMM only if is_cache_set. */
	bool is_cache_set, cache_direct, cache_no_flush;
	uint32_t logical_sector_size, physical_sector_size; /* bytes; 0: QEMU's own choice */
	uint32_t n_queues, queue_size; /* of virtio-blk; 0: QEMU's own choice */
	uint32_t n_iothreads; /* that virtio-blk devices share: "iothread0", ...; 0: none */
};

/* Each writes *ret, which the caller ends with qemu_parts_fini() also after a failure. fds of the
 * description are taken over in any case. Failures of memory are told when the parts are written. */
void qemu_device_describe_net(const struct hypervisor_net *net, const struct qemu_place *place,
	uint32_t number, struct qemu_parts *ret);
void qemu_device_describe_vhost_user_net(const struct hypervisor_vhost_user_net *net,
	const struct qemu_place *place, uint32_t number, struct qemu_parts *ret);
/* -errno with err: the file cannot be opened, or is none. */
int qemu_device_describe_block(const struct hypervisor_block *block,
	const struct qemu_block_options *options, const struct qemu_place *place, uint32_t number,
	struct qemu_parts *ret, struct err *err) must_check;
void qemu_device_describe_vhost_user_blk(const struct hypervisor_vhost_user_blk *blk,
	const struct qemu_place *place, uint32_t number, struct qemu_parts *ret);
/* -EINVAL: the BDF is not one. */
int qemu_device_describe_vfio(const struct hypervisor_vfio *vfio, const struct qemu_place *place,
	struct qemu_parts *ret, struct err *err) must_check;
