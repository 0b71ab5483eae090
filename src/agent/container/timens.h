/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The container's own time namespace (time_namespaces(7)). */
#include "base/err.h"
#include "oci.pb-c.h"

/*
 * To be called when a new one has been made by unshare(2), which is for the children of the caller:
 * sets the offsets of its clocks (NULL: none) and enters it. Needs the guest's /proc.
 */
int timens_enter_new(const Grpc__LinuxTimeOffsets *offsets, struct err *err) must_check;
