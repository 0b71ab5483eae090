/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * QEMU's command line, part by part. It owns the fds that its parts name until the program has been
 * started, so that a device's socket lives exactly as long as the line that mentions it.
 *
 *	struct qemu_args args = QEMU_ARGS_INIT;
 *
 *	qemu_args_add_base(&args, id);
 *	qemu_args_add_fs(&args, take_fd(&socket), "kataShared", 1024);
 *	r = qemu_args_finish(&args);
 *	... spawn with args.argv, args.fds, args.n_fds ...
 *	qemu_args_fini(&args);
 *
 * Failures stick and are told by qemu_args_finish(). Values that could hold a comma are escaped, so
 * that nothing but the part's own text decides which options it sets.
 */
#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/qemu_memory.h"
#include "hypervisor/qemu_part.h"
#include "linux/spawn.h"

struct qemu_args {
	char **argv; /* owned; NULL-terminated once finished */
	size_t n_argv, cap;
	int fds[SPAWN_FDS_MAX]; /* owned; fds[i] is i + 3 in QEMU */
	size_t n_fds;
	int error;
};

#define QEMU_ARGS_INIT \
	{              \
		0      \
	}

void qemu_args_fini(struct qemu_args *args);
/* argv[0], which must come first. */
void qemu_args_set_program(struct qemu_args *args, const char *program);
/* -ENOMEM, -E2BIG for more than SPAWN_FDS_MAX fds. */
int qemu_args_finish(struct qemu_args *args) must_check;

struct qemu_machine {
	const char *type;	   /* "q35" */
	const char *accelerators;  /* appended to -machine as it is; "" or NULL: nothing */
	const char *cpu_features;  /* appended to -cpu as it is */
	bool kvm;		   /* else TCG */
	bool has_iommu;		   /* qemu_args_add_iommu() follows */
	uint32_t vcpus, max_vcpus; /* max_vcpus: with those that may be plugged in; 0: no more */
	uint64_t memory_mib, max_memory_mib; /* the same */
	uint32_t memory_slots;		     /* DIMMs that may be plugged in */
	struct qemu_memory memory;
};

/* Every function that takes an fd takes it over, also when the line has failed already. */
void qemu_args_add_base(struct qemu_args *args, const char *id);
void qemu_args_add_machine(struct qemu_args *args, const struct qemu_machine *machine);
void qemu_args_add_kernel(
	struct qemu_args *args, const char *kernel, const char *initrd, const char *params);
/* A connected socket each: QEMU's monitor, the guest's first serial port. */
void qemu_args_add_qmp(struct qemu_args *args, int fd);
void qemu_args_add_console(struct qemu_args *args, int fd);
void qemu_args_add_rng(struct qemu_args *args, const char *source);
/* A socket connected to a vhost-user back end. */
void qemu_args_add_fs(struct qemu_args *args, int fd, const char *tag, uint32_t queue_size);
void qemu_args_add_user_vsock(struct qemu_args *args, int fd);
/* /dev/vhost-vsock, its cid already set. */
void qemu_args_add_kernel_vsock(struct qemu_args *args, int fd, uint32_t cid);
/* A PCI bridge (the i-th) and a PCIe root port, at slot addr of the root bus, for devices that come and
 * go; the names of their buses are qemu_bus.h's. */
void qemu_args_add_bridge(struct qemu_args *args, uint32_t i, uint32_t addr);
void qemu_args_add_root_port(struct qemu_args *args, uint32_t i, uint32_t addr);
void qemu_args_add_scsi_controller(struct qemu_args *args, bool has_iothread);
/* The i-th of those that virtio-blk devices share. */
void qemu_args_add_iothread(struct qemu_args *args, uint32_t i);
/* Must come before all other devices. */
void qemu_args_add_iommu(struct qemu_args *args);
/* What the guest frees returns to the host. */
void qemu_args_add_balloon(struct qemu_args *args);
/* Memory that can grow from nothing to mib ("virtiomem0"). */
void qemu_args_add_virtio_mem(
	struct qemu_args *args, const struct qemu_memory *memory, uint64_t mib);
/* A further monitor on a unix socket that QEMU makes: "hmp", "qmp", "qmp-pretty". */
void qemu_args_add_monitor(struct qemu_args *args, const char *protocol, const char *path);
/* Takes over the part's fds. */
void qemu_args_add_part(struct qemu_args *args, struct qemu_part *part);
/* The value of -sandbox; "" or NULL: none. */
void qemu_args_add_sandbox(struct qemu_args *args, const char *value);
