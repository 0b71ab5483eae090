/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Whether an OCI spec makes sense, before anything is made for it: what is missing, unknown or
 * contradicts itself is refused with the place and the value, as
 * `config.json: process.capabilities.bounding[2]: unknown capability "CAP_FOO"`. What depends on
 * the guest (its kernel's system calls, its devices) is left to the agent.
 *
 * what names the text in messages ("config.json", "process").
 */
#include "base/err.h"
#include "oci.pb-c.h"

/* -EINVAL with a message if something is wrong; process and root must be there. */
int oci_spec_validate(const Grpc__Spec *spec, const char *what, struct err *err) must_check;

/* The same for one process; path stands before its members' names: "process." or "". */
int oci_process_validate(const Grpc__Process *process, const char *what, const char *path,
	struct err *err) must_check;

/* And for the limits alone, as Update brings them; path as above ("linux.resources." or ""). */
int oci_resources_validate(const Grpc__LinuxResources *resources, const char *what,
	const char *path, struct err *err) must_check;
