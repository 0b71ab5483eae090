/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The socket a daemon serves containerd on: one per sandbox, at a path that `start`, `delete` and a
 * second `start` for the same sandbox all derive alike.
 */
#include <stdbool.h>

#include "base/err.h"

#define ADDRESS_DIR "/run/containerd/s"

/* "/run/containerd/s/" and 64 hexadecimal digits. */
enum { ADDRESS_PATH_SIZE = sizeof(ADDRESS_DIR) + 1 + 64 };

/* The path for a sandbox: SHA-256 of "<containerd's address>/<namespace>/<sandbox id>". */
void address_of(const char *containerd, const char *name_space, const char *id,
	char path[static ADDRESS_PATH_SIZE]);

/* Somebody listens there. (Whether it answers is another matter.) */
bool address_is_served(const char *path);
/*
 * The same, and after so long it still does. A process that was killed holds its sockets for a moment
 * after its memory, its /proc/PID/exe and its other connections have gone.
 */
bool address_stays_served(const char *path, int wait_ms);

/*
 * Listens on path, mode 0600, close-on-exec, in a directory that nobody else can look into: its mode
 * is 0700 from then on, whoever made it. -EPERM: it is somebody else's. A socket nobody serves is
 * replaced; -EADDRINUSE, with err unset, when somebody does.
 */
int address_listen(const char *path, int *ret_fd, struct err *err) must_check;

/* Removes the socket if nobody serves it. */
void address_remove_dead(const char *path);
