/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What goes beyond single keys: values that stand for the host's, spellings, and keys that exclude
 * each other. Done for the files, and again once annotations have been applied. */
#include "config/keys.h"

/* The key that something is wrong with. */
struct settle_fault {
	enum key_section_id section;
	const char *key;
};

/* -EINVAL: *ret_fault says whose fault it is, err the rest. */
int config_settle(
	struct config *config, struct settle_fault *ret_fault, struct err *err) must_check;

/* The processors of this machine, as far as a VM can have them. */
uint32_t settle_host_cpus(void);
