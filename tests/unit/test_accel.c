/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/accel.h"

static void virtualization_is_a_whole_word_of_the_flags_line(void **state)
{
	static const struct {
		const char *cpuinfo;
		bool expected;
	} rows[] = {
		{"processor\t: 0\nflags\t\t: fpu vmx sse\nbugs\t: x\n", true},
		{"processor\t: 0\nflags\t\t: fpu svm\n", true},
		{"flags\t\t: vmx fpu", true},
		{"flags\t\t:vmx\n", true},
		{"flags\t\t: svm", true},
		{"processor\t: 0\nflags\t\t: fpu sse\n", false},
		{"flags\t\t: fpu svm_lock vmxx xvmx\n", false},
		{"vmx flags\t: vnmi\nmodel name\t: svm\nflags\t\t: fpu\n", false},
		{"model name\t: vmx\n", false},
		{"flags", false},
		{"flags\t\t:", false},
		{"\n\n", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (accel_parse_cpuinfo(slice_of_str(rows[i].cpuinfo)) != rows[i].expected)
			fail_msg("row %zu: %s", i, rows[i].cpuinfo);
	assert_false(accel_parse_cpuinfo(slice_of(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(virtualization_is_a_whole_word_of_the_flags_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
