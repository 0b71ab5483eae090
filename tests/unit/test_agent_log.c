/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "runtime/agent_log.h"

static void lines_become_records(void **state)
{
	static const struct {
		const char *line;
		enum log_level level;
		const char *subsystem, *msg, *fields;
	} rows[] = {
		{"{\"level\":\"ERRO\",\"msg\":\"m\",\"subsystem\":\"rpc\",\"cid\":\"c1\",\"eid\":"
		 "\"e\"}",
			LOG_ERROR, "rpc", "m", "cid=c1 eid=e"},
		{"{\"level\":\"TRCE\",\"msg\":\"m\"}", LOG_TRACE, "", "m", ""},
		{"{\"level\":\"DEBG\",\"msg\":\"m\"}", LOG_DEBUG, "", "m", ""},
		{"{\"level\":\"WARN\",\"msg\":\"m\"}", LOG_WARN, "", "m", ""},
		{"{\"level\":\"CRIT\",\"msg\":\"m\"}", LOG_CRIT, "", "m", ""},
		{"{\"level\":\"loud\",\"msg\":\"m\"}", LOG_INFO, "", "m", ""},
		{"{\"msg\":\"m\",\"ts\":\"t\",\"pid\":\"1\",\"version\":\"v\",\"name\":\"n\"}",
			LOG_INFO, "", "m", ""},
		{"{\"msg\":7,\"n\":7,\"s\":\"x\"}", LOG_INFO, "", "", "s=x"},
		{"no json at all", LOG_INFO, "", "no json at all", ""},
		{"[\"msg\"]", LOG_INFO, "", "[\"msg\"]", ""},
		{"{\"msg\":\"cut", LOG_INFO, "", "{\"msg\":\"cut", ""},
		{"", LOG_INFO, "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct agent_log_record record;

		agent_log_decode(slice_of_str(rows[i].line), &record);
		assert_int_equal(record.level, rows[i].level);
		assert_string_equal(record.subsystem, rows[i].subsystem);
		assert_string_equal(record.msg, rows[i].msg);
		assert_string_equal(record.fields, rows[i].fields);
	}
}

static void nothing_is_longer_than_its_field(void **state)
{
	static char line[AGENT_LOG_LINE_MAX];
	struct agent_log_record record;

	(void)state;
	memset(line, 'x', sizeof(line));
	line[7] = '\0';
	agent_log_decode(slice_of(line, sizeof(line)), &record);
	assert_int_equal(strlen(record.msg), AGENT_LOG_MSG_SIZE - 1);
	assert_int_equal(record.msg[7], ' ');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_records),
		cmocka_unit_test(nothing_is_longer_than_its_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
