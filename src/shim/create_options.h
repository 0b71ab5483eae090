/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the configuration of a sandbox is: the options of its Create name the file, where they name
 * one, and the annotations of its container override keys of it (config/annotations.h). */
#include "config/config.h"
#include "any.pb-c.h"
#include "oci.pb-c.h"

/* Loads the configuration and logs its warnings; debug, as well as the configuration, turns the
 * log's level up. options may be NULL; spec is the sandbox's own container's. */
int create_options_load_config(const Google__Protobuf__Any *options, const Grpc__Spec *spec,
	bool debug, struct config **ret, struct err *err) must_check;
