/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Uevents: what the kernel tells of devices that come and go (NETLINK_KOBJECT_UEVENT).
 *
 * Processes may send into the same multicast group, so only what the kernel itself sent is taken:
 * sender port 0 and the credentials of nobody's process.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

enum {
	/* The kernel's own bound (UEVENT_BUFFER_SIZE) is 2,048 bytes of variables, and the header
	 * before them is a path. */
	UEVENT_MAX = 8192,
};

/* Strings are borrowed from the text that was parsed; NULL: not said. */
struct uevent {
	const char *action;    /* "add", "remove", "change", ... */
	const char *devpath;   /* below /sys: "/devices/...", without ".." */
	const char *subsystem; /* "block" */
	const char *devname;   /* below /dev, relative, without "..": "vda", "vfio/3" */
	const char *interface; /* of the network: "eth0" */
	int64_t major, minor;  /* -1: not said */
};

/*
 * Variables ("ACTION=add"), each ended by separator: '\0' in messages, '\n' in sysfs's "uevent"
 * files. Ends them with NULs in place; text[len] must be writable. Unknown variables are passed
 * over; -EINVAL for bytes that are not UTF-8, a variable of ours that comes twice, and a path or
 * number that is none.
 */
int uevent_parse_variables(char *text, size_t len, char separator, struct uevent *ret) must_check;
/* A message: "add@/devices/...", then variables, each with its NUL. Needs ACTION and DEVPATH. */
int uevent_parse_message(char *text, size_t len, struct uevent *ret) must_check;

/* A non-blocking socket that is told of every device from now on; or -errno. */
int uevent_open(void) must_check;
/*
 * 1 and an event, whose strings are in buf; 0 for a message that is not the kernel's or makes no
 * sense. -EAGAIN: none waits; -ENOBUFS: some were lost, so that one must look for oneself.
 */
int uevent_receive(int fd, char buf[static UEVENT_MAX + 1], struct uevent *ret) must_check;
