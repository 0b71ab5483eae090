/* SPDX-License-Identifier: Apache-2.0 */
/* Containers and their processes, from creation to removal. */
#include <signal.h>
#include <stdio.h>

#include "fixture.h"

static void exit_codes_are_reported(void **state)
{
	static const struct {
		const char *script;
		int code;
	} rows[] = {
		{"exit 0", 0},
		{"exit 1", 1},
		{"exit 42", 42},
		{"exit 255", 255},
		{"sh -c 'kill -TERM $$'; exit $?", 143},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char id[16];

		snprintf(id, sizeof(id), "c-%zu", i);
		run_container(f, id, rows[i].script);
		assert_int_equal(wait_process(f, id, ""), rows[i].code);
		assert_int_equal(remove_container(f, id), 0);
	}
}

static void init_waits_for_start(void **state)
{
	struct container_options o = {.id = "c1", .script = "echo started"};
	struct fixture *f = *state;
	struct reply read;

	assert_int_equal(create_container(f, &o, NULL), 0);
	read_start(f, "ReadStdout", "c1", "", 100, &read);
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_run_once(f->loop, 10 * NS_PER_MS), 0);
	assert_false(read.done);
	assert_int_equal(start_container(f, "c1"), 0);
	call_wait(f, &read);
	assert_int_equal(((Grpc__ReadStreamResponse *)read.message)->data.len, 8);
	reply_fini(&read);
	assert_int_equal(start_container(f, "c1"), WIRE_FAILED_PRECONDITION);
	assert_int_equal(wait_process(f, "c1", ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(exit_codes_are_reported),
		agent_test(init_waits_for_start),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
