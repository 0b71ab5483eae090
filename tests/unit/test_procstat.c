/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "linux/procstat.h"

#define REST " 1 2 3 4 -1 6 7 8 9 10 11 12 13 -14 15 16 17 18 "

static void lines_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t start_time;
	} rows[] = {
		{"12 (cat) S" REST "4242 20 21\n", 0, 4242},
		{"12 (cat) S" REST "18446744073709551615 20", 0, UINT64_MAX},
		{"12 (a) b) R (x) S" REST "7 20\n", 0, 7},
		{"12 (\n) Z" REST "7", 0, 7},
		{"12 () S" REST "0", 0, 0},
		{"12 (cat) S" REST "18446744073709551616", -EINVAL, 0},
		{"12 (cat) S" REST "x", -EINVAL, 0},
		{"12 (cat) S" REST "-", -EINVAL, 0},
		{"12 (cat) S" REST, -EINVAL, 0},
		{"12 (cat) SS" REST "1", -EINVAL, 0},
		{"12 (cat)", -EINVAL, 0},
		{"12 (cat S" REST "1", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct procstat stat = {0};

		if (procstat_parse(slice_of_str(rows[i].text), &stat) != rows[i].result ||
			stat.start_time != rows[i].start_time)
			fail_msg("row %zu: %s", i, rows[i].text);
		if (rows[i].result == 0)
			assert_int_equal(stat.ppid, 1);
	}
	assert_int_equal(procstat_parse(slice_of(NULL, 0), &(struct procstat){0}), -EINVAL);
}

static void the_figures_of_a_process_are_found(void **state)
{
	static const char text[] = "1 (x) S 1 2 3 4 5 6 7 8 9 10 140 150 160 170 18 19 200 21 220 "
				   "2300 2400 25 26\n";
	struct procstat stat;

	(void)state;
	assert_int_equal(procstat_parse(slice_of_str(text), &stat), 0);
	assert_int_equal(stat.utime, 140);
	assert_int_equal(stat.stime, 150);
	assert_int_equal(stat.cutime, 160);
	assert_int_equal(stat.cstime, 170);
	assert_int_equal(stat.n_threads, 200);
	assert_int_equal(stat.start_time, 220);
	assert_int_equal(stat.vsize, 2300);
	assert_int_equal(stat.rss_pages, 2400);
	assert_int_equal(procstat_parse(slice_of_str("1 (x) S" REST "7 x"), &stat), -EINVAL);
}

static void a_process_is_told_from_its_successor(void **state)
{
	struct procstat stat;
	int fd;

	(void)state;
	assert_int_equal(procstat_read(getpid(), &stat), 0);
	assert_int_equal(stat.ppid, getppid());
	fd = procstat_open(getpid(), stat.start_time);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(procstat_open(getpid(), stat.start_time + 1), -ESRCH);
}

static void a_process_that_is_gone_is_esrch(void **state)
{
	struct procstat stat;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(procstat_read(pid, &stat), -ESRCH);
	assert_int_equal(procstat_open(pid, 1), -ESRCH);
	assert_int_equal(procstat_read(0, &stat), -ESRCH);
	assert_int_equal(procstat_open(-1, 1), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_parsed),
		cmocka_unit_test(the_figures_of_a_process_are_found),
		cmocka_unit_test(a_process_is_told_from_its_successor),
		cmocka_unit_test(a_process_that_is_gone_is_esrch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
