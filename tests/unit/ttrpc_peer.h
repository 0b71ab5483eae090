/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A server, some methods, and a peer whose every byte the test writes: what the tests of the ttRPC
 * server share. Server and peer run on one thread: nothing is received before run() or a function
 * that says so.
 */
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "ttrpc.pb-c.h"
#include "wire/frames.h"
#include "wire/message.h"
#include "wire/status.h"
#include "wire/ttrpc_server.h"

struct fixture {
	struct loop *loop;
	struct ttrpc_server *server;
	struct frames peer; /* our end of the connection */
	bool peer_open;
	bool holds_back; /* what is sent is collected in held: one large piece fits a socket better
			  */
	struct buf held;
	struct ttrpc_call *
		*parked; /* by WaitProcess and CreateContainer; NULL: ended by the test */
	size_t n_parked, n_handled, n_cancelled, n_flushed;
	size_t reply_size;    /* of GetMetrics */
	char metadata[64];    /* "traceparent" of the last Check */
	bool frees_server;    /* Check and on_flushed do */
	bool drops_on_cancel; /* parked calls end when they are cancelled */
	/* The last response that was read. */
	uint32_t stream;
	int32_t status;
	bool has_status;
	char text[256];
	size_t payload_len;
};

/* With and without a server that has the default limits. */
int set_up_started(void **state);
int set_up(void **state);
int tear_down(void **state);
#define STARTED(name) cmocka_unit_test_setup_teardown(name, set_up_started, tear_down)
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A server with our methods, and the peer connected to it. */
void start(struct fixture *f, struct ttrpc_server_config config);
/* The same over a listener, which is at the address. */
void start_listening(struct fixture *f, struct sockaddr_un *ret_address, socklen_t *ret_len);
void fill_methods(struct ttrpc_server_config *config, struct fixture *f);
void close_peer(struct fixture *f);
/* Ends what the handlers have parked. */
void drop_parked(struct fixture *f);
void on_cancel(void *fixture);

/* One round of the loop; rounds until *n is want (a test that does not get there fails). */
void run(struct fixture *f);
void run_until(struct fixture *f, const size_t *n, size_t want);

struct request {
	const char *service, *method;
	struct slice payload;
	int64_t timeout_ns;
	const char *const *metadata; /* key, value, ..., NULL */
};
extern const struct request check, wait_process, metrics;

/* All of it; the server runs while the socket is full. */
void send_bytes(struct fixture *f, const void *p, size_t len);
void send_header(struct fixture *f, uint32_t len, uint32_t stream, uint8_t type);
void send_frame(struct fixture *f, uint32_t stream, uint8_t type, struct slice payload);
void send_request(struct fixture *f, uint32_t stream, struct request r);
void send_held(struct fixture *f);

/* Runs until the next response is there, in f; false if the server hangs up instead. */
bool next_response(struct fixture *f);
void expect_response(struct fixture *f, uint32_t stream, int32_t status, const char *text);
/* The connection still answers Check. */
void expect_alive(struct fixture *f, uint32_t stream);
