/* SPDX-License-Identifier: Apache-2.0 */
/* The health check against an agent that runs on the same loop, with a clock that can jump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"
#include "health.pb-c.h"
#include "runtime/health.h"
#include "wire/dial.h"
#include "wire/ttrpc_server.h"

enum { STEP_MS = 2, LIMIT_S = 20, HEALTH_LIMIT_MS = 90000, PERIOD_S = 30, MAX_PARKED = 4 };

struct fixture {
	struct loop *loop;
	struct ttrpc_server *server;
	struct agent *agent;
	struct health *health;
	struct config_agent config;
	char dir[32], address[64];

	bool hangs, fails;
	struct ttrpc_call *parked[MAX_PARKED]; /* checks that hang */
	size_t n_parked;
	size_t n_checks, n_connected, n_failed, n_lost;
	bool frees;
	struct err why;
};

static int64_t clock_shift_ns;
int64_t __real_clock_now_ns(void);
int64_t __wrap_clock_now_ns(void);

int64_t __wrap_clock_now_ns(void)
{
	return __real_clock_now_ns() + clock_shift_ns;
}

static void on_check(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;
	struct fixture *f = user;
	struct err err = ERR_INIT;

	(void)request;
	f->n_checks++;
	if (f->hangs) {
		assert_true(f->n_parked < MAX_PARKED);
		f->parked[f->n_parked++] = call;
		return;
	}
	err_set(&err, EIO, "no disk");
	if (f->fails)
		ttrpc_call_fail(call, &err);
	else
		ttrpc_call_reply(call, &reply.base);
}

static const struct ttrpc_method methods[] = {
	{"grpc.Health", "Check", &grpc__check_request__descriptor, on_check},
};

static void on_connected(void *data, const struct err *err)
{
	struct fixture *f = data;

	assert_null(err);
	f->n_connected++;
}

static void on_lost(void *data, const struct err *why)
{
	struct fixture *f = data;

	assert_non_null(why);
	f->n_lost++;
}

static void on_failed(void *data, const struct err *why)
{
	struct fixture *f = data;

	f->n_failed++;
	f->why = *why;
	if (!f->frees)
		return;
	health_free(f->health);
	f->health = NULL;
}

static void run_until(struct fixture *f, const size_t *counter, size_t n)
{
	int64_t deadline_ns = __real_clock_now_ns() + LIMIT_S * NS_PER_S;

	while (*counter < n && __real_clock_now_ns() < deadline_ns)
		assert_int_equal(loop_run_once(f->loop, STEP_MS * NS_PER_MS), 0);
	assert_int_equal(*counter, n);
}

/* Long enough for everything that can happen without further input. */
static void settle(struct fixture *f)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_run_once(f->loop, NS_PER_MS), 0);
}

static void pass(struct fixture *f, int64_t ns)
{
	clock_shift_ns += ns;
	settle(f);
}

