/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * mount(2) reads one page of options. An overlay of many layers, whose directories mostly stand beside
 * each other, needs more; but their paths may be relative to the working directory of who mounts it.
 */
#include "base/buf.h"

/*
 * lowerdir's paths relative to a directory that is above all of them: options with them are appended to
 * *ret, that directory to *ret_dir. -EINVAL: there is no lowerdir, it has paths that are not absolute,
 * or a backslash (an escape) is somewhere; then both are as before.
 */
int overlay_options_shorten(const char *options, struct buf *ret, struct buf *ret_dir) must_check;
