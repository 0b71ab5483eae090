/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The guest's /etc/resolv.conf, as CreateSandbox wants it: a file of the sandbox's own that is mounted
 * over the image's, so that an image on a disk stays as it is. A guest without that file has nobody
 * who reads it; containers bring their own.
 */
#include "base/err.h"

/* In a job. The lines, without the blanks around them; none: nothing is done. */
int resolv_conf_mount(
	const char *run_dir, char *const *lines, size_t n_lines, struct err *err) must_check;
/* Takes the mount away, if it is the sandbox's. */
void resolv_conf_unmount(const char *run_dir);
