/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A container's /etc/passwd, which its image's maker wrote. */
#include <stdint.h>

#include "base/slice.h"

enum { PASSWD_MAX = 1 << 20, PASSWD_HOME_MAX = 4096 };

/* The home directory of the first well-formed line with that uid (seven fields, a decimal uid
 * without sign or overflow, an absolute path). -ENOENT if there is none, -ENOMEM. */
int passwd_find_home(struct slice content, uint32_t uid, char **ret) must_check;
