/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Private to src/wire: where an agent listens, as text. vsock://CID:PORT, hvsock://PATH:PORT,
 * unix://PATH, unix://@NAME. CID and PORT are decimal; -1 is any (VMADDR_CID_ANY).
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "base/err.h"

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_vm vm;
	} sa;
	socklen_t sa_len;
	bool is_hybrid;	      /* connect to sa, then ask for hybrid_port there */
	uint32_t hybrid_port; /* of the guest */
};

/* -EINVAL, err says what is wrong with which address. */
int address_parse(const char *text, struct address *ret, struct err *err) must_check;
