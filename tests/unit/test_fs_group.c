/* SPDX-License-Identifier: Apache-2.0 */
/* A volume's group, down to the last file. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/storage/fs_group.h"
#include "base/path.h"

enum { GROUP = 4321 };

static int set_up(void **state)
{
	static char dir[64];

	snprintf(dir, sizeof(dir), "/tmp/test_fs_group.XXXXXX");
	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	return path_remove_tree(AT_FDCWD, *state);
}

static void make(int dir_fd, const char *name, mode_t mode)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void make_dir(int dir_fd, const char *name, mode_t mode)
{
	assert_int_equal(mkdirat(dir_fd, name, 0700), 0);
	assert_int_equal(fchmodat(dir_fd, name, mode, 0), 0);
}

static void check(int dir_fd, const char *name, gid_t gid, mode_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	if (st.st_gid != gid || (st.st_mode & 07777) != mode)
		fail_msg("%s: group %u mode %o", name, st.st_gid, st.st_mode & 07777);
}

static Grpc__FSGroup make_group(Types__FSGroupChangePolicy policy)
{
	Grpc__FSGroup group = GRPC__FSGROUP__INIT;

	group.has_group_id = group.has_group_change_policy = 1;
	group.group_id = GROUP;
	group.group_change_policy = policy;
	return group;
}

static void all_but_links_go_to_the_group(void **state)
{
	static const struct {
		bool read_only;
		mode_t root, dir, file, program;
	} rows[] = {{false, 02770, 02771, 0664, 06775}, {true, 02750, 02751, 0644, 06755}};
	auto_fd int root = open(*state, O_PATH | O_DIRECTORY | O_CLOEXEC);

	make_dir(root, "outside", 0700);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__FSGroup group = make_group(TYPES__FSGROUP_CHANGE_POLICY__Always);
		char name[2] = {(char)('a' + i), '\0'};
		auto_fd int top = -1;
		struct err err = ERR_INIT;

		make_dir(root, name, 0700);
		top = openat(root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		make_dir(top, "dir", 0701);
		make(top, "dir/file", 0604);
		make(top, "program", 06715);
		assert_int_equal(mkfifoat(top, "fifo", 0600), 0);
		assert_int_equal(symlinkat("../outside", top, "link"), 0);
		if (fs_group_apply(top, &group, rows[i].read_only, &err) < 0)
			fail_msg("%s", err.msg);
		check(root, name, GROUP, rows[i].root);
		check(top, "dir", GROUP, rows[i].dir);
		check(top, "dir/file", GROUP, rows[i].file);
		check(top, "program", GROUP, rows[i].program);
		check(top, "link", 0, 0777);
		check(root, "outside", 0, 0700);
	}
}

static void a_root_that_matches_ends_it_by_policy(void **state)
{
	Grpc__FSGroup always = make_group(TYPES__FSGROUP_CHANGE_POLICY__Always);
	Grpc__FSGroup mismatch = make_group(TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch);
	auto_fd int root = open(*state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;

	make(root, "file", 0600);
	/* Neither the group nor the mode. */
	assert_int_equal(fs_group_apply(root, &mismatch, false, &err), 0);
	check(root, "file", GROUP, 0660);
	make(root, "second", 0600);
	assert_int_equal(fs_group_apply(root, &mismatch, false, &err), 0);
	check(root, "second", GROUP, 0600);
	/* The group alone. */
	assert_int_equal(fchmodat(root, ".", 0770, 0), 0);
	assert_int_equal(fs_group_apply(root, &mismatch, false, &err), 0);
	check(root, "second", GROUP, 0660);
	make(root, "third", 0600);
	assert_int_equal(fs_group_apply(root, &always, false, &err), 0);
	check(root, "third", GROUP, 0660);
}

static void too_deep_is_an_error_and_leaves_the_root(void **state)
{
	Grpc__FSGroup group = make_group(TYPES__FSGROUP_CHANGE_POLICY__Always);
	auto_fd int root = open(*state, O_PATH | O_DIRECTORY | O_CLOEXEC), at = -1;
	struct err err = ERR_INIT;
	struct stat st;

	at = open(*state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 520; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0700), 0);
		next = openat(at, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	assert_int_equal(fs_group_apply(root, &group, false, &err), -ELOOP);
	assert_non_null(strstr(err.msg, "deep"));
	assert_int_equal(fstat(root, &st), 0);
	assert_int_not_equal(st.st_gid, GROUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_but_links_go_to_the_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_root_that_matches_ends_it_by_policy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			too_deep_is_an_error_and_leaves_the_root, set_up, tear_down),
	};

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
