/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A vsock device with a fake guest on one side and real unix sockets on the other. The guest's
 * packets are the test's own; nothing is answered by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "virtio/vsock.h"
#include "virtio/vsock_packet.h"
#include "virtio_driver.h"

enum { GUEST_CID = 3, GUEST_QUEUE_SIZE = 128, GUEST_RX_SIZE = 3776, GUEST_DIALS_MAX = 2048 };

struct guest {
	struct loop *loop;
	struct driver driver;
	struct driver_queue rx, tx;
	struct vsock *dev;
	char dir[32]; /* the listening socket is dir/s */
	int listen_fd;
	uint64_t rx_gpa[GUEST_QUEUE_SIZE]; /* by descriptor */
	uint64_t tx_gpa;		   /* 64 KiB + header of scratch */
	bool keep_buffers;		   /* received buffers are not given back */
	bool dial_refused;		   /* dial() returns -ECONNREFUSED */
	unsigned n_dials;
	uint32_t dial_port[GUEST_DIALS_MAX];
	uint64_t dial_id[GUEST_DIALS_MAX];
	unsigned n_interrupts, n_broken;
};

/* *state is the guest. Bare, it has posted no receive buffers: its driver has not come up. The clock
 * (fake_clock.h) is the machine's at first. */
int guest_set_up(void **state);
int guest_set_up_bare(void **state);
int guest_tear_down(void **state);
#define guest_test(name) cmocka_unit_test_setup_teardown(name, guest_set_up, guest_tear_down)
#define bare_guest_test(name) \
	cmocka_unit_test_setup_teardown(name, guest_set_up_bare, guest_tear_down)

/* Makes n more receive buffers available and kicks. */
void guest_post(struct guest *g, unsigned n);
/* Sends a packet: header fields not in h are filled in (cids, type). */
void guest_send(struct guest *g, struct vsock_header h, const void *payload);
/* Sends the header exactly as it is, with len bytes behind it. */
void guest_send_raw(struct guest *g, const struct vsock_header *h, const void *payload, size_t len);
/* The next packet to the guest; payload has room for GUEST_RX_SIZE. The buffer is posted again. */
bool guest_receive(struct guest *g, struct vsock_header *ret, void *payload);
/* The same, after running the loop as long as it has something to do. */
void guest_expect(struct guest *g, enum vsock_op op, struct vsock_header *ret);
/* No packet is there for the guest. */
void guest_expect_nothing(struct guest *g);
/* Handles every event that is ready. */
void guest_run(struct guest *g);

/* A host client that has said CONNECT (line) and nothing else happened yet. */
int guest_client(struct guest *g, const char *line);
/* A host client's open stream to guest port; *ret_port is the host's. */
int guest_open_from_host(struct guest *g, uint32_t port, uint32_t *ret_port);
/* The guest's open stream to a host port; returns the host's end. */
int guest_open_from_guest(struct guest *g, uint32_t guest_port, uint32_t host_port);

void guest_send_op(struct guest *g, enum vsock_op op, uint32_t guest_port, uint32_t host_port);
void guest_send_shutdown(struct guest *g, uint32_t guest_port, uint32_t host_port, uint32_t flags);
void guest_send_bytes(
	struct guest *g, uint32_t guest_port, uint32_t host_port, const void *p, size_t len);
/* Sends len bytes of a pattern, whether the host reads or not. */
void guest_fill(struct guest *g, uint32_t guest_port, uint32_t host_port, uint32_t len);

/* What the host's end reads now: bytes, or 0 at its end, or -errno. */
ssize_t host_read(int fd, void *p, size_t len);
void host_expect(int fd, const char *text);
void host_expect_end(struct guest *g, int fd);
/* Reads len bytes as guest_fill() sent them, letting the device go on meanwhile. */
void host_expect_filled(struct guest *g, int fd, uint32_t len);
