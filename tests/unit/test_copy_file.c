/* SPDX-License-Identifier: Apache-2.0 */
/* CopyFile on a directory of its own, with what a hostile host or container may have put there. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/copy_file.h"
#include "base/io.h"
#include "base/path.h"
#include "wire/status.h"

enum { PATH_SIZE = 256, OWNER = 1234, GROUP = 5678 };

static char dir[64], base[128];
static struct err err;

static const char *in_base(const char *path)
{
	static char text[2][PATH_SIZE];
	static unsigned n;
	char *at = text[n++ % 2];

	snprintf(at, PATH_SIZE, "%s/%s", base, path);
	return at;
}

struct chunk {
	const char *path; /* below the base unless it starts with "/" */
	const char *data;
	uint32_t mode;
	int64_t size, offset;
	int32_t uid, gid;
};

static int copy(const struct chunk *chunk)
{
	Grpc__CopyFileRequest request = GRPC__COPY_FILE_REQUEST__INIT;
	char path[PATH_SIZE], data[PATH_SIZE];

	snprintf(
		path, sizeof(path), "%s", *chunk->path == '/' ? chunk->path : in_base(chunk->path));
	snprintf(data, sizeof(data), "%s", chunk->data ? chunk->data : "");
	request.path = path;
	request.data = (ProtobufCBinaryData){.data = (uint8_t *)data, .len = strlen(data)};
	request.file_size = chunk->size;
	request.offset = chunk->offset;
	request.file_mode = chunk->mode;
	/* As Go hosts send it: os.ModeDir is bit 31. */
	request.dir_mode = 0x80000000U | 0750;
	request.uid = chunk->uid;
	request.gid = chunk->gid;
	err = (struct err)ERR_INIT;
	return copy_file(base, &request, &err);
}

static int copy_whole(const char *path, const char *data, uint32_t mode)
{
	return copy(&(struct chunk){path, data, mode, (int64_t)strlen(data), 0, 0, 0});
}

