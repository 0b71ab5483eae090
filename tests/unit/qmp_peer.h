/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* QEMU's end of a QMP connection, played by a test line by line. */
#include <stdint.h>

#include "loop/loop.h"

struct qmp_peer {
	struct loop *loop; /* borrowed; one round of it follows whatever is said */
	int fd;		   /* owned by the test */
	uint64_t last_id;  /* of the command that was heard last */
};

/* ret_fd: the client's end. */
void qmp_peer_open(struct qmp_peer *p, struct loop *loop, int *ret_fd);
/* The client is ready afterwards. */
void qmp_peer_greet(struct qmp_peer *p);
void qmp_peer_say(struct qmp_peer *p, const char *text);
/* The next command, without its id, begins like this; a plus sign at the end stands for a descriptor
 * that comes with its first byte. */
void qmp_peer_expect(struct qmp_peer *p, const char *want);
void qmp_peer_expect_silence(struct qmp_peer *p);
/* To the last command: {}, something else, or an error. */
void qmp_peer_reply(struct qmp_peer *p);
void qmp_peer_answer(struct qmp_peer *p, const char *what);
void qmp_peer_refuse(struct qmp_peer *p, const char *class, const char *desc);
