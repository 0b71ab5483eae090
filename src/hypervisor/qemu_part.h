/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One part of a QEMU machine (a disk's back end, a network device, ...): an option of the command line
 * before the machine runs, a QMP command while it does. It is described once, as properties, and
 * written in either form:
 *
 *	qemu_part_init(&part, QEMU_PART_NETDEV, "net1");
 *	qemu_part_put(&part, "type", "tap");
 *	qemu_part_put(&part, "id", "%s", "net1");
 *	qemu_part_put_fds(&part, "fds", fds, 2);
 *
 *	-netdev tap,id=net1,fds=3:4
 *	{"type":"tap","id":"net1","fds":"net1.0:net1.1"}
 *
 * The first property is printed without its key: it is the one that QEMU takes for granted. A key
 * with dots is a member of a member in QMP; keys of one member must follow each other. A part owns its
 * fds until they are taken. Failures stick and are told by the functions that write.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { QEMU_PART_PROPERTIES_MAX = 16, QEMU_PART_FDS_MAX = 16, QEMU_PART_ID_SIZE = 48 };

enum qemu_part_kind {
	QEMU_PART_FD_SET, /* has one fd, which goes with the command itself */
	QEMU_PART_OBJECT,
	QEMU_PART_CHARDEV,
	QEMU_PART_BLOCKDEV,
	QEMU_PART_NETDEV,
	QEMU_PART_DEVICE,
	QEMU_PART_KIND_COUNT,
};

/* Who sees a property. */
enum qemu_part_form { QEMU_PART_OPTION = 1, QEMU_PART_COMMAND = 2, QEMU_PART_BOTH = 3 };

struct qemu_property {
	const char *key; /* static */
	uint8_t type;	 /* of qemu_part.c */
	uint8_t form;
	uint8_t first_fd, n_fds;
	union {
		char *text; /* owned */
		uint64_t number;
	} u;
};

struct qemu_part {
	enum qemu_part_kind kind;
	char id[QEMU_PART_ID_SIZE]; /* what undoing it names it by */
	struct qemu_property properties[QEMU_PART_PROPERTIES_MAX];
	size_t n_properties;
	int fds[QEMU_PART_FDS_MAX]; /* owned; -1 once taken */
	size_t n_fds;
	int error;
};

void qemu_part_init(struct qemu_part *part, enum qemu_part_kind kind, const char *id);
void qemu_part_fini(struct qemu_part *part);

void qemu_part_put(struct qemu_part *part, const char *key, const char *fmt, ...) printf_like(3, 4);
void qemu_part_put_number(struct qemu_part *part, const char *key, uint64_t n);
void qemu_part_put_bool(struct qemu_part *part, const char *key, bool b);
/* Takes the fds over, also on failure. */
void qemu_part_put_fds(struct qemu_part *part, const char *key, const int *fds, size_t n);
/* The property that was put last is for this form only. */
void qemu_part_only(struct qemu_part *part, enum qemu_part_form form);

/* As an option's value; fds[i] is known to QEMU as first_fd + i. A comma in a value is doubled. */
int qemu_part_format(const struct qemu_part *part, int first_fd, struct buf *out) must_check;
/* "-device". */
const char *qemu_part_option(const struct qemu_part *part);

/* As a QMP command and its arguments, a JSON object. */
const char *qemu_part_command(const struct qemu_part *part);
int qemu_part_encode(const struct qemu_part *part, struct buf *out) must_check;
/* The name by which fds[i] has to be handed over before the command (getfd). */
int qemu_part_encode_fd(const struct qemu_part *part, size_t i, struct buf *out) must_check;
/* What takes the part away again. */
const char *qemu_part_undo_command(const struct qemu_part *part);
int qemu_part_encode_undo(const struct qemu_part *part, struct buf *out) must_check;
