/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a configuration makes of a QEMU machine. Strings stay the configuration's. */
#include "config/config.h"
#include "hypervisor/qemu_args.h"
#include "hypervisor/qemu_plug.h"
#include "hypervisor/qemu_resize.h"

/* Buses, and how disks are attached. */
void qemu_config_plug(const struct config_hypervisor *config, struct qemu_plug *plug);
/* What the machine starts with and can grow to: nothing beyond, if its size is fixed
 * (static_sandbox_resource_mgmt). */
void qemu_config_size(const struct config *config, struct qemu_resize *resize);
/* size: as qemu_config_size() has set it. kvm is the caller's to set. */
void qemu_config_machine(const struct config_hypervisor *config, const struct qemu_resize *size,
	struct qemu_machine *ret);
