/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the parts of the QEMU driver share: qemu.c (life cycle), qemu_launch.c (how it is put
 * together). */
#include "hypervisor/hypervisor.h"
#include "hypervisor/process.h"
#include "hypervisor/qemu_plug.h"
#include "hypervisor/qemu_resize.h"
#include "hypervisor/qmp.h"

enum qemu_state {
	QEMU_NEW,
	QEMU_STARTING, /* processes are being started; ends by QMP's word or the deadline */
	QEMU_RUNNING,
	QEMU_ENDING, /* no way back; processes are being reaped */
	QEMU_ENDED,  /* nothing of it is left but memory */
};

enum qemu_process {
	QEMU_VMM,
	QEMU_VIRTIOFSD,
	QEMU_VSOCKD,
	QEMU_PROCESS_COUNT,
};

struct qemu_vm {
	struct hypervisor hv;
	struct loop *loop; /* borrowed */
	enum qemu_state state;
	struct hypervisor_vm vm;	/* its strings are borrowed from the three below */
	char *id, *run_dir, *share_dir; /* owned */
	struct process processes[QEMU_PROCESS_COUNT];
	struct qmp *qmp; /* owned; NULL once it has failed */
	struct qemu_plug plug;
	struct qemu_resize resize;
	struct lines console;
	/* STARTING: the deadline; STARTING and RUNNING with a suspect: when it is blamed; ENDING:
	 * when who still runs is killed; ENDED: to answer a stop. */
	struct source *timer; /* owned */
	struct err suspect;   /* the end of somebody who may only have followed QEMU */
	int64_t launched_ns;
	int control_fd; /* owned; vsockd leaves when it closes; -1: none */
	char agent_address[HYPERVISOR_ADDRESS_SIZE];
	char *sockets[QEMU_PROCESS_COUNT + 1]; /* owned; paths to unlink at the end */
	size_t n_sockets;
	hypervisor_exit_fn *on_exit;
	void *exit_data;
	hypervisor_done_fn *start_done, *stop_done; /* NULL: nobody waits */
	void *start_data, *stop_data;
};

/* Refuses a configuration that names files that are not there. */
int qemu_launch_check(const struct config *config, struct err *err) must_check;

struct qemu_launch_handlers {
	process_exit_fn *on_exit;
	const struct qmp_handlers *qmp;
};

/* Starts all processes and the QMP client. On failure some may run: the caller ends them. */
int qemu_launch(
	struct qemu_vm *q, const struct qemu_launch_handlers *handlers, struct err *err) must_check;
