/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to fixture.c: what stands in for the agent's vsock. */
#include "fixture.h"

void fixture_make_ports(struct fixture *f);
