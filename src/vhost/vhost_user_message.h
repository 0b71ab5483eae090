/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * vhost-user messages as the back end receives them (QEMU, docs/interop/vhost-user.rst): a header
 * of 12 bytes, a payload, file descriptors as ancillary data. Integers are in the machine's own
 * order.
 *
 * A complete message has been checked against what its request allows: version, size of the
 * payload, number of file descriptors. What the payload says has not.
 */
#include <stdbool.h>

#include "base/err.h"
#include "linux/jail.h"

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
};

/* Bit numbers. */
enum { VHOST_USER_F_PROTOCOL_FEATURES = 30 };
enum {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
};

enum {
	VHOST_USER_VERSION = 1,
	VHOST_USER_VERSION_MASK = 3,
	VHOST_USER_FLAG_REPLY = 4,
	VHOST_USER_FLAG_NEED_REPLY = 8,
};

/* In SET_VRING_KICK, _CALL and _ERR: the queue, and that there is no fd. */
enum { VHOST_USER_VRING_MASK = 0xff, VHOST_USER_VRING_NO_FD = 0x100 };

enum {
	VHOST_USER_REGIONS_MAX = 8, /* without CONFIGURE_MEM_SLOTS, which is not offered */
	VHOST_USER_FDS_MAX = VHOST_USER_REGIONS_MAX,
	VHOST_USER_CONFIG_MAX = 256,
};

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct vhost_user_vring_state {
	uint32_t index, num;
};

struct vhost_user_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail; /* addresses in the front end's process */
	uint64_t log;
};

struct vhost_user_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;	 /* where the front end's process has it */
	uint64_t offset; /* in the file */
};

struct vhost_user_mem_table {
	uint32_t n_regions, padding;
	struct vhost_user_region regions[VHOST_USER_REGIONS_MAX];
};

struct vhost_user_config {
	uint32_t offset, size, flags;
	uint8_t bytes[VHOST_USER_CONFIG_MAX];
};

struct vhost_user_message {
	struct vhost_user_header header;
	union {
		uint64_t u64;
		struct vhost_user_vring_state state;
		struct vhost_user_vring_addr addr;
		struct vhost_user_mem_table mem;
		struct vhost_user_config config;
	} payload;		     /* zero behind header.size */
	int fds[VHOST_USER_FDS_MAX]; /* owned; -1 where taken */
	size_t n_fds;
};

/* A message that is being received; a zeroed one is empty. */
struct vhost_user_receiver {
	struct vhost_user_message message;
	size_t n_received; /* bytes of header and payload */
};

/*
 * Reads what the socket has, without waiting. 1: r->message is complete; 0: more must come first;
 * -ENODATA: the peer has closed between two messages; other -errno with err set. After 1 call
 * vhost_user_receiver_next() before receiving again.
 */
int vhost_user_receive(int fd, struct vhost_user_receiver *r, struct err *err) must_check;
/* Closes the fds that were not taken and begins anew. Also the end of a receiver's life. */
void vhost_user_receiver_next(struct vhost_user_receiver *r);

/* Moves the only fd out of the message; -1 if it has none. */
int vhost_user_take_fd(struct vhost_user_message *m);

/* Sends m with header.size bytes of payload as the reply to its request. */
int vhost_user_reply(int fd, struct vhost_user_message *m, struct err *err) must_check;
/* Whether the request has a reply of its own (and so needs no acknowledgement). */
bool vhost_user_has_reply(uint32_t request);
/* "SET_MEM_TABLE"; "unknown request". */
const char *vhost_user_request_name(uint32_t request);

extern const struct jail_rule vhost_user_message_rules[];
