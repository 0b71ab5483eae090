/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/filesystems.h"
#include "agent/metrics.h"
#include "base/io.h"
#include "base/path.h"
#include "oom.h"

/* What a part makes of a text; the caller frees it. */
static struct buf format(enum metrics_part part, const char *text)
{
	struct buf out = BUF_INIT;
	struct prometheus p = {.out = &out};

	metrics_add_part(&p, part, slice_of_str(text));
	assert_int_equal(p.r, 0);
	return out;
}

/* Each of the lines stands in it, and with n_lines without comments that is all. */
static void check(enum metrics_part part, const char *text, const char *const *lines, size_t n)
{
	auto_buf struct buf out = format(part, text);
	size_t n_samples = 0;

	for (size_t i = 0; i < n; i++)
		if (!strstr(buf_str(&out), lines[i]))
			fail_msg("no \"%s\" in:\n%s", lines[i], buf_str(&out));
	for (const char *at = buf_str(&out); *at; at = strchr(at, '\n') + 1)
		n_samples += *at != '#';
	if (n_samples != n)
		fail_msg("%zu samples, not %zu:\n%s", n_samples, n, buf_str(&out));
}
#define CHECK(part, text, ...)                                \
	check(part, text, (const char *const[]){__VA_ARGS__}, \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void families_have_the_names_that_dashboards_know(void **state)
{
	(void)state;
	CHECK(METRICS_AGENT_IO, "rchar: 12\nwchar: 3\nnew: 4\nread_bytes: x\n",
		"# TYPE kata_agent_io_stat gauge\nkata_agent_io_stat{item=\"rchar\"} 12\n",
		"\nkata_agent_io_stat{item=\"wchar\"} 3\n");
	CHECK(METRICS_AGENT_STATUS,
		"Name:\tkata-agent\nVmPeak:\t    100 kB\nRssAnon:\t 32 kB\n"
		"voluntary_ctxt_switches:\t9\n",
		"\nkata_agent_proc_status{item=\"vmpeak\"} 100\n",
		"\nkata_agent_proc_status{item=\"rssanon\"} 32\n",
		"\nkata_agent_proc_status{item=\"voluntary_ctxt_switches\"} 9\n");
	CHECK(METRICS_LOAD, "0.05 0.1 12.34 2/77 1000\n",
		"\nkata_guest_load{item=\"load1\"} 0.05\n",
		"\nkata_guest_load{item=\"load5\"} 0.1\n",
		"\nkata_guest_load{item=\"load15\"} 12.34\n");
	CHECK(METRICS_TASKS, "0.05 0.1 12.34 2/77 1000\n", "\nkata_guest_tasks{item=\"cur\"} 2\n",
		"\nkata_guest_tasks{item=\"max\"} 77\n");
	CHECK(METRICS_VM, "nr_free_pages 5\nodd\nnr_x 18446744073709551615\n",
		"\nkata_guest_vm_stat{item=\"nr_free_pages\"} 5\n",
		"\nkata_guest_vm_stat{item=\"nr_x\"} 18446744073709551615\n");
	CHECK(METRICS_DISKS, "   8       0 sda 1 2 3\n 8 x sdb 1\n",
		"\nkata_guest_diskstat{disk=\"sda\",item=\"reads\"} 1\n",
		"\nkata_guest_diskstat{disk=\"sda\",item=\"merged\"} 2\n",
		"\nkata_guest_diskstat{disk=\"sda\",item=\"sectors_read\"} 3\n");
}

static void the_agents_totals_have_units(void **state)
{
	char rss[64];

	(void)state;
	snprintf(rss, sizeof(rss), "\nkata_agent_total_rss %ld\n", 3 * sysconf(_SC_PAGESIZE));
	CHECK(METRICS_AGENT_TOTALS,
		"1 (a) S 0 0 0 0 0 0 0 0 0 0 101 55 7 8 0 0 2 0 9 4096000 3 0\n",
		"\nkata_agent_threads 2\n", rss, "\nkata_agent_total_time 1.560\n",
		"\nkata_agent_total_vm 4096000\n");
	CHECK(METRICS_AGENT_STAT, "1 (a) S 0 0 0 0 0 0 0 0 0 0 101 55 7 8 0 0 2 0 9 1 3 0\n",
		"{item=\"utime\"} 101\n", "{item=\"stime\"} 55\n", "{item=\"cutime\"} 7\n",
		"{item=\"cstime\"} 8\n");
}

static void processors_are_counted_in_milliseconds(void **state)
{
	(void)state;
	CHECK(METRICS_CPU, "cpu  300 7\ncpu0 100 2 3 4 5 6 7 8 9 10 11\nintr 5 6\nctxt 9\n",
		"\nkata_guest_cpu_time{cpu=\"total\",item=\"user\"} 3000\n",
		"{cpu=\"total\",item=\"nice\"} 70\n", "{cpu=\"0\",item=\"user\"} 1000\n",
		"{cpu=\"0\",item=\"nice\"} 20\n", "{cpu=\"0\",item=\"system\"} 30\n",
		"{cpu=\"0\",item=\"idle\"} 40\n", "{cpu=\"0\",item=\"iowait\"} 50\n",
		"{cpu=\"0\",item=\"irq\"} 60\n", "{cpu=\"0\",item=\"softirq\"} 70\n",
		"{cpu=\"0\",item=\"steal\"} 80\n", "{cpu=\"0\",item=\"guest\"} 90\n",
		"{cpu=\"0\",item=\"guest_nice\"} 100\n");
	CHECK(METRICS_CPU, "cpu 18446744073709551615",
		"{cpu=\"total\",item=\"user\"} "
		"18446744073709551615\n");
}

static void memory_is_in_bytes_and_what_is_absent_is_0(void **state)
{
	auto_buf struct buf out =
		format(METRICS_MEMORY, "MemTotal:  10 kB\nHugePages_Total:       4\n"
				       "Active(anon):   2 kB\nDirectMap4k: x kB\n");
	size_t n_lines = 0;

	(void)state;
	assert_non_null(strstr(buf_str(&out), "{item=\"mem_total\"} 10240\n"));
	assert_non_null(strstr(buf_str(&out), "{item=\"hugepages_total\"} 4\n"));
	assert_non_null(strstr(buf_str(&out), "{item=\"active_anon\"} 2048\n"));
	assert_non_null(strstr(buf_str(&out), "{item=\"direct_map_4k\"} 0\n"));
	assert_non_null(strstr(buf_str(&out), "{item=\"swap_free\"} 0\n"));
	for (const char *at = buf_str(&out); *at; at = strchr(at, '\n') + 1)
		n_lines++;
	assert_int_equal(n_lines, 58 + 2);
}

static void interfaces_may_have_any_name(void **state)
{
	(void)state;
	CHECK(METRICS_NETWORK,
		"Inter-|   Receive                |  Transmit\n face |bytes |bytes\n"
		"  lo: 1 2\neth0:1:3 4 5\n : 6\n\"q\\\xff: 7\n",
		"\nkata_guest_netdev_stat{interface=\"lo\",item=\"recv_bytes\"} 1\n",
		"{interface=\"lo\",item=\"recv_packets\"} 2\n",
		"{interface=\"eth0:1\",item=\"recv_bytes\"} 3\n",
		"{interface=\"eth0:1\",item=\"recv_packets\"} 4\n",
		"{interface=\"eth0:1\",item=\"recv_errs\"} 5\n",
		"{interface=\"\\\"q\\\\\xef\xbf\xbd\",item=\"recv_bytes\"} 7\n");
}

static void nothing_is_made_of_nonsense(void **state)
{
	static const char *const texts[] = {"", "\n", "\n\n : :\n", "a", "-1 -1 -1 -1/-1",
		"1.2.3 x", ". . .", "a b c /", "a b c 1/", "cp 1", "cpu x", "1 (a) S"};

	(void)state;
	for (unsigned int part = 0; part < METRICS_PART_COUNT; part++) {
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
			auto_buf struct buf out = BUF_INIT;

			/* One has all its samples always, one takes any name. */
			if (part == METRICS_MEMORY || part == METRICS_VM)
				continue;
			/* A number in front is an average. */
			if (part == METRICS_LOAD && strncmp(texts[i], "1 ", 2) == 0)
				continue;
			out = format(part, texts[i]);
			if (buf_len(&out))
				fail_msg("part %u: %s: %s", part, texts[i], buf_str(&out));
		}
	}
}

