/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that peers share: nobody can take it all, and nobody is left without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "base/clock.h"
#include "ttrpc_peer.h"
#include "wire/budget.h"
#include "wire/ttrpc_conn.h"

enum { KIB = 1 << 10, MAX_PEERS = 40 };

/* Another connection to the server of f. */
static struct frames connect_another(struct fixture *f)
{
	struct frames peer;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(ttrpc_server_add(f->server, fds[0]), 0);
	frames_init(&peer, fds[1]);
	return peer;
}

/* What f sends and receives is the other's from now on, until it is called again. */
static void swap_peer(struct fixture *f, struct frames *other)
{
	struct frames mine = f->peer;

	f->peer = *other;
	*other = mine;
}

static void expect_alive_too(struct fixture *f, struct frames *other, uint32_t stream)
{
	swap_peer(f, other);
	expect_alive(f, stream);
	swap_peer(f, other);
}

static void a_reserve_is_not_taken_from_others(void **state)
{
	struct message_budget all = {.limit = 100};
	struct message_budget a = {.limit = 150, .reserve = 50, .parent = &all}, b = a;

	(void)state;
	assert_true(budget_charge(&a, 50));
	assert_int_equal(all.used, 0);
	assert_true(budget_charge(&a, 100));
	assert_int_equal(all.used, 100);
	assert_false(budget_charge(&a, 1));
	/* Nothing is left, but for what is its own. */
	assert_false(budget_charge(&b, 51));
	assert_true(budget_charge(&b, 50));
	assert_false(budget_charge(&b, 1));
	assert_int_equal(b.used, 50);
	budget_discharge(&a, 30);
	assert_int_equal(all.used, 70);
	assert_true(budget_charge(&b, 30));
	budget_discharge(&b, 80);
	budget_discharge(&a, 120);
	assert_int_equal(all.used + a.used + b.used, 0);
}

static void what_is_there_is_charged_past_the_limit(void **state)
{
	struct message_budget all = {.limit = 100};
	struct message_budget a = {.limit = 1000, .reserve = 50, .parent = &all}, b = a;
	size_t charged = 0;

	(void)state;
	budget_recharge(&a, &charged, 150);
	assert_false(budget_is_over(&a));
	budget_recharge(&a, &charged, 151);
	assert_true(budget_is_over(&a));
	/* b has not drawn on what is used up. */
	assert_true(budget_charge(&b, 50));
	assert_false(budget_is_over(&b));
	budget_recharge(&a, &charged, 1001);
	assert_int_equal(charged, 1001);
	budget_recharge(&a, &charged, 0);
	assert_int_equal(all.used, 0);
	assert_false(budget_is_over(&a));
}

static void calls_in_flight_cost_memory(void **state)
{
	struct fixture *f = *state;
	struct frames other;
	uint32_t stream = 1;

	start(f, (struct ttrpc_server_config){
			 .shared_budget = 100 * KIB, .connection_reserve = 20 * KIB});
	other = connect_another(f);
	do {
		send_request(f, stream, wait_process);
		run(f);
		stream += 2;
	} while (f->n_parked == stream / 2);
	assert_true(next_response(f));
	assert_int_equal(f->stream, stream - 2);
	assert_int_equal(f->status, WIRE_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(f->text, "more memory than a peer may use"));
	assert_in_range(f->n_parked, 100, 300);
	/* The first client is out of memory, others are not. */
	for (uint32_t i = 0; i < 50; i++)
		expect_alive_too(f, &other, 2 * i + 1);
	close_peer(f);
	run_until(f, &f->n_cancelled, f->n_parked);
	drop_parked(f);
	run(f);
	f->peer = other;
	f->peer_open = true;
	expect_alive(f, 1001);
}

static void start_large_frames(struct fixture *f, struct frames *peers, size_t n)
{
	static const uint8_t half[64 * KIB];

	for (size_t i = 0; i < n; i++) {
		peers[i] = connect_another(f);
		swap_peer(f, &peers[i]);
		send_header(f, 128 * KIB, 1, TTRPC_REQUEST);
		send_bytes(f, half, sizeof(half));
		run(f);
		swap_peer(f, &peers[i]);
	}
}