static void expect_file(const char *path, const char *text, mode_t mode)
{
	auto_buf struct buf b = BUF_INIT;
	struct stat st;

	assert_int_equal(lstat(in_base(path), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | mode);
	assert_int_equal(io_read_file(AT_FDCWD, in_base(path), 4096, &b), 0);
	assert_string_equal(buf_str(&b), text);
}

static void expect_nothing(const char *path)
{
	struct stat st;

	if (lstat(in_base(path), &st) == 0)
		fail_msg("%s is there", path);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/kihon-copy.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(base, sizeof(base), "%s/shared/containers", dir);
	umask(077);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(umask(022), 077);
	return path_remove_tree(AT_FDCWD, dir);
}

static void a_file_comes_whole(void **state)
{
	struct chunk chunk = {"c1/conf/f", "hello", S_IFREG | 04755, 5, 0, OWNER, GROUP};
	struct stat st;

	(void)state;
	assert_int_equal(copy(&chunk), 0);
	expect_file("c1/conf/f", "hello", 04755);
	assert_int_equal(stat(in_base("c1/conf/f"), &st), 0);
	assert_int_equal(st.st_uid, OWNER);
	assert_int_equal(st.st_gid, GROUP);
	/* The directory that holds it, and no other. */
	assert_int_equal(stat(in_base("c1/conf"), &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	assert_int_equal(st.st_uid, OWNER);
	assert_int_equal(stat(in_base("c1"), &st), 0);
	assert_int_equal(st.st_uid, 0);
	expect_nothing("c1/conf/.kata-copy-f");
	chunk.path = "f";
	assert_int_equal(copy(&chunk), 0);
	assert_int_equal(stat(base, &st), 0);
	assert_int_equal(st.st_uid, 0);
}

static void modes_and_owners_are_taken_as_they_are(void **state)
{
	static const uint32_t modes[] = {0, 0644, S_IFREG, S_IFREG | 07777};
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(copy_whole("f", "", modes[i]), 0);
		expect_file("f", "", modes[i] & 07777);
	}
	/* 32 bits of a user id, as an int32. */
	assert_int_equal(copy(&(struct chunk){"f", "", 0644, 0, 0, INT32_MIN, -2}), 0);
	assert_int_equal(stat(in_base("f"), &st), 0);
	assert_int_equal(st.st_uid, 0x80000000U);
	assert_int_equal(st.st_gid, 0xfffffffeU);
}

static void a_file_comes_in_chunks_and_is_seen_when_whole(void **state)
{
	struct chunk chunk = {"d/f", "abc", 0644, 8, 0, OWNER, GROUP};
	struct stat st;

	(void)state;
	assert_int_equal(copy_whole("d/f", "old", 0600), 0);
	assert_int_equal(copy(&chunk), 0);
	expect_file("d/f", "old", 0600);
	assert_int_equal(stat(in_base("d/.kata-copy-f"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_uid, 0);
	/* Sent twice, it is the same; then one that overlaps. */
	assert_int_equal(copy(&chunk), 0);
	chunk.offset = 2;
	chunk.data = "CD";
	assert_int_equal(copy(&chunk), 0);
	expect_file("d/f", "old", 0600);
	chunk.offset = 4;
	chunk.data = "efgh";
	assert_int_equal(copy(&chunk), 0);
	expect_file("d/f", "abCDefgh", 0644);
	expect_nothing("d/.kata-copy-f");
}

static void chunks_out_of_order_are_refused(void **state)
{
	struct chunk chunk = {"d/f", "abc", 0644, 9, 3, 0, 0};

	(void)state;
	assert_int_equal(copy(&chunk), -EINVAL);
	assert_non_null(strstr(err.msg, "without one before it"));
	expect_nothing("d");
	chunk.offset = 0;
	assert_int_equal(copy(&chunk), 0);
	chunk.offset = 4;
	assert_int_equal(copy(&chunk), -EINVAL);
	assert_non_null(strstr(err.msg, "missing before this one"));
	expect_nothing("d/.kata-copy-f");
	/* It was to be larger. */
	chunk.offset = 0;
	assert_int_equal(copy(&chunk), 0);
	chunk.data = "x";
	chunk.offset = 1;
	chunk.size = 2;
	assert_int_equal(copy(&chunk), -EINVAL);
	assert_non_null(strstr(err.msg, "larger file"));
	expect_nothing("d/f");
	expect_nothing("d/.kata-copy-f");
}

static void names_that_differ_in_the_extension_do_not_meet(void **state)
{
	(void)state;
	assert_int_equal(copy(&(struct chunk){"a.txt", "t", 0644, 2, 0, 0, 0}), 0);
	assert_int_equal(copy(&(struct chunk){"a.json", "j", 0644, 2, 0, 0, 0}), 0);
	assert_int_equal(copy(&(struct chunk){"a.txt", "T", 0644, 2, 1, 0, 0}), 0);
	assert_int_equal(copy(&(struct chunk){"a.json", "J", 0644, 2, 1, 0, 0}), 0);
	expect_file("a.txt", "tT", 0644);
	expect_file("a.json", "jJ", 0644);
}

static void directories_keep_what_they_hold(void **state)
{
	struct chunk chunk = {"d", "", S_IFDIR | 01777, 0, 0, OWNER, GROUP};
	struct stat st;

	(void)state;
	assert_int_equal(copy(&chunk), 0);
	assert_int_equal(stat(in_base("d"), &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 01777);
	assert_int_equal(st.st_uid, OWNER);
	assert_int_equal(copy_whole("d/f", "x", 0644), 0);
	chunk.mode = S_IFDIR | 02500;
	chunk.uid = 7;
	assert_int_equal(copy(&chunk), 0);
	assert_int_equal(stat(in_base("d"), &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 02500);
	assert_int_equal(st.st_uid, 7);
	expect_file("d/f", "x", 0644);
}

static void links_are_made_with_any_target(void **state)
{
	struct chunk chunk = {"..data", "/etc/passwd", S_IFLNK | 0777, 0, 0, OWNER, GROUP};
	char target[PATH_SIZE] = "";
	struct stat st;

	(void)state;
	assert_int_equal(copy(&chunk), 0);
	assert_int_equal(lstat(in_base("..data"), &st), 0);
	assert_int_equal(st.st_uid, OWNER);
	assert_int_equal(readlink(in_base("..data"), target, sizeof(target) - 1), 11);
	assert_string_equal(target, "/etc/passwd");
	chunk.data = "..2026/x";
	assert_int_equal(copy(&chunk), 0);
	memset(target, 0, sizeof(target));
	assert_int_equal(readlink(in_base("..data"), target, sizeof(target) - 1), 8);
	assert_string_equal(target, "..2026/x");
	chunk.data = "";
	assert_int_equal(copy(&chunk), -EINVAL);
	assert_int_equal(lstat(in_base("..data"), &st), 0);
}

static void each_kind_replaces_each_other(void **state)
{
	static const uint32_t kinds[] = {S_IFREG | 0644, S_IFDIR | 0755, S_IFLNK | 0777};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct stat st;

			assert_int_equal(copy_whole("d/x", "t", kinds[i]), 0);
			if (S_ISDIR(kinds[i]))
				assert_int_equal(copy_whole("d/x/y/z", "t", 0644), 0);
			assert_int_equal(copy_whole("d/x", "t", kinds[k]), 0);
			assert_int_equal(lstat(in_base("d/x"), &st), 0);
			assert_int_equal(st.st_mode, kinds[k]);
			expect_nothing("d/.kata-copy-x");
			assert_int_equal(path_remove_tree(AT_FDCWD, in_base("d")), 0);
		}
}

static void hostile_numbers_are_refused(void **state)
{
	static const struct chunk rows[] = {
		{"d/f", "", S_IFIFO | 0644, 0, 0, 0, 0},
		{"d/f", "", S_IFSOCK | 0644, 0, 0, 0, 0},
		{"d/f", "", S_IFCHR | 0644, 0, 0, 0, 0},
		/* Upstream takes it for a directory. */
		{"d/f", "", S_IFBLK | 0644, 0, 0, 0, 0},
		{"d/f", "", 0200644, 0, 0, 0, 0},
		{"d/f", "", UINT32_MAX, 0, 0, 0, 0},
		{"d/f", "abc", 0644, -1, 0, 0, 0},
		{"d/f", "abc", 0644, INT64_MIN, 0, 0, 0},
		{"d/f", "abc", 0644, 3, -1, 0, 0},
		{"d/f", "abc", 0644, 2, 0, 0, 0},
		{"d/f", "abc", 0644, 3, 1, 0, 0},
		{"d/f", "abc", 0644, 3, 4, 0, 0},
		{"d/f", "abc", 0644, INT64_MAX, INT64_MAX, 0, 0},
		{"d/f", "abc", 0644, INT64_MAX, INT64_MAX - 2, 0, 0},
		{"d/f", "", 0644, 0, 0, -1, 0},
		{"d/f", "", 0644, 0, 0, 0, -1},
		{"d/f", "", S_IFDIR | 0755, 9, 3, 0, 0},
		{"d/f", "t", S_IFLNK | 0777, 9, 3, 0, 0},
		{"/etc/kihon-test", "", 0644, 0, 0, 0, 0},
		{"../kihon-test", "", 0644, 0, 0, 0, 0},
		{"d/../../kihon-test", "", 0644, 0, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(copy(&rows[i]), -EINVAL);
		assert_int_equal(wire_status_of(&err), WIRE_INVALID_ARGUMENT);
		expect_nothing("");
	}
	assert_int_not_equal(access("/etc/kihon-test", F_OK), 0);
}

static void a_target_with_a_nul_is_none(void **state)
{
	Grpc__CopyFileRequest request = GRPC__COPY_FILE_REQUEST__INIT;
	char path[PATH_SIZE];
	static uint8_t data[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/l", base);
	request.path = path;
	request.file_mode = S_IFLNK | 0777;
	request.data = (ProtobufCBinaryData){.data = data, .len = 3};
	memcpy(data, "a\0b", 3);
	assert_int_equal(copy_file(base, &request, NULL), -EINVAL);
	memset(data, 'a', sizeof(data));
	request.data.len = sizeof(data);
	assert_int_equal(copy_file(base, &request, NULL), -EINVAL);
	request.data.len = sizeof(data) - 1;
	assert_int_equal(copy_file(base, &request, NULL), 0);
	request.path = NULL;
	assert_int_equal(copy_file(base, &request, NULL), -EINVAL);
}

/* Links to a directory outside, each a way that does not lead there. */
static void links_on_the_way_lead_nowhere_else(void **state)
{
	char outside[PATH_SIZE], up[PATH_SIZE], magic[] = "/proc/self/root";
	const char *const targets[] = {outside, up, magic, "../../../../../../../..", "loop"};

	(void)state;
	snprintf(outside, sizeof(outside), "%s/outside", dir);
	snprintf(up, sizeof(up), "../../outside");
	assert_int_equal(mkdir(outside, 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		assert_int_equal(copy_whole("loop", targets[i], S_IFLNK | 0777), 0);
		/* The last of them but one is the base itself, which is a place to be. */
		(void)copy_whole("loop/f", "x", 0644);
		(void)copy_whole("loop/d/f", "x", 0644);
		(void)copy_whole("loop/d", "", S_IFDIR | 0755);
		assert_int_equal(rmdir(outside), 0);
		assert_int_equal(mkdir(outside, 0755), 0);
		assert_int_not_equal(access("/f", F_OK), 0);
	}
	/* As the last component they are replaced, never followed. */
	assert_int_equal(copy_whole("l", outside, S_IFLNK | 0777), 0);
	assert_int_equal(copy_whole("l", "x", 0644), 0);
	expect_file("l", "x", 0644);
	assert_int_equal(rmdir(outside), 0);
}

static void links_within_the_base_are_followed_on_the_way(void **state)
{
	(void)state;
	assert_int_equal(copy_whole("real", "", S_IFDIR | 0755), 0);
	assert_int_equal(copy_whole("link", "/real", S_IFLNK | 0777), 0);
	assert_int_equal(copy_whole("link/d/f", "x", 0644), 0);
	expect_file("real/d/f", "x", 0644);
}

/* By a container that can write there. */
static void a_false_temporary_file_is_not_written_to(void **state)
{
	char victim[PATH_SIZE];
	struct chunk chunk = {"d/f", "b", 0644, 2, 1, 0, 0};
	struct stat st;

	(void)state;
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	assert_int_equal(io_replace_file(AT_FDCWD, victim, 0644, "v", 1), 0);
	assert_int_equal(copy_whole("d", "", S_IFDIR | 0755), 0);
	assert_int_equal(symlink(victim, in_base("d/.kata-copy-f")), 0);
	assert_true(copy(&chunk) < 0);
	assert_int_equal(link(victim, in_base("d/.kata-copy-f")), 0);
	assert_true(copy(&chunk) < 0);
	assert_int_equal(mkfifo(in_base("d/.kata-copy-f"), 0644), 0);
	assert_true(copy(&chunk) < 0);
	assert_int_equal(symlink(victim, in_base("d/.kata-copy-f")), 0);
	assert_int_equal(copy_whole("d/f", "ab", 0644), 0);
	expect_file("d/f", "ab", 0644);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 1);
}

static void what_fails_leaves_nothing(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(copy(&(struct chunk){"f", "x", 0644, 1, 0, 3, 3}), 0);
	assert_int_equal(copy(&(struct chunk){"f/sub/f", "x", 0644, 1, 0, 0, 0}), -ENOTDIR);
	expect_file("f", "x", 0644);
	/* New directories for a chunk that comes too early; an old one keeps its owner. */
	assert_int_equal(copy(&(struct chunk){"a/b/c/f", "x", 0644, 2, 1, 9, 9}), -EINVAL);
	expect_nothing("a");
	assert_int_equal(copy(&(struct chunk){"a", "", S_IFDIR | 0755, 0, 0, 5, 5}), 0);
	assert_int_equal(copy(&(struct chunk){"a/f", "x", 0644, 2, 1, 9, 9}), -EINVAL);
	assert_int_equal(stat(in_base("a"), &st), 0);
	assert_int_equal(st.st_uid, 5);
}

#define copy_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		copy_test(a_file_comes_whole),
		copy_test(modes_and_owners_are_taken_as_they_are),
		copy_test(a_file_comes_in_chunks_and_is_seen_when_whole),
		copy_test(chunks_out_of_order_are_refused),
		copy_test(names_that_differ_in_the_extension_do_not_meet),
		copy_test(directories_keep_what_they_hold),
		copy_test(links_are_made_with_any_target),
		copy_test(each_kind_replaces_each_other),
		copy_test(hostile_numbers_are_refused),
		copy_test(a_target_with_a_nul_is_none),
		copy_test(links_on_the_way_lead_nowhere_else),
		copy_test(links_within_the_base_are_followed_on_the_way),
		copy_test(a_false_temporary_file_is_not_written_to),
		copy_test(what_fails_leaves_nothing),
	};

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
