/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Changes the CPUs and the memory of a running QEMU machine (hypervisor/resize.h), by devices that come
 * and go (qemu_plug.h): CPUs one by one, each where QEMU says there is room; memory as one DIMM for
 * each step up, or by telling a virtio-mem device how much the guest may have. What came last goes
 * first.
 */
#include "hypervisor/qemu_memory.h"
#include "hypervisor/qemu_plug.h"
#include "hypervisor/resize.h"

enum { QEMU_DIMMS_MAX = 255 };

/* One resize that is under way; done NULL: none. */
struct qemu_resize_call {
	struct qemu_resize *resize; /* borrowed: its owner */
	hypervisor_resized_fn *done;
	void *data; /* borrowed from the caller */
	uint64_t target;
	struct err failure;
	struct source *timer; /* owned: the answer is due, or the guest late */
};

struct qemu_resize {
	struct qemu_plug *plug; /* borrowed */
	struct qemu_memory memory;
	struct hypervisor_size size;
	uint32_t boot_vcpus, n_cpus; /* n_cpus: plugged in, "cpu-1" the first */
	uint64_t boot_memory_mib;
	uint32_t memory_slots; /* DIMMs that fit; 0 with virtio-mem */
	bool has_virtio_mem;   /* "virtiomem0" is on the command line */
	uint32_t dimm_mib[QEMU_DIMMS_MAX];
	uint32_t n_dimms; /* "mem-1" the first */
	struct qemu_resize_call vcpus_call, memory_call;
	bool is_over;
};

/* The rest of the struct is the caller's to set before the machine starts. */
int qemu_resize_init(
	struct qemu_resize *resize, struct loop *loop, struct qemu_plug *plug) must_check;
void qemu_resize_fini(struct qemu_resize *resize);

int qemu_resize_vcpus(struct qemu_resize *resize, uint32_t n, hypervisor_resized_fn *done,
	void *data, struct err *err) must_check;
int qemu_resize_memory(struct qemu_resize *resize, uint64_t mib, hypervisor_resized_fn *done,
	void *data, struct err *err) must_check;
/* The machine has ended: answers who waits. */
void qemu_resize_end(struct qemu_resize *resize);
void qemu_resize_handle_event(
	struct qemu_resize *resize, const char *name, const struct value *args);
