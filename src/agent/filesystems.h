/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The file systems whose filling level is of interest: those on disks of the guest, and overlays
 * (ext4, xfs, btrfs, vfat, overlay). Each once, however often it is mounted; not those that are
 * read-only.
 */
#include <stddef.h>

/* A guest has some disks, and an overlay per container. */
enum { FILESYSTEMS_MAX = 256 };

struct filesystem {
	const char *mount_point; /* the three are borrowed from the text */
	const char *source;	 /* the last part of it: "sda1"; for none "major:minor" */
	const char *device;	 /* "major:minor" */
};

/* text: of a /proc/PID/mountinfo; cut up in place. Returns how many, at most FILESYSTEMS_MAX. */
size_t filesystems_list(char *text, struct filesystem ret[static FILESYSTEMS_MAX]);
