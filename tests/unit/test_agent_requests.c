/* SPDX-License-Identifier: Apache-2.0 */
/* What requests may ask for, where it can be told without an agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/cgroup_path.h"
#include "agent/process.h"
#include "agent/rpc.h"
#include "agent/storage.h"
#include "agent/storages.h"
#include "oom.h"
#include "wire/status.h"

static void cgroup_paths_are_made_of_what_hosts_send(void **state)
{
	static const struct {
		const char *wanted, *path;
	} rows[] = {
		{NULL, "/c1"},
		{"", "/c1"},
		{"/", "/c1"},
		{"::", "/c1"},
		{".", "/c1"},
		{"/kubepods/burstable/pod1/c9", "/kubepods/burstable/pod1/c9"},
		{"kata//x/./y/", "/kata/x/y"},
		{"system.slice:kata:abc", "/system.slice/kata/abc"},
		{":cri-containerd:abc", "/cri-containerd/abc"},
		{"/...", "/..."},
		{"/a..b", "/a..b"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *path = NULL;
		struct err err = ERR_INIT;
		bool is_unit = true;

		assert_int_equal(
			cgroup_path_parse(rows[i].wanted, "c1", false, &path, &is_unit, &err), 0);
		assert_false(is_unit);
		assert_string_equal(path, rows[i].path);
	}
}

static void cgroup_paths_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const rows[] = {"..", "/..", "/a/../b", "a:..:b", "/a/.."};
	char longest[8192];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *path = NULL;
		struct err err = ERR_INIT;
		bool is_unit;

		assert_int_equal(
			cgroup_path_parse(rows[i], "c1", false, &path, &is_unit, &err), -EINVAL);
		assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
		assert_null(path);
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t len = 256; len < sizeof(longest); len += 7000) {
		auto_free char *path = NULL;
		struct err err = ERR_INIT;
		bool is_unit;

		longest[len] = '\0';
		assert_true(cgroup_path_parse(longest, "c1", true, &path, &is_unit, &err) < 0);
		longest[len] = 'a';
	}
	for (size_t i = 0; i < sizeof(longest); i += 2)
		longest[i] = '/';
	longest[sizeof(longest) - 1] = '\0';
	{
		auto_free char *path = NULL;
		struct err err = ERR_INIT;
		bool is_unit;

		assert_int_equal(cgroup_path_parse(longest, "c1", true, &path, &is_unit, &err),
			-ENAMETOOLONG);
	}
}

static void systemd_paths_are_scopes_below_their_slices(void **state)
{
	static const struct {
		const char *wanted, *path; /* NULL: refused */
		bool is_directory;
	} rows[] = {
		{"system.slice:kata:abc", "/system.slice/kata-abc.scope", false},
		{":cri-containerd:abc", "/system.slice/cri-containerd-abc.scope", false},
		{"::", "/system.slice/kata_agent-c1.scope", false},
		{"::abc", "/system.slice/abc.scope", false},
		{"-.slice:k:x_1.y-z", "/k-x_1.y-z.scope", false},
		{"a-b-c.slice:k:x", "/a.slice/a-b.slice/a-b-c.slice/k-x.scope", false},
		{"kubepods.slice:k:..", "/kubepods.slice/k-...scope", false},
		{"system:kata:abc", NULL, false},
		{".slice:kata:abc", NULL, false},
		{"-a.slice:kata:abc", NULL, false},
		{"a-.slice:kata:abc", NULL, false},
		{"a--b.slice:kata:abc", NULL, false},
		{"system.slice:kata:", NULL, false},
		{":kata:", NULL, false},
		{"system.slice:kata:pod.slice", NULL, false},
		{"/system.slice:kata:abc", "/system.slice/kata/abc", true},
		{"system.slice:ka@ta:abc", "/system.slice/ka@ta/abc", true},
		{"system.slice:kata:abc:", "/system.slice/kata/abc", true},
		{"system.slice:kata", "/system.slice/kata", true},
		{"", "/c1", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *path = NULL;
		struct err err = ERR_INIT;
		bool is_unit;
		int r = cgroup_path_parse(rows[i].wanted, "c1", true, &path, &is_unit, &err);

		if (!rows[i].path) {
			assert_int_equal(r, -EINVAL);
			assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
			assert_null(path);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(path, rows[i].path);
		assert_int_equal(is_unit, !rows[i].is_directory);
	}
}

struct row {
	char *driver, *source, *fstype, *mount_point;
	int result;
};

static Grpc__Storage make_storage(const struct row *row)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;

	s.driver = row->driver;
	s.source = row->source;
	s.fstype = row->fstype;
	s.mount_point = row->mount_point;
	return s;
}