static void large_frames_in_part_share_memory(void **state)
{
	struct fixture *f = *state;
	struct frames peers[MAX_PEERS];
	size_t n_refused = 0;

	start(f, (struct ttrpc_server_config){
			 .shared_budget = 1024 * KIB, .connection_reserve = 20 * KIB});
	start_large_frames(f, peers, MAX_PEERS);
	for (int i = 0; i < 10; i++)
		run(f);
	assert_in_range(f->server->budget.used, 512 * KIB, 1400 * KIB);
	for (size_t i = 0; i < MAX_PEERS; i++) {
		static const uint8_t rest[64 * KIB];

		swap_peer(f, &peers[i]);
		send_bytes(f, rest, sizeof(rest));
		assert_true(next_response(f));
		/* Zeros are no request. */
		if (f->status != WIRE_RESOURCE_EXHAUSTED)
			assert_int_equal(f->status, WIRE_INVALID_ARGUMENT);
		else
			n_refused++;
		assert_int_equal(f->stream, 1);
		expect_alive(f, 3);
		swap_peer(f, &peers[i]);
	}
	assert_in_range(n_refused, MAX_PEERS / 4, MAX_PEERS - 1);
	for (size_t i = 0; i < MAX_PEERS; i++)
		frames_fini(&peers[i]);
	for (int i = 0; i < 10; i++)
		run(f);
	assert_int_equal(f->server->budget.used, 0);
	expect_alive(f, 1);
}

static void who_has_most_goes_when_answers_find_no_memory(void **state)
{
	struct fixture *f = *state;
	Grpc__Metrics reply = GRPC__METRICS__INIT;
	static char text[400 * KIB];
	struct frames other;

	start(f, (struct ttrpc_server_config){
			 .shared_budget = 1024 * KIB, .connection_reserve = 20 * KIB});
	other = connect_another(f);
	memset(text, 'x', sizeof(text) - 1);
	reply.metrics = text;
	for (uint32_t i = 0; i < 8; i++)
		send_request(f, 2 * i + 1, wait_process);
	run_until(f, &f->n_parked, 8);
	for (size_t i = 0; i < 8; i++) {
		ttrpc_call_reply(f->parked[i], &reply.base);
		f->parked[i] = NULL;
		/* Two find room, one is one too many; what comes then is not kept. */
		assert_true(f->server->budget.used < 2048 * KIB);
	}
	expect_alive_too(f, &other, 1);
	while (next_response(f))
		;
	run(f);
	assert_int_equal(f->server->budget.used, 0);
	expect_alive_too(f, &other, 3);
	frames_fini(&other);
}

/* Its answers are larger than what a socket takes at once. */
static void a_peer_that_reads_stays_when_others_have_taken_all(void **state)
{
	struct fixture *f = *state;
	struct frames other;
	uint32_t n = 0;

	start(f, (struct ttrpc_server_config){
			 .shared_budget = 1024 * KIB, .connection_reserve = 20 * KIB});
	other = connect_another(f);
	f->drops_on_cancel = true;
	do
		send_request(f, 2 * n++ + 1, wait_process), run(f);
	while (f->n_parked == n);
	swap_peer(f, &other);
	f->reply_size = 300 * KIB;
	for (uint32_t i = 0; i < 20; i++) {
		send_request(f, 2 * i + 1, metrics);
		assert_true(next_response(f));
		assert_int_equal(f->status, WIRE_OK);
		assert_true(f->payload_len > f->reply_size);
	}
	swap_peer(f, &other);
	frames_fini(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reserve_is_not_taken_from_others),
		cmocka_unit_test(what_is_there_is_charged_past_the_limit),
		TEST(calls_in_flight_cost_memory),
		TEST(large_frames_in_part_share_memory),
		TEST(who_has_most_goes_when_answers_find_no_memory),
		TEST(a_peer_that_reads_stays_when_others_have_taken_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
