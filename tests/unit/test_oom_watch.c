/* SPDX-License-Identifier: Apache-2.0 */
/* The news of containers out of memory, from an agent on the same loop; the clock can jump. */
#include <errno.h>
#include <stdio.h>

#include "guest_rig.h"
#include "runtime/oom_watch.h"
#include "wire/status.h"

enum { PACE_MS = 100 };

enum guest { PARKS, TELLS, FAILS, KNOWS_NO_SUCH_METHOD };

struct fixture {
	struct guest_rig rig;
	struct oom_watch *watch;

	enum guest guest;
	struct ttrpc_call *parked;
	char *cid; /* what the guest tells; NULL: no name */
	size_t n_asked, n_told;
	char told[16];
	bool frees;
};

static void tell(struct fixture *f, struct ttrpc_call *call)
{
	Grpc__OOMEvent reply = GRPC__OOMEVENT__INIT;

	reply.container_id = f->cid;
	ttrpc_call_reply(call, &reply.base);
}

static void on_asked(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct fixture *f = user;
	struct err err = ERR_INIT;

	(void)request;
	f->n_asked++;
	if (f->guest == PARKS) {
		assert_null(f->parked);
		f->parked = call;
		return;
	}
	if (f->guest == TELLS) {
		tell(f, call);
		return;
	}
	if (f->guest == FAILS)
		err_set(&err, EIO, "inotify: too many");
	else
		err_status(&err, ENOSYS, WIRE_UNIMPLEMENTED, "GetOOMEvent");
	ttrpc_call_fail(call, &err);
}

static const struct ttrpc_method methods[] = {
	GUEST_METHOD("GetOOMEvent", get_oomevent_request, on_asked),
};

static void on_told(void *data, const char *cid)
{
	struct fixture *f = data;

	snprintf(f->told, sizeof(f->told), "%s", cid);
	f->n_told++;
	if (!f->frees)
		return;
	oom_watch_free(f->watch);
	f->watch = NULL;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_rig_init(&f->rig, methods, ARRAY_SIZE(methods), f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	oom_watch_free(f->watch);
	if (f->parked)
		ttrpc_call_reply(f->parked, NULL);
	guest_rig_fini(&f->rig);
	free(f);
	return 0;
}

static void start(struct fixture *f, enum guest guest)
{
	static char c1[] = "c1";

	f->guest = guest;
	f->cid = c1;
	assert_int_equal(oom_watch_new(f->rig.loop, f->rig.agent, on_told, f, &f->watch), 0);
	run_until(&f->rig, &f->n_asked, 1);
}

static void one_question_waits_in_the_guest(void **state)
{
	struct fixture *f = *state;

	start(f, PARKS);
	pass(&f->rig, 3600 * NS_PER_S);
	assert_int_equal(f->n_asked, 1);
	assert_int_equal(f->n_told, 0);
	tell(f, f->parked);
	f->parked = NULL;
	run_until(&f->rig, &f->n_told, 1);
	assert_string_equal(f->told, "c1");
	pass(&f->rig, PACE_MS * NS_PER_MS);
	assert_int_equal(f->n_asked, 2);
	assert_non_null(f->parked);
}

static void a_guest_that_tells_without_end_is_asked_at_a_pace(void **state)
{
	struct fixture *f = *state;

	start(f, TELLS);
	run_until(&f->rig, &f->n_told, 1);
	settle(&f->rig);
	assert_int_equal(f->n_asked, 1);
	for (size_t i = 2; i < 10; i++) {
		pass(&f->rig, PACE_MS * NS_PER_MS);
		assert_int_equal(f->n_asked, i);
		assert_int_equal(f->n_told, i);
	}
}

static void an_event_without_a_name_is_told_as_such(void **state)
{
	struct fixture *f = *state;

	snprintf(f->told, sizeof(f->told), "x");
	start(f, PARKS);
	f->cid = NULL;
	tell(f, f->parked);
	f->parked = NULL;
	run_until(&f->rig, &f->n_told, 1);
	assert_string_equal(f->told, "");
}

static void a_guest_that_fails_is_asked_less_and_less(void **state)
{
	static const int64_t waits_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
	struct fixture *f = *state;

	start(f, FAILS);
	settle(&f->rig);
	for (size_t i = 0; i < ARRAY_SIZE(waits_s); i++) {
		pass(&f->rig, waits_s[i] * NS_PER_S - NS_PER_S / 2);
		assert_int_equal(f->n_asked, i + 1);
		pass(&f->rig, NS_PER_S / 2);
		assert_int_equal(f->n_asked, i + 2);
	}
	/* One that has mended its ways begins anew. */
	f->guest = TELLS;
	pass(&f->rig, 60 * NS_PER_S);
	assert_int_equal(f->n_told, 1);
	f->guest = FAILS;
	pass(&f->rig, PACE_MS * NS_PER_MS);
	f->n_asked = 0;
	pass(&f->rig, NS_PER_S);
	assert_int_equal(f->n_asked, 1);
}

static void an_older_agent_is_left_alone(void **state)
{
	struct fixture *f = *state;

	start(f, KNOWS_NO_SUCH_METHOD);
	settle(&f->rig);
	pass(&f->rig, 3600 * NS_PER_S);
	assert_int_equal(f->n_asked, 1);
}

static void it_ends_with_the_connection(void **state)
{
	struct fixture *f = *state;

	start(f, PARKS);
	agent_close(f->rig.agent);
	pass(&f->rig, 3600 * NS_PER_S);
	assert_int_equal(f->n_asked, 1);
	oom_watch_free(f->watch);
	f->watch = NULL;
	/* Without one there is nothing to begin. */
	assert_int_equal(
		oom_watch_new(f->rig.loop, f->rig.agent, on_told, f, &f->watch), -ENOTCONN);
}

static void it_ends_between_two_questions(void **state)
{
	struct fixture *f = *state;

	start(f, TELLS);
	run_until(&f->rig, &f->n_told, 1);
	agent_close(f->rig.agent);
	pass(&f->rig, 3600 * NS_PER_S);
	assert_int_equal(f->n_asked, 1);
}

static void it_may_be_freed_by_who_is_told(void **state)
{
	struct fixture *f = *state;

	f->frees = true;
	start(f, TELLS);
	run_until(&f->rig, &f->n_told, 1);
	pass(&f->rig, 3600 * NS_PER_S);
	assert_int_equal(f->n_asked, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(one_question_waits_in_the_guest),
		TEST(a_guest_that_tells_without_end_is_asked_at_a_pace),
		TEST(an_event_without_a_name_is_told_as_such),
		TEST(a_guest_that_fails_is_asked_less_and_less),
		TEST(an_older_agent_is_left_alone),
		TEST(it_ends_with_the_connection),
		TEST(it_ends_between_two_questions),
		TEST(it_may_be_freed_by_who_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