static void start_health(struct fixture *f)
{
	assert_int_equal(health_new(f->loop, f->agent, &f->config, on_failed, f, &f->health), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ttrpc_server_config server = {
		.methods = methods, .n_methods = ARRAY_SIZE(methods), .user = f};
	struct agent_config agent = {.address = f->address,
		.config = &f->config,
		.deadline_ns = INT64_MAX,
		.connected = on_connected,
		.lost = on_lost,
		.data = f};
	int fd;

	clock_shift_ns = 0;
	f->config = (struct config_agent){.dial_timeout_ms = 10,
		.create_container_timeout_s = 60,
		.health_check_request_timeout_ms = HEALTH_LIMIT_MS};
	snprintf(f->dir, sizeof(f->dir), "/tmp/test_health.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->address, sizeof(f->address), "unix://%s/agent", f->dir);
	assert_int_equal(loop_new(&f->loop), 0);
	fd = dial_listen(f->address, NULL);
	assert_int_equal(ttrpc_server_new(f->loop, fd, &server, &f->server), 0);
	assert_int_equal(agent_new(f->loop, &agent, &f->agent, NULL), 0);
	run_until(f, &f->n_connected, 1);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	health_free(f->health);
	agent_free(f->agent);
	ttrpc_server_free(f->server);
	while (f->n_parked > 0)
		ttrpc_call_drop(f->parked[--f->n_parked]);
	loop_free(f->loop);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

static void the_period_is_a_third_of_the_limit(void **state)
{
	static const struct {
		uint32_t limit_ms;
		int64_t period_ns;
	} rows[] = {
		{HEALTH_LIMIT_MS, 30 * NS_PER_S},
		{3000, NS_PER_S},
		{UINT32_MAX, 30 * NS_PER_S},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		f->n_checks = 0;
		f->config.health_check_request_timeout_ms = rows[i].limit_ms;
		start_health(f);
		pass(f, rows[i].period_ns - NS_PER_S / 2);
		assert_int_equal(f->n_checks, 0);
		pass(f, NS_PER_S / 2);
		run_until(f, &f->n_checks, 1);
		settle(f);
		pass(f, rows[i].period_ns);
		run_until(f, &f->n_checks, 2);
		health_free(f->health);
		f->health = NULL;
	}
	assert_int_equal(f->n_failed, 0);
}

static void silence_is_found_and_told_once(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->hangs = true;
	pass(f, PERIOD_S * NS_PER_S);
	run_until(f, &f->n_checks, 1);
	pass(f, (HEALTH_LIMIT_MS - 1000) * NS_PER_MS);
	assert_int_equal(f->n_failed, 0);
	pass(f, NS_PER_S);
	run_until(f, &f->n_failed, 1);
	assert_int_equal(f->why.code, ETIMEDOUT);
	assert_non_null(strstr(f->why.msg, "health check"));
	assert_non_null(strstr(f->why.msg, "no answer within 90000 ms"));
	pass(f, 1000 * NS_PER_S);
	assert_int_equal(f->n_checks, 1);
	assert_int_equal(f->n_failed, 1);
}

static void an_answer_just_in_time_is_good(void **state)
{
	struct fixture *f = *state;
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	start_health(f);
	f->hangs = true;
	pass(f, PERIOD_S * NS_PER_S);
	run_until(f, &f->n_checks, 1);
	pass(f, (HEALTH_LIMIT_MS - 1000) * NS_PER_MS);
	f->hangs = false;
	ttrpc_call_reply(f->parked[--f->n_parked], &reply.base);
	settle(f);
	pass(f, PERIOD_S * NS_PER_S);
	run_until(f, &f->n_checks, 2);
	assert_int_equal(f->n_failed, 0);
}

/* All of the limit and more passed between two turns of our loop. */
static void our_own_sleep_is_not_the_guests(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->hangs = true;
	pass(f, PERIOD_S * NS_PER_S);
	run_until(f, &f->n_checks, 1);
	clock_shift_ns += 2 * HEALTH_LIMIT_MS * NS_PER_MS;
	run_until(f, &f->n_checks, 2);
	assert_int_equal(f->n_failed, 0);
	/* Asked again, and still nothing. */
	pass(f, HEALTH_LIMIT_MS * NS_PER_MS);
	run_until(f, &f->n_failed, 1);
}

static void an_error_is_a_failure(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->fails = f->frees = true;
	pass(f, PERIOD_S * NS_PER_S);
	run_until(f, &f->n_failed, 1);
	assert_non_null(strstr(f->why.msg, "no disk"));
}

static void a_hang_up_is_told_by_the_agent_alone(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->hangs = true;
	pass(f, PERIOD_S * NS_PER_S);
	run_until(f, &f->n_checks, 1);
	ttrpc_server_free(f->server);
	f->server = NULL;
	run_until(f, &f->n_lost, 1);
	settle(f);
	assert_int_equal(f->n_failed, 0);
}

static void it_may_end_while_a_check_is_under_way(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->hangs = true;
	pass(f, PERIOD_S * NS_PER_S);
	run_until(f, &f->n_checks, 1);
	health_free(f->health);
	f->health = NULL;
	pass(f, 2 * HEALTH_LIMIT_MS * NS_PER_MS);
	assert_int_equal(f->n_failed, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_period_is_a_third_of_the_limit),
		TEST(silence_is_found_and_told_once),
		TEST(an_answer_just_in_time_is_good),
		TEST(our_own_sleep_is_not_the_guests),
		TEST(an_error_is_a_failure),
		TEST(a_hang_up_is_told_by_the_agent_alone),
		TEST(it_may_end_while_a_check_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
