/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the options of a Create say: the configuration file, where they name one. */
#include "config/config.h"
#include "any.pb-c.h"

/* Loads the configuration and logs its warnings; debug, as well as the configuration, turns the
 * log's level up. options may be NULL. */
int create_options_load_config(const Google__Protobuf__Any *options, bool debug,
	struct config **ret, struct err *err) must_check;
