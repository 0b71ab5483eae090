/* SPDX-License-Identifier: Apache-2.0 */
/* Host directories that are shared under a tag: storage_mount_fs() does it all. */
#include "agent/storage/driver.h"

const struct storage_driver storage_virtio_fs = {.name = "virtio-fs"};
const struct storage_driver storage_9p = {.name = "9p"};
