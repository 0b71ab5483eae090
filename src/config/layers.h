/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From the texts (configuration.toml, then its drop-ins, which override it) to the struct config.
 */
#include "config/config.h"
#include "text/value.h"

/* docs: the last one that has a key decides it, whatever its type elsewhere. Borrowed. */
struct config_layers {
	struct document *const *docs;
	size_t n;
};

/* Checks and takes over every known key, notes the others. file: what config->file becomes. */
int config_from_layers(const char *file, const struct config_layers *layers, struct config **ret,
	struct err *err) must_check;

/* A line for config->warnings, of which there are only so many: more are dropped. -ENOMEM. */
int config_add_warning(struct config *config, const char *fmt, ...) printf_like(2, 3) must_check;
