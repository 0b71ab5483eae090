/* SPDX-License-Identifier: Apache-2.0 */
/* The health check against an agent that runs on the same loop, with a clock that can jump. */
#include <errno.h>
#include <string.h>

#include "guest_rig.h"
#include "runtime/health.h"

enum { HEALTH_LIMIT_MS = 90000, PERIOD_S = 30, MAX_PARKED = 4 };

struct fixture {
	struct guest_rig rig;
	struct health *health;

	bool hangs, fails;
	struct ttrpc_call *parked[MAX_PARKED]; /* checks that hang */
	size_t n_parked;
	size_t n_checks, n_failed;
	bool frees;
	struct err why;
};

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

static void start_health(struct fixture *f)
{
	assert_int_equal(
		health_new(f->rig.loop, f->rig.agent, &f->rig.config, on_failed, f, &f->health), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_rig_init(&f->rig, methods, ARRAY_SIZE(methods), f);
	f->rig.config.health_check_request_timeout_ms = HEALTH_LIMIT_MS;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	health_free(f->health);
	while (f->n_parked > 0)
		ttrpc_call_reply(f->parked[--f->n_parked], NULL);
	guest_rig_fini(&f->rig);
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
		f->rig.config.health_check_request_timeout_ms = rows[i].limit_ms;
		start_health(f);
		pass(&f->rig, rows[i].period_ns - NS_PER_S / 2);
		assert_int_equal(f->n_checks, 0);
		pass(&f->rig, NS_PER_S / 2);
		run_until(&f->rig, &f->n_checks, 1);
		settle(&f->rig);
		pass(&f->rig, rows[i].period_ns);
		run_until(&f->rig, &f->n_checks, 2);
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
	pass(&f->rig, PERIOD_S * NS_PER_S);
	run_until(&f->rig, &f->n_checks, 1);
	pass(&f->rig, (HEALTH_LIMIT_MS - 1000) * NS_PER_MS);
	assert_int_equal(f->n_failed, 0);
	pass(&f->rig, NS_PER_S);
	run_until(&f->rig, &f->n_failed, 1);
	assert_int_equal(f->why.code, ETIMEDOUT);
	assert_non_null(strstr(f->why.msg, "health check"));
	assert_non_null(strstr(f->why.msg, "no answer within 90000 ms"));
	pass(&f->rig, 1000 * NS_PER_S);
	assert_int_equal(f->n_checks, 1);
	assert_int_equal(f->n_failed, 1);
}

static void an_answer_just_in_time_is_good(void **state)
{
	struct fixture *f = *state;
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	start_health(f);
	f->hangs = true;
	pass(&f->rig, PERIOD_S * NS_PER_S);
	run_until(&f->rig, &f->n_checks, 1);
	pass(&f->rig, (HEALTH_LIMIT_MS - 1000) * NS_PER_MS);
	f->hangs = false;
	ttrpc_call_reply(f->parked[--f->n_parked], &reply.base);
	settle(&f->rig);
	pass(&f->rig, PERIOD_S * NS_PER_S);
	run_until(&f->rig, &f->n_checks, 2);
	assert_int_equal(f->n_failed, 0);
}

/* All of the limit and more passed between two turns of our loop. */
static void our_own_sleep_is_not_the_guests(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->hangs = true;
	pass(&f->rig, PERIOD_S * NS_PER_S);
	run_until(&f->rig, &f->n_checks, 1);
	clock_shift_ns += 2 * HEALTH_LIMIT_MS * NS_PER_MS;
	run_until(&f->rig, &f->n_checks, 2);
	assert_int_equal(f->n_failed, 0);
	/* Asked again, and still nothing. */
	pass(&f->rig, HEALTH_LIMIT_MS * NS_PER_MS);
	run_until(&f->rig, &f->n_failed, 1);
}

static void an_error_is_a_failure(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->fails = f->frees = true;
	pass(&f->rig, PERIOD_S * NS_PER_S);
	run_until(&f->rig, &f->n_failed, 1);
	assert_non_null(strstr(f->why.msg, "no disk"));
}

static void a_hang_up_is_told_by_the_agent_alone(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->hangs = true;
	pass(&f->rig, PERIOD_S * NS_PER_S);
	run_until(&f->rig, &f->n_checks, 1);
	guest_hang_up(&f->rig);
	run_until(&f->rig, &f->rig.n_lost, 1);
	settle(&f->rig);
	assert_int_equal(f->n_failed, 0);
}

static void it_may_end_while_a_check_is_under_way(void **state)
{
	struct fixture *f = *state;

	start_health(f);
	f->hangs = true;
	pass(&f->rig, PERIOD_S * NS_PER_S);
	run_until(&f->rig, &f->n_checks, 1);
	health_free(f->health);
	f->health = NULL;
	pass(&f->rig, 2 * HEALTH_LIMIT_MS * NS_PER_MS);
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
