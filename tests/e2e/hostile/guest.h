/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the parts of the hostile guest (agent.c) share. */
#include <stddef.h>
#include <stdint.h>

/* A listening vsock socket, or -1. */
int guest_listen(unsigned port);
/* False: the other end has gone. */
int guest_write(int fd, const void *p, size_t len);
int guest_read(int fd, void *p, size_t len);

/*
 * Puts garbage into the vsock device's queues for some seconds, by way of the device's registers
 * and its own memory, past the kernel, which has it before and after. Prints the seed. An odd seed
 * sets the queues up in order and fills them with garbage; an even one tells nonsense at the set-up
 * already, which ends vsockd soon.
 */
void guest_torture_rings(uint64_t seed, unsigned seconds);
