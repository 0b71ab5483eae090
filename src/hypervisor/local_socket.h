/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Unix sockets between the processes of one VM. All are close-on-exec stream sockets. A path may be
 * longer than an address holds (107 bytes): it is then reached through an fd of its directory.
 */
#include "base/own.h"

/* Both ends block; each goes to one process. */
int local_socket_pair(int *ret_a, int *ret_b) must_check;
/* Makes the socket dir/name, mode 0600, and listens. -EADDRINUSE if the name is taken. */
int local_socket_listen(const char *dir, const char *name) must_check;
/* Connects to a listening one; as the backlog takes it, this does not wait for accept(). */
int local_socket_connect(const char *dir, const char *name) must_check;