static char ephemeral[] = "ephemeral", virtio_fs[] = "virtio-fs", tmpfs[] = "tmpfs", x[] = "x",
	    place[] = "/a/b", other_place[] = "/a/c";

static const struct storage_owner nobody = {.run_dir = "/run/kata-containers"};

static void storages_are_checked_before_anything_is_done(void **state)
{
	static char unknown[] = "floppy", huge[] = "hugetlbfs", root[] = "//", dots[] = "/a/../b",
		    end_dots[] = "/a/..", dotted[] = "/a/..b", slash[] = "/a/b/", relative[] = "a",
		    empty[] = "";
	const struct row rows[] = {
		{ephemeral, x, tmpfs, place, 0},
		{virtio_fs, x, tmpfs, slash, 0},
		{virtio_fs, x, tmpfs, dotted, 0},
		{unknown, x, tmpfs, place, -ENODEV},
		{empty, x, tmpfs, place, -ENODEV},
		{NULL, x, tmpfs, place, -ENODEV},
		{ephemeral, x, tmpfs, NULL, -EINVAL},
		{ephemeral, x, tmpfs, empty, -EINVAL},
		{ephemeral, x, tmpfs, root, -EINVAL},
		{ephemeral, x, tmpfs, dots, -EINVAL},
		{ephemeral, x, tmpfs, end_dots, -EINVAL},
		{ephemeral, x, tmpfs, relative, -EINVAL},
		{ephemeral, NULL, tmpfs, place, -EINVAL},
		{ephemeral, x, empty, place, -EINVAL},
		{ephemeral, x, huge, place, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__Storage s = make_storage(&rows[i]);
		const struct storage_driver *driver;
		struct err err = ERR_INIT;

		if (storage_check(&s, &nobody, &driver, &err) != rows[i].result)
			fail_msg("row %zu: %s", i, err.msg);
	}
}

static void storages_count_their_users(void **state)
{
	const struct row one = {virtio_fs, x, tmpfs, place, 0},
			 two = {virtio_fs, x, tmpfs, other_place, 0};
	Grpc__Storage a = make_storage(&one), b = make_storage(&two);
	Grpc__Storage *both[] = {&a, &b, &a}, *first[] = {&a};
	struct storage_set sets[2] = {{0}, {0}};
	struct err err = ERR_INIT;
	struct map map = {0};

	(void)state;
	assert_int_equal(storages_acquire(&map, both, 3, &nobody, &sets[0], &err), 0);
	assert_true(sets[0].uses[0].own && sets[0].uses[1].own && !sets[0].uses[2].own);
	/* Being mounted: nobody else may rely on it yet. */
	assert_int_equal(storages_acquire(&map, first, 1, &nobody, &sets[1], &err), -EBUSY);
	storages_settle(&sets[0]);
	assert_int_equal(storages_acquire(&map, first, 1, &nobody, &sets[1], &err), 0);
	assert_false(sets[1].uses[0].own);

	storages_leave(&sets[0]);
	assert_false(sets[0].uses[0].own);
	assert_true(sets[0].uses[1].own);
	storages_forget(&map, &sets[0]);
	assert_int_equal(map.n_entries, 1);
	storages_leave(&sets[1]);
	assert_true(sets[1].uses[0].own);
	storages_forget(&map, &sets[1]);
	assert_int_equal(map.n_entries, 0);
	storages_fini(&map);
}

static void a_shared_storage_stays(void **state)
{
	const struct row one = {virtio_fs, x, tmpfs, place, 0};
	Grpc__Storage a = make_storage(&one), *list[] = {&a};
	struct storage_set set = {0};
	struct err err = ERR_INIT;
	struct map map = {0};

	(void)state;
	a.has_shared = a.shared = 1;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(storages_acquire(&map, list, 1, &nobody, &set, &err), 0);
		assert_int_equal(set.uses[0].own, i == 0);
		storages_settle(&set);
		storages_leave(&set);
		assert_false(set.uses[0].own);
		storages_forget(&map, &set);
		assert_int_equal(map.n_entries, 1);
	}
	storages_fini(&map);
}

