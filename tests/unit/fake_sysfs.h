/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A tree that looks like sysfs, in a temporary directory; and whoever writes into it. */
#include <stdbool.h>
#include <stddef.h>

enum { FAKE_SYSFS_PATH = 1024 };

struct fake_sysfs {
	char dir[64];
	int fd; /* O_PATH on it */
};

void fake_sysfs_init(struct fake_sysfs *s);
void fake_sysfs_fini(struct fake_sysfs *s);

/* Paths are relative to it; parents are made. */
void fake_sysfs_dir(struct fake_sysfs *s, const char *path);
void fake_sysfs_file(struct fake_sysfs *s, const char *path, const char *text);
/* A link as a class directory has them, to a directory of the tree. */
void fake_sysfs_link(struct fake_sysfs *s, const char *path, const char *to);
void fake_sysfs_remove(struct fake_sysfs *s, const char *path);
/* A device with a node: <devpath>/uevent, and block/<name> for a disk. */
void fake_sysfs_disk(struct fake_sysfs *s, const char *devpath, unsigned int major);
