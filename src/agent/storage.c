/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage.h"

#include "base/own.h"

static char virtio_fs[] = "virtio-fs", ephemeral[] = "ephemeral";
static char *driver_names[] = {virtio_fs, ephemeral};

char **storage_driver_names(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(driver_names);
	return driver_names;
}
