/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* QEMU as hypervisor.h wants it; see there. */
#include "hypervisor/hypervisor.h"

int qemu_new(struct loop *loop, const struct hypervisor_vm *vm, hypervisor_exit_fn *on_exit,
	void *data, struct hypervisor **ret, struct err *err) must_check;