static void file_systems_are_listed_once(void **state)
{
	char text[] = "1 1 8:1 / / rw - ext4 /dev/sda1 rw,errors=continue\n"
		      "2 1 8:1 /x /mnt rw shared:1 - ext4 /dev/sda1 rw\n"
		      "3 1 0:5 / /proc rw - proc proc rw\n"
		      "4 1 8:2 / /ro rw - xfs /dev/sdb ro,noatime\n"
		      "5 1 8:3 / /ro2 rw - xfs /dev/sdc ro\n"
		      "6 1 8:4 / /root\\040x ro - btrfs /dev/disk/by\\040id rootcontext=x\n"
		      "7 1 0:9 / /o rw - overlay overlay rw,lowerdir=/x\n"
		      "8 1 0:10 / /v rw - vfat /dev/ rw\n"
		      "9 1 0:11 / /short rw - ext4\n";
	static const struct filesystem expected[] = {
		{"/", "sda1", "8:1"},
		{"/root x", "by id", "8:4"},
		{"/o", "overlay", "0:9"},
		{"/v", "0:10", "0:10"},
		{"/short", "0:11", "0:11"},
	};
	struct filesystem list[FILESYSTEMS_MAX];

	(void)state;
	assert_int_equal(filesystems_list(text, list), ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_string_equal(list[i].mount_point, expected[i].mount_point);
		assert_string_equal(list[i].source, expected[i].source);
		assert_string_equal(list[i].device, expected[i].device);
	}
}

