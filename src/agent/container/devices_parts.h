/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What devices.c and devices_bind.c share. */
#include "base/err.h"
#include "oci.pb-c.h"

/* The character devices that every container has. */
struct devices_default {
	char name[8];
	unsigned char major, minor;
};
extern const struct devices_default devices_defaults[];
extern const size_t devices_n_defaults;

/* fd, stdin, ..., in a /dev. */
int devices_make_links(int dev_fd, struct err *err) must_check;
/* One of the spec, as a node. */
int devices_make_listed(int dev_fd, const Grpc__LinuxDevice *d, struct err *err) must_check;
