/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The devices of one QEMU machine: on the command line before it runs, plugged in and out by QMP
 * while it does.
 *
 *	qemu_plug_init		before anything else
 *	qemu_plug_add_*		cold: the device waits for the command line
 *	qemu_plug_write		puts the buses and all that waits on the command line
 *	qemu_plug_start		the machine runs: from here on devices are plugged in
 *	qemu_plug_end		it does not any more: what is under way fails
 *	qemu_plug_fini
 *
 * Devices are independent of each other; each does one QMP command after the other. What is answered
 * when: hypervisor/device.h. broken() says that QEMU has left a command unanswered for so long that
 * it cannot be relied on; it is called from the loop.
 */
#include "hypervisor/device.h"
#include "hypervisor/qemu_args.h"
#include "hypervisor/qemu_bus.h"
#include "hypervisor/qemu_device.h"
#include "hypervisor/qmp.h"
#include "base/list.h"
#include "loop/loop.h"

enum qemu_plug_phase {
	QEMU_PLUG_COLD,
	QEMU_PLUG_BOOTING,
	QEMU_PLUG_HOT,
	QEMU_PLUG_OVER,
};

struct qemu_plug {
	struct loop *loop; /* borrowed */
	struct qmp *qmp;   /* borrowed; while HOT */
	enum qemu_plug_phase phase;
	struct list devices; /* owned */
	struct qemu_bus bus;
	struct qemu_block_options block_options;
	enum hypervisor_block_driver block_driver; /* what DEFAULT means */
	bool has_scsi_iothread;
	uint32_t last_number;
	int64_t unplug_limit_ns; /* how long a guest may take to let a device go */
	void (*broken)(void *data, const struct err *why);
	void *data; /* borrowed from the owner */
};

void qemu_plug_init(struct qemu_plug *plug, struct loop *loop,
	void (*broken)(void *data, const struct err *why), void *data);
/* The QMP client must be gone, or have no command under way. */
void qemu_plug_fini(struct qemu_plug *plug);

int qemu_plug_add_net(struct qemu_plug *plug, const struct hypervisor_net *net,
	hypervisor_added_fn *added, void *data, struct err *err) must_check;
int qemu_plug_add_vhost_user_net(struct qemu_plug *plug,
	const struct hypervisor_vhost_user_net *net, hypervisor_added_fn *added, void *data,
	struct err *err) must_check;
int qemu_plug_add_block(struct qemu_plug *plug, const struct hypervisor_block *block,
	hypervisor_added_fn *added, void *data, struct err *err) must_check;
int qemu_plug_add_vhost_user_blk(struct qemu_plug *plug,
	const struct hypervisor_vhost_user_blk *blk, hypervisor_added_fn *added, void *data,
	struct err *err) must_check;
int qemu_plug_add_vfio(struct qemu_plug *plug, const struct hypervisor_vfio *vfio,
	hypervisor_added_fn *added, void *data, struct err *err) must_check;
/* What has no place on a bus (CPUs, memory), described by the caller; takes parts over. */
int qemu_plug_add_parts(struct qemu_plug *plug, const char *id, struct qemu_parts *parts,
	hypervisor_added_fn *added, void *data, struct err *err) must_check;
int qemu_plug_remove(struct qemu_plug *plug, const char *id, hypervisor_done_fn *done, void *data,
	struct err *err) must_check;

void qemu_plug_write(struct qemu_plug *plug, struct qemu_args *args);
void qemu_plug_start(struct qemu_plug *plug, struct qmp *qmp);
void qemu_plug_end(struct qemu_plug *plug);
/* An event of QMP, whichever: those about devices are taken. */
void qemu_plug_handle_event(struct qemu_plug *plug, const char *name, const struct value *args);
