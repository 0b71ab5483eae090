/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of small trees that follow them. */
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

#include "agent/storage/mirror.h"
#include "agent/storage/watchable.h"
#include "base/io.h"
#include "base/path.h"

struct rig {
	char dir[64];
	int from, to;
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	int dir;

	snprintf(rig->dir, sizeof(rig->dir), "/tmp/test_mirror.XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	dir = open(rig->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir, "from", 0755), 0);
	assert_int_equal(mkdirat(dir, "to", 0755), 0);
	rig->from = openat(dir, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig->to = openat(dir, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(dir);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	int r = path_remove_tree(AT_FDCWD, rig->dir);

	close(rig->from);
	close(rig->to);
	free(rig);
	return r;
}

static void put(int dir, const char *name, const char *text)
{
	assert_int_equal(io_replace_file(dir, name, 0640, text, strlen(text)), 0);
}

static void put_link(int dir, const char *name, const char *to)
{
	assert_int_equal(symlinkat(to, dir, ".new"), 0);
	assert_int_equal(renameat(dir, ".new", dir, name), 0);
}

static void put_dir(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
}

static bool has(int dir, const char *name, const char *text)
{
	struct buf b = BUF_INIT;
	bool same = io_read_file(dir, name, 1 << 20, &b) == 0 && strcmp(buf_str(&b), text) == 0;

	buf_fini(&b);
	return same;
}

static bool is_there(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void update(struct rig *rig, struct mirror_dirs *dirs)
{
	struct err err = ERR_INIT;

	if (mirror_update(rig->from, rig->to, dirs, &err) < 0)
		fail_msg("%s", err.msg);
	assert_false(is_there(rig->to, ".kata-mirror"));
}

/* As the kubelet writes one. */
static void put_config_map(struct rig *rig, const char *version, const char *text)
{
	char path[64];

	put_dir(rig->from, version);
	snprintf(path, sizeof(path), "%s/key", version);
	put(rig->from, path, text);
	put_link(rig->from, "..data", version);
	put_link(rig->from, "key", "..data/key");
}

static void a_config_map_is_followed(void **state)
{
	struct rig *rig = *state;
	struct mirror_dirs dirs;

	put_config_map(rig, "..1", "one");
	update(rig, &dirs);
	assert_true(has(rig->to, "key", "one"));
	assert_int_equal(dirs.n, 2);
	assert_string_equal(dirs.names, ".");
	assert_string_equal(dirs.names + 2, "..1");
	put_config_map(rig, "..2", "two");
	assert_int_equal(path_remove_tree(rig->from, "..1"), 0);
	update(rig, &dirs);
	assert_true(has(rig->to, "key", "two"));
	assert_false(is_there(rig->to, "..1"));
	put(rig->from, "..2/second", "x");
	put_link(rig->from, "second", "..data/second");
	assert_int_equal(unlinkat(rig->from, "key", 0), 0);
	update(rig, NULL);
	assert_true(has(rig->to, "second", "x"));
	assert_false(is_there(rig->to, "key"));
}

static ino_t inode_of(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static void only_what_has_changed_is_copied(void **state)
{
	const struct timespec times[] = {{.tv_sec = 5}, {.tv_sec = 7}};
	struct rig *rig = *state;
	struct stat st;
	ino_t a, b, link;

	put(rig->from, "a", "same");
	put(rig->from, "b", "text");
	put_link(rig->from, "link", "a");
	assert_int_equal(utimensat(rig->from, "a", times, 0), 0);
	update(rig, NULL);
	a = inode_of(rig->to, "a");
	b = inode_of(rig->to, "b");
	link = inode_of(rig->to, "link");
	/* As long, but later. */
	put(rig->from, "b", "next");
	assert_int_equal(utimensat(rig->from, "b", times, 0), 0);
	update(rig, NULL);
	assert_int_equal(inode_of(rig->to, "a"), a);
	assert_int_equal(inode_of(rig->to, "link"), link);
	assert_int_not_equal(inode_of(rig->to, "b"), b);
	assert_true(has(rig->to, "b", "next"));
	assert_int_equal(fstatat(rig->to, "a", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 7);
	/* Attributes alone. */
	assert_int_equal(fchmodat(rig->from, "a", 0400, 0), 0);
	update(rig, NULL);
	assert_int_equal(fstatat(rig->to, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
}

static void what_changes_its_type_is_replaced(void **state)
{
	struct rig *rig = *state;

	put_dir(rig->from, "x");
	put(rig->from, "x/inside", "1");
	put(rig->from, "y", "file");
	put_link(rig->from, "z", "y");
	update(rig, NULL);
	assert_int_equal(path_remove_tree(rig->from, "x"), 0);
	assert_int_equal(unlinkat(rig->from, "y", 0), 0);
	assert_int_equal(unlinkat(rig->from, "z", 0), 0);
	put_link(rig->from, "x", "nowhere");
	put_dir(rig->from, "y");
	put(rig->from, "z", "now");
	update(rig, NULL);
	assert_true(is_there(rig->to, "x"));
	assert_false(is_there(rig->to, "x/inside"));
	assert_int_equal(unlinkat(rig->to, "y", AT_REMOVEDIR), 0);
	assert_true(has(rig->to, "z", "now"));
}

/* The container may have written into its copy. */
static void a_link_in_the_copy_leads_nowhere(void **state)
{
	struct rig *rig = *state;

	put_dir(rig->from, "d");
	put(rig->from, "d/file", "good");
	update(rig, NULL);
	assert_int_equal(path_remove_tree(rig->to, "d"), 0);
	assert_int_equal(symlinkat("../from", rig->to, "d"), 0);
	put(rig->from, "victim", "untouched");
	assert_int_equal(symlinkat("../from/victim", rig->to, "victim"), 0);
	assert_int_equal(symlinkat("../from/victim", rig->to, ".kata-mirror"), 0);
	update(rig, NULL);
	assert_true(has(rig->to, "d/file", "good"));
	assert_false(is_there(rig->from, "file"));
	assert_true(has(rig->from, "victim", "untouched"));
	assert_int_not_equal(inode_of(rig->from, "victim"), inode_of(rig->to, "victim"));
}

static void links_of_the_source_are_not_followed(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(symlinkat("/etc", rig->from, "etc"), 0);
	assert_int_equal(mkfifoat(rig->from, "fifo", 0600), 0);
	update(rig, NULL);
	assert_false(is_there(rig->to, "fifo"));
	assert_int_equal(unlinkat(rig->to, "etc", 0), 0);
}

static void too_much_is_refused_and_changes_nothing(void **state)
{
	static char big[MIRROR_MAX_SIZE + 2];
	struct rig *rig = *state;
	char name[64];

	memset(big, 'x', sizeof(big) - 1);
	for (int i = 0; i < MIRROR_MAX_FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(rig->from, name, "");
	}
	update(rig, NULL);
	put(rig->from, "one-more", "");
	assert_int_equal(mirror_update(rig->from, rig->to, NULL, NULL), -EFBIG);
	assert_false(is_there(rig->to, "one-more"));
	assert_int_equal(unlinkat(rig->from, "one-more", 0), 0);
	big[MIRROR_MAX_SIZE] = '\0';
	put(rig->from, "f0", big);
	update(rig, NULL);
	put(rig->from, "f1", "1");
	assert_int_equal(mirror_update(rig->from, rig->to, NULL, NULL), -EFBIG);
	big[MIRROR_MAX_SIZE] = 'x';
	put(rig->from, "f1", "");
	put(rig->from, "f0", big);
	assert_int_equal(mirror_update(rig->from, rig->to, NULL, NULL), -EFBIG);
	put(rig->from, "f0", "");
	update(rig, NULL);
	snprintf(name, sizeof(name), "d");
	for (int i = 0; i <= MIRROR_MAX_DEPTH; i++) {
		put_dir(rig->from, name);
		snprintf(name + strlen(name), 3, "/d");
	}
	assert_int_equal(mirror_update(rig->from, rig->to, NULL, NULL), -EFBIG);
}

static void many_directories_are_too_much(void **state)
{
	struct rig *rig = *state;
	struct mirror_dirs dirs;
	char name[16];

	for (int i = 1; i < MIRROR_MAX_DIRS; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		put_dir(rig->from, name);
	}
	update(rig, &dirs);
	assert_int_equal(dirs.n, MIRROR_MAX_DIRS);
	put_dir(rig->from, "another");
	assert_int_equal(mirror_update(rig->from, rig->to, NULL, NULL), -EFBIG);
}

static void copies_stand_where_they_may(void **state)
{
	static const char run[] = "/run/kata-containers";
	static const struct {
		const char *path, *parent;
	} rows[] = {
		{"/run/kata-containers/shared/containers/watchable/a",
			"/run/kata-containers/shared/containers/watchable"},
		{"/run/kata-containers/shared/containers/passthrough/watchable/a",
			"/run/kata-containers/shared/containers/passthrough/watchable"},
		{"/run/user/1000/run/kata-containers/shared/containers/watchable/a",
			"/run/user/1000/run/kata-containers/shared/containers/watchable"},
		{"//run//kata-containers/shared/containers/watchable//..a/",
			"//run//kata-containers/shared/containers/watchable"},
		{"/run/kata-containers/shared/containers/watchable", NULL},
		{"/run/kata-containers/shared/containers/watchable/", NULL},
		{"/run/kata-containers/shared/containers/watchable/.", NULL},
		{"/run/kata-containers/shared/containers/watchable/..", NULL},
		{"/run/kata-containers/shared/containers/watchable/a/b", NULL},
		{"/run/kata-containers/shared/containers/watchable2/a", NULL},
		{"/run/kata-containers/shared/containers/./watchable/a", NULL},
		{"/run/kata-containers/shared/containers/x/watchable/a", NULL},
		{"/run/kata-containers/watchable/a", NULL},
		{"/run/user/0/run/kata-containers/shared/containers/watchable/a", NULL},
		{"/run/user/01/run/kata-containers/shared/containers/watchable/a", NULL},
		{"/run/user/+1/run/kata-containers/shared/containers/watchable/a", NULL},
		{"/run/user//run/kata-containers/shared/containers/watchable/a", NULL},
		{"/run/user/4294967295/run/kata-containers/shared/containers/watchable/a", NULL},
		{"run/kata-containers/shared/containers/watchable/a", NULL},
		{"/", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = watchable_parent_len(rows[i].path, run);

		if (len != (rows[i].parent ? strlen(rows[i].parent) : 0) ||
			(rows[i].parent && memcmp(rows[i].path, rows[i].parent, len) != 0))
			fail_msg("row %zu: %zu", i, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_config_map_is_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_what_has_changed_is_copied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_changes_its_type_is_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_link_in_the_copy_leads_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			links_of_the_source_are_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			too_much_is_refused_and_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_directories_are_too_much, set_up, tear_down),
		cmocka_unit_test(copies_stand_where_they_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
