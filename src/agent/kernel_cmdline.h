/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kernel command line: split at ASCII white space, without quoting. Words that are not ours are
 * ignored.
 */
#include "agent/options.h"
#include "base/slice.h"

enum { KERNEL_CMDLINE_MAX = 64 << 10 };

/*
 * text: untrusted length and content. At agent.config_file=PATH parsing stops and *ret_config_file
 * is that path (the caller frees it), or NULL: what stands in the file then takes the place of the
 * whole command line.
 */
int kernel_cmdline_parse(
	struct options *o, struct slice text, char **ret_config_file, struct err *err) must_check;
