/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Loop devices as the disks that a host plugs in: the kernel tells of each that is added, as it does
 * of any other. Numbered by the test's pid, so that tests can run beside each other.
 */
#include <stdbool.h>

#include "fixture.h"

/* Of one test. */
enum { LOOP_DEVICES = 8 };

struct loop_device {
	int number;
	char node[32];
};

/* Whether this machine has them; says why not. */
bool loop_device_is_possible(void);
/* nth: of this test, from 0 to LOOP_DEVICES - 1. Not there yet. */
void loop_device_init(struct loop_device *d, int nth);
void loop_device_add(struct loop_device *d);
/* What is in the file, as a disk. Adds it first. */
void loop_device_show(struct loop_device *d, const char *path);
/* Empties and removes it, if it is there. */
void loop_device_fini(struct loop_device *d);

/* A file with an ext4 file system that holds what is in the directory. */
void loop_device_make_ext4(const char *path, const char *directory);
