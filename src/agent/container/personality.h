/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* linux.personality: what kind of Linux the programs of a container believe to be on
 * (personality(2)). */
#include "base/err.h"
#include "oci.pb-c.h"

/* LINUX and LINUX32, and no flags, as the specification has it; sets INVALID_ARGUMENT. NULL: none. */
int personality_check(const Grpc__LinuxPersonality *personality, struct err *err) must_check;
/* Of the calling process and what it runs. NULL: stays. */
int personality_apply(const Grpc__LinuxPersonality *personality, struct err *err) must_check;