static void more_file_systems_than_fit_are_left_out(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	struct filesystem list[FILESYSTEMS_MAX];

	(void)state;
	for (int i = 0; i < FILESYSTEMS_MAX + 5; i++)
		assert_int_equal(
			buf_printf(&text, "%d 1 8:%d / /m rw - ext4 /dev/x rw\n", i, i), 0);
	assert_int_equal(filesystems_list((char *)text.data, list), FILESYSTEMS_MAX);
}

static void a_mounted_file_system_has_its_level_told(void **state)
{
	auto_buf struct buf out =
		format(METRICS_FILESYSTEMS, "1 1 8:1 / / rw - ext4 /dev/a\\134b rw\n2 1 8:2 / "
					    "/nonexistent rw - ext4 /dev/c rw\n");

	(void)state;
	assert_non_null(strstr(buf_str(&out), "kata_guest_filesystem_bytes{mount=\"/\",device="
					      "\"a\\\\b\",item=\"total\"} "));
	assert_non_null(strstr(buf_str(&out), "kata_guest_filesystem_inodes{mount=\"/\",device="
					      "\"a\\\\b\",item=\"available\"} "));
	assert_null(strstr(buf_str(&out), "nonexistent"));
}

static void a_family_is_cut_where_it_would_grow_without_end(void **state)
{
	auto_buf struct buf out = BUF_INIT;
	struct prometheus p = {.out = &out};

	(void)state;
	prometheus_begin(&p, &(struct prometheus_family){"a", "gauge", "A."});
	for (int i = 0; i < PROMETHEUS_FAMILY_MAX; i++)
		prometheus_add(&p, NULL, 0, 123456789);
	assert_true(p.is_cut);
	assert_in_range(buf_len(&out), PROMETHEUS_FAMILY_MAX, PROMETHEUS_FAMILY_MAX + 64);
	/* The next one has room of its own. */
	prometheus_begin(&p, &(struct prometheus_family){"b", "gauge", "B."});
	prometheus_add(&p, NULL, 0, 1);
	assert_non_null(strstr(buf_str(&out), "\nb 1\n"));
}

