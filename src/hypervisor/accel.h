/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whether this machine can run guests on its own CPU. */
#include <stdbool.h>

#include "base/slice.h"

/*
 * True if KVM works: the CPU shows vmx or svm (a /dev/kvm without them, as some hosts offer, cannot
 * run an unmodified guest) and a VM can be made.
 */
bool accel_has_kvm(void);

/* True if the "flags" line of a /proc/cpuinfo has vmx or svm. */
bool accel_parse_cpuinfo(struct slice cpuinfo);
