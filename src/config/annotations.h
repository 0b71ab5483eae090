/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a pod's annotations, io.katacontainers.config.*, change about the configuration of its
 * sandbox. They come from the pod's author, whom the host does not trust:
 *
 * - Which there are, and what each may be, stands in the table of keys (keys.h): all that can
 *   touch the host needs a regular expression in enable_annotations that is found in its name (in
 *   any part of it, as upstream has it). One that is not enabled, that nobody knows, or that is
 *   never heeded changes nothing and is told as a warning; what is enabled and wrong is an error.
 * - A path of the host must be allowed too: it exists and is, links resolved, what one of the glob
 *   patterns in its valid_* list finds, or for the guest's kernel, initrd, image and firmware in
 *   the directory of the configured ones. One that is not enabled or not allowed is an error.
 * - None becomes an argument of a program, or several: values are single words of known form.
 *
 * docs/annotations.md is the reference.
 */
#include "config/config.h"

/* Of the sandbox's container; borrowed. */
struct config_annotation {
	const char *key, *value;
};

/* Warnings are added to config's. After a failure config is to be thrown away. Looks at the
 * machine's files (globs, links) and memory. */
int config_apply_annotations(struct config *config, const struct config_annotation *list, size_t n,
	struct err *err) must_check;

/* For the reference: annotations that belong to no key. NULL name ends the list. */
struct annotation_without_key {
	const char *name, *meaning;
};
extern const struct annotation_without_key annotations_without_key[];
