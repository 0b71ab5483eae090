/* SPDX-License-Identifier: Apache-2.0 */
/* GetMetrics of a running agent. */
#include <stdio.h>

#include "fixture.h"

enum { AT_ONCE = 100 };

static void scrape_start(struct fixture *f, struct ttrpc_client *client, struct reply *reply)
{
	Grpc__GetMetricsRequest request = GRPC__GET_METRICS_REQUEST__INIT;

	call_start_on(f, client, "GetMetrics", &request.base, 0, &grpc__metrics__descriptor, reply);
}

static const char *text_of(const struct reply *reply)
{
	assert_false(err_is_set(&reply->err));
	assert_non_null(reply->message);
	return ((const Grpc__Metrics *)reply->message)->metrics;
}

static void the_figures_are_those_of_agent_and_guest(void **state)
{
	struct fixture *f = *state;
	struct reply reply;
	size_t kb;
	const char *at;

	scrape_start(f, f->client, &reply);
	call_wait(f, &reply);
	assert_non_null(strstr(text_of(&reply), "\nkata_agent_scrape_count 1\n"));
	assert_non_null(strstr(text_of(&reply), "\nkata_agent_threads 1\n"));
	assert_non_null(strstr(text_of(&reply), "\nkata_guest_meminfo{item=\"mem_total\"} "));
	assert_non_null(strstr(text_of(&reply), "\nkata_guest_netdev_stat{interface=\"lo\","));
	/* Of the agent, not of the process that reads them. */
	at = strstr(text_of(&reply), "kata_agent_proc_status{item=\"rssanon\"} ");
	assert_non_null(at);
	kb = strtoul(strchr(at, ' '), NULL, 10);
	assert_in_range(kb, fixture_agent_memory_kb(f) / 2, fixture_agent_memory_kb(f) * 2);
	reply_fini(&reply);
	scrape_start(f, f->client, &reply);
	call_wait(f, &reply);
	assert_non_null(strstr(text_of(&reply), "\nkata_agent_scrape_count 2\n"));
	reply_fini(&reply);
}

static void many_at_once_keep_one_process_busy(void **state)
{
	static struct reply replies[AT_ONCE];
	struct fixture *f = *state;
	size_t last = 0;

	for (size_t i = 0; i < AT_ONCE; i++)
		scrape_start(f, f->client, &replies[i]);
	for (size_t i = 0; i < AT_ONCE; i++) {
		const char *at;

		call_wait(f, &replies[i]);
		at = strstr(text_of(&replies[i]), "\nkata_agent_scrape_count ");
		assert_non_null(at);
		last = strtoul(strchr(at, ' '), NULL, 10);
		reply_fini(&replies[i]);
	}
	/* Those that came while one was at work had its answer. */
	assert_in_range(last, 1, AT_ONCE / 2);
}

static void a_client_that_leaves_leaves_nothing(void **state)
{
	static struct reply replies[AT_ONCE];
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	size_t n_fds;
	struct reply reply;

	scrape_start(f, f->client, &reply);
	call_wait(f, &reply);
	reply_fini(&reply);
	n_fds = fixture_count_fds(f);
	for (size_t i = 0; i < AT_ONCE; i++)
		scrape_start(f, other, &replies[i]);
	ttrpc_client_free(other);
	scrape_start(f, f->client, &reply);
	call_wait(f, &reply);
	text_of(&reply);
	reply_fini(&reply);
	for (size_t i = 0; i < AT_ONCE; i++)
		reply_fini(&replies[i]);
	assert_true(fixture_count_fds(f) <= n_fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(the_figures_are_those_of_agent_and_guest),
		agent_test(many_at_once_keep_one_process_busy),
		agent_test(a_client_that_leaves_leaves_nothing),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