static void put(const char *dir, const char *file, const char *text)
{
	auto_free char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", dir, file) > 0);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, text, strlen(text)), 0);
}

static void collect(const struct metrics_config *config, struct buf *out, unsigned int missing)
{
	struct metrics_result result;

	buf_clear(out);
	assert_int_equal(metrics_collect(config, out, &result), 0);
	assert_int_equal(result.missing, missing);
	assert_false(result.is_cut);
}

/* Names in the order of their families, each once. */
static void check_order(const char *text)
{
	const char *last = "", *at = text;
	size_t last_len = 0;

	while ((at = strstr(at, "# TYPE "))) {
		size_t len = strcspn(at + 7, " ");

		at += 7;
		if (last_len && strncmp(last, at, last_len < len ? len : last_len) >= 0)
			fail_msg("%.*s after %.*s", (int)len, at, (int)last_len, last);
		last = at;
		last_len = len;
	}
}

static void what_cannot_be_read_is_left_out_and_said(void **state)
{
	char dir[] = "/tmp/kihon-proc.XXXXXX", path[64];
	struct metrics_config config = {.proc = dir, .agent_pid = 5, .n_scrapes = 3};
	unsigned int all = (1U << METRICS_PART_COUNT) - 1;
	auto_buf struct buf out = BUF_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	collect(&config, &out, all);
	assert_string_equal(buf_str(&out),
		"# HELP kata_agent_scrape_count How often these figures were asked for.\n"
		"# TYPE kata_agent_scrape_count counter\nkata_agent_scrape_count 3\n");
	put(dir, "loadavg", "1 2 3 4/5 6\n");
	put(dir, "meminfo", "MemTotal: 1 kB\n");
	collect(&config, &out,
		all & ~(1U << METRICS_LOAD | 1U << METRICS_TASKS | 1U << METRICS_MEMORY));
	check_order(buf_str(&out));
	snprintf(path, sizeof(path), "%s/5", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put(path, "io", "rchar: 1\n");
	collect(&config, &out,
		all & ~(1U << METRICS_LOAD | 1U << METRICS_TASKS | 1U << METRICS_MEMORY |
			      1U << METRICS_AGENT_IO));
	assert_int_equal(path_remove_tree(AT_FDCWD, dir), 0);
}

static void everything_is_there_on_a_real_machine(void **state)
{
	struct metrics_config config = {.proc = "/proc", .agent_pid = getpid(), .n_scrapes = 1};
	auto_buf struct buf out = BUF_INIT;

	(void)state;
	collect(&config, &out, 0);
	check_order(buf_str(&out));
	assert_non_null(strstr(buf_str(&out), "\nkata_agent_total_rss "));
	assert_non_null(strstr(buf_str(&out), "\nkata_guest_cpu_time{cpu=\"0\",item=\"user\"} "));
}

static void memory_may_run_out_anywhere(void **state)
{
	struct metrics_config config = {.proc = "/proc", .agent_pid = getpid(), .n_scrapes = 1};

	(void)state;
	OOM_SWEEP(n)
	{
		auto_buf struct buf out = BUF_INIT;
		struct metrics_result result;
		int r;

		oom_arm(n);
		r = metrics_collect(&config, &out, &result);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_have_the_names_that_dashboards_know),
		cmocka_unit_test(the_agents_totals_have_units),
		cmocka_unit_test(processors_are_counted_in_milliseconds),
		cmocka_unit_test(memory_is_in_bytes_and_what_is_absent_is_0),
		cmocka_unit_test(interfaces_may_have_any_name),
		cmocka_unit_test(nothing_is_made_of_nonsense),
		cmocka_unit_test(file_systems_are_listed_once),
		cmocka_unit_test(more_file_systems_than_fit_are_left_out),
		cmocka_unit_test(a_mounted_file_system_has_its_level_told),
		cmocka_unit_test(a_family_is_cut_where_it_would_grow_without_end),
		cmocka_unit_test(what_cannot_be_read_is_left_out_and_said),
		cmocka_unit_test(everything_is_there_on_a_real_machine),
		cmocka_unit_test(memory_may_run_out_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