/* A volume of the pod does without users, until the sandbox ends. */
static void a_volume_stays_until_the_end(void **state)
{
	const struct row one = {ephemeral, x, tmpfs, place, 0},
			 two = {virtio_fs, x, tmpfs, place, 0};
	Grpc__Storage a = make_storage(&one), b = make_storage(&two), *list[] = {&a}, *bad[] = {&b};
	struct storage_set set = {0};
	struct err err = ERR_INIT;
	struct map map = {0};

	(void)state;
	assert_int_equal(storages_acquire(&map, list, 1, &nobody, &set, &err), 0);
	/* Not mounted: its mount is being undone. */
	storages_leave(&set);
	assert_true(set.uses[0].own);
	storages_forget(&map, &set);
	assert_int_equal(map.n_entries, 0);
	assert_int_equal(storages_acquire(&map, list, 1, &nobody, &set, &err), 0);
	storages_settle(&set);
	storages_forget_rest(&map);
	assert_int_equal(map.n_entries, 1);
	storages_leave(&set);
	assert_false(set.uses[0].own);
	storages_forget(&map, &set);
	assert_int_equal(map.n_entries, 1);
	assert_int_equal(storages_acquire(&map, bad, 1, &nobody, &set, &err), -EEXIST);
	storages_forget_rest(&map);
	assert_int_equal(map.n_entries, 0);
	storages_fini(&map);
}

static void a_bad_storage_takes_back_the_good_ones(void **state)
{
	const struct row one = {virtio_fs, x, tmpfs, place, 0}, bad = {NULL, x, tmpfs, place, 0};
	Grpc__Storage a = make_storage(&one), b = make_storage(&bad), *list[] = {&a, &b};
	struct storage_set set = {0};
	struct err err = ERR_INIT;
	struct map map = {0};

	(void)state;
	assert_int_equal(storages_acquire(&map, list, 2, &nobody, &set, &err), -ENODEV);
	assert_int_equal(map.n_entries, 0);
	assert_int_equal(set.n_uses, 0);
	storages_fini(&map);
}

static void without_memory_nothing_is_left(void **state)
{
	const struct row one = {virtio_fs, x, tmpfs, place, 0},
			 two = {virtio_fs, x, tmpfs, other_place, 0};
	Grpc__Storage a = make_storage(&one), b = make_storage(&two), *list[] = {&a, &b};
	struct loop *loop;
	struct reaper *reaper;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(reaper_new(loop, &reaper), 0);
	OOM_SWEEP(n)
	{
		struct process_config config = {.id = "p1", .terminal = n % 2};
		struct process *process = NULL;
		struct storage_set set = {0};
		auto_free char *path = NULL;
		struct err err = ERR_INIT;
		struct map map = {0};
		bool is_unit;
		int r;

		oom_arm(n);
		r = cgroup_path_parse("a.slice:b:c", "c1", n % 2, &path, &is_unit, &err);
		if (r == 0)
			r = storages_acquire(&map, list, 2, &nobody, &set, &err);
		if (r == 0)
			r = process_new(loop, reaper, &config, &process, &err);
		oom_disarm();
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_int_equal(err.code, ENOMEM);
		}
		process_free(process);
		storages_leave(&set);
		storages_forget(&map, &set);
		assert_int_equal(map.n_entries, 0);
		storages_fini(&map);
		assert_int_equal(loop_run_once(loop, 0), 0);
	}
	reaper_free(reaper);
	loop_free(loop);
}

static void every_method_of_the_api_is_listed_once(void **state)
{
	size_t n_agent = 0;

	(void)state;
	for (size_t i = 0; i < rpc_n_methods; i++) {
		assert_non_null(rpc_methods[i].request);
		n_agent += strcmp(rpc_methods[i].service, "grpc.AgentService") == 0;
		for (size_t k = 0; k < i; k++)
			assert_false(strcmp(rpc_methods[i].method, rpc_methods[k].method) == 0);
	}
	/* spec of upstream 4.1: 42 methods, and Check and Version of grpc.Health. */
	assert_int_equal(n_agent, 42);
	assert_int_equal(rpc_n_methods, n_agent + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroup_paths_are_made_of_what_hosts_send),
		cmocka_unit_test(cgroup_paths_that_lead_elsewhere_are_refused),
		cmocka_unit_test(systemd_paths_are_scopes_below_their_slices),
		cmocka_unit_test(storages_are_checked_before_anything_is_done),
		cmocka_unit_test(storages_count_their_users),
		cmocka_unit_test(a_shared_storage_stays),
		cmocka_unit_test(a_volume_stays_until_the_end),
		cmocka_unit_test(a_bad_storage_takes_back_the_good_ones),
		cmocka_unit_test(without_memory_nothing_is_left),
		cmocka_unit_test(every_method_of_the_api_is_listed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
