/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * PCIDEVICE_* variables, by which device plugins tell a container its PCI devices: with the host's
 * addresses, which are others in the guest (spec/agent.md 8.6, spec/regressions.md 15).
 *
 *	PCIDEVICE_X=0000:81:00.1,0000:81:00.2     translated
 *	PCIDEVICE_X_INFO={"0000:81:00.1":...}     those of its addresses that are known
 *
 * A list that holds something else than PCI addresses is left as it is, with its _INFO. An address
 * of a list that no device was found for is an error.
 */
#include "agent/device/request.h"

/* Lists of one environment: each is compared with every variable. */
enum { PCI_ENV_LISTS_MAX = 64 };

/* The variables with the changed ones replaced. A zeroed one is empty. */
struct pci_env {
	char **vars;	/* owned; entries are borrowed, or in changed */
	char **changed; /* owned */
	size_t n_changed;
};

/* For a container without PCI devices nothing is changed: ret is empty. */
int pci_env_translate(char *const *vars, size_t n, const struct device_set *set,
	struct pci_env *ret, struct err *err) must_check;
void pci_env_fini(struct pci_env *env);
