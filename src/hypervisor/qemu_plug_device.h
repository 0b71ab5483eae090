/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What qemu_plug.c (which devices there are) and qemu_plug_device.c (how one comes and goes) share. */
#include "hypervisor/qemu_plug.h"

enum device_state {
	DEVICE_WAITING, /* for the command line, and for the machine to run */
	DEVICE_ADDING,
	DEVICE_UNDOING, /* an add has failed */
	DEVICE_PRESENT,
	DEVICE_LEAVING,	  /* the guest has been asked to let it go */
	DEVICE_RELEASING, /* the guest has it no more */
	DEVICE_GONE,	  /* nothing is left of it; the answer is due */
	DEVICE_OVER,	  /* the machine has ended */
};

struct device {
	struct list link;
	struct qemu_plug *plug; /* borrowed: its owner */
	char id[HYPERVISOR_DEVICE_ID_SIZE];
	struct qemu_parts parts;
	struct qemu_place place;
	enum device_state state;
	size_t at, n_sent;
	bool is_asked;	      /* a command is under way */
	bool is_deleted;      /* QEMU's word that the guest has it no more came before the reply */
	struct source *timer; /* owned */
	hypervisor_added_fn *added; /* NULL: nobody waits for it */
	hypervisor_done_fn *removed;
	void *data; /* borrowed from the caller */
	struct err failure;
};

/* Releases its place too; NULL is not fine. */
void device_free(struct device *d);
/* For the device's timer: whatever is late, or due. */
void device_on_timer(void *data);
/* Takes the first step. On failure nothing is under way. */
int device_ask_add(struct device *d) must_check;
int device_ask_delete(struct device *d) must_check;
