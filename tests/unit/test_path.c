/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/path.h"

/* dir holds root/, what the calls may touch, and outside/, what they may not. */
struct fixture {
	char dir[64];
	int dir_fd, root_fd;
};

static void make_file(int dir_fd, const char *path, const char *text)
{
	auto_fd int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int set_up(void **state)
{
	static struct fixture f;

	snprintf(f.dir, sizeof(f.dir), "/tmp/test_path.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	f.dir_fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(f.dir_fd, "root", 0755), 0);
	assert_int_equal(mkdirat(f.dir_fd, "outside", 0755), 0);
	make_file(f.dir_fd, "outside/secret", "outside");
	f.root_fd = openat(f.dir_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(f.root_fd >= 0);
	make_file(f.root_fd, "file", "inside");
	assert_int_equal(mkdirat(f.root_fd, "a", 0755), 0);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->root_fd);
	close(f->dir_fd);
	return path_remove_tree(AT_FDCWD, f->dir);
}

static bool exists(int dir_fd, const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void check_outside_is_untouched(const struct fixture *f)
{
	struct stat st;

	assert_int_equal(fstatat(f->dir_fd, "outside/secret", &st, 0), 0);
	assert_int_equal(st.st_size, 7);
	assert_int_equal(fstatat(f->dir_fd, "outside", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2); /* no directory was made in it */
}

/* Both are the same file. */
static void check_same(int fd, int dir_fd, const char *path)
{
	struct stat a, b;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstatat(dir_fd, path, &b, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static void check_opens(const struct fixture *f, const char *path, const char *what)
{
	auto_fd int fd = path_open_in_root(f->root_fd, path, O_PATH, 0);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	check_same(fd, f->root_fd, what);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void dots_and_links_stay_inside_the_root(void **state)
{
	static const struct {
		const char *target, *path, *what;
	} rows[] = {
		{NULL, "", "."},
		{NULL, "/", "."},
		{NULL, "..", "."},
		{NULL, "../../../file", "file"},
		{NULL, "a/../../file", "file"},
		{NULL, "//a//..//file", "file"},
		{"/file", "link", "file"},
		{"../../file", "link", "file"},
		{"/", "link/../../file", "file"},
		{"/a", "link/../file", "file"},
		{"..", "a/../link/file", "file"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)unlinkat(f->root_fd, "link", 0);
		if (rows[i].target)
			assert_int_equal(symlinkat(rows[i].target, f->root_fd, "link"), 0);
		check_opens(f, rows[i].path, rows[i].what);
	}
	(void)unlinkat(f->root_fd, "link", 0);
}

static void what_lies_outside_is_not_reached(void **state)
{
	struct fixture *f = *state;
	char target[128];

	assert_int_equal(path_open_in_root(f->root_fd, "../outside/secret", O_RDONLY, 0), -ENOENT);
	snprintf(target, sizeof(target), "%s/outside", f->dir);
	assert_int_equal(symlinkat(target, f->root_fd, "link"), 0);
	assert_int_equal(path_open_in_root(f->root_fd, "link/secret", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_mkdir_in_root(f->root_fd, "link/made", 0755), -ENOENT);
	assert_int_equal(path_create_in_root(f->root_fd, "link/made", 0755), -ENOENT);
	assert_int_equal(path_create_in_root(f->root_fd, "link", 0755), -ENOENT);
	assert_int_equal(path_open_in_root(f->root_fd, target, O_PATH, 0), -ENOENT);
	assert_int_equal(unlinkat(f->root_fd, "link", 0), 0);
	check_outside_is_untouched(f);
}

static void magic_links_and_loops_are_refused(void **state)
{
	struct fixture *f = *state;
	auto_fd int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char link[32];

	snprintf(link, sizeof(link), "fd/%d", f->dir_fd);
	assert_int_equal(path_open_in_root(proc, link, O_PATH, 0), -ELOOP);
	assert_int_equal(path_open_in_root(proc, "root/etc", O_PATH, 0), -ELOOP);
	assert_int_equal(symlinkat("loop", f->root_fd, "loop"), 0);
	assert_int_equal(path_open_in_root(f->root_fd, "loop", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_mkdir_in_root(f->root_fd, "loop/x", 0755), -ELOOP);
	assert_int_equal(unlinkat(f->root_fd, "loop", 0), 0);
}

static void directories_are_made_inside_through_links(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int fd;

	assert_int_equal(symlinkat("/a", f->root_fd, "abs"), 0);
	fd = path_mkdir_in_root(f->root_fd, "/abs/b//c/", 0700);
	check_same(fd, f->root_fd, "a/b/c");
	close_fd(fd);
	fd = path_mkdir_in_root(f->root_fd, "abs/../../../x/../y", 0755);
	check_same(fd, f->root_fd, "y");
	close_fd(fd);
	assert_true(exists(f->root_fd, "x"));
	assert_int_equal(fstatat(f->root_fd, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	fd = path_mkdir_in_root(f->root_fd, "", 0755);
	check_same(fd, f->root_fd, ".");
	close_fd(fd);
	assert_int_equal(path_mkdir_in_root(f->root_fd, "file", 0755), -ENOTDIR);
	assert_int_equal(path_mkdir_in_root(f->root_fd, "file/x", 0755), -ENOTDIR);
	/* A dangling link is not filled in where it points to. */
	assert_int_equal(symlinkat("nowhere", f->root_fd, "dangling"), 0);
	assert_int_equal(path_mkdir_in_root(f->root_fd, "dangling/x", 0755), -ENOENT);
	assert_false(exists(f->root_fd, "nowhere"));
	check_outside_is_untouched(f);
}

static void files_are_made_with_their_parents(void **state)
{
	struct fixture *f = *state;
	int fd = path_create_in_root(f->root_fd, "/new/dir/target", 0755);

	check_same(fd, f->root_fd, "new/dir/target");
	close_fd(fd);
	fd = path_create_in_root(f->root_fd, "new/dir/target", 0755);
	check_same(fd, f->root_fd, "new/dir/target");
	close_fd(fd);
	fd = path_create_in_root(f->root_fd, "plain", 0755);
	check_same(fd, f->root_fd, "plain");
	close_fd(fd);
	assert_int_equal(path_create_in_root(f->root_fd, "none/", 0755), -EISDIR);
	assert_int_equal(path_create_in_root(f->root_fd, "file/x", 0755), -ENOTDIR);
	assert_int_equal(symlinkat("nowhere", f->root_fd, "gone"), 0);
	assert_int_equal(path_create_in_root(f->root_fd, "gone", 0755), -ENOENT);
	assert_false(exists(f->root_fd, "nowhere"));
}

static void trusted_directories_are_made_in_full(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/p//q/r/", f->dir);
	assert_int_equal(path_mkdir(path, 0755), 0);
	assert_int_equal(path_mkdir(path, 0755), 0);
	assert_true(exists(f->dir_fd, "p/q/r"));
	snprintf(path, sizeof(path), "%s/outside/secret/x", f->dir);
	assert_int_equal(path_mkdir(path, 0755), -ENOTDIR);
	assert_int_equal(path_mkdir("/", 0755), 0);
}

static void a_tree_is_removed_without_following_links(void **state)
{
	struct fixture *f = *state;
	char target[128];

	snprintf(target, sizeof(target), "%s/outside", f->dir);
	assert_int_equal(mkdirat(f->dir_fd, "tree", 0755), 0);
	assert_int_equal(mkdirat(f->dir_fd, "tree/sub", 0755), 0);
	make_file(f->dir_fd, "tree/sub/x", "");
	assert_int_equal(symlinkat(target, f->dir_fd, "tree/link"), 0);
	assert_int_equal(symlinkat("../../outside/secret", f->dir_fd, "tree/sub/link"), 0);
	assert_int_equal(mkfifoat(f->dir_fd, "tree/fifo", 0600), 0);
	assert_int_equal(path_remove_tree(f->dir_fd, "tree"), 0);
	assert_false(exists(f->dir_fd, "tree"));
	check_outside_is_untouched(f);
	/* A link as the thing itself: the link goes. */
	assert_int_equal(symlinkat(target, f->dir_fd, "link"), 0);
	assert_int_equal(path_remove_tree(f->dir_fd, "link"), 0);
	assert_false(exists(f->dir_fd, "link"));
	check_outside_is_untouched(f);
}

static void what_is_not_there_is_removed_already(void **state)
{
	struct fixture *f = *state;
	char path[128];

	assert_int_equal(path_remove_tree(f->dir_fd, "none"), 0);
	snprintf(path, sizeof(path), "%s/none/x", f->dir);
	assert_int_equal(path_remove_tree(AT_FDCWD, path), 0);
	snprintf(path, sizeof(path), "%s/a/", f->dir);
	assert_int_equal(path_remove_tree(AT_FDCWD, path), -EINVAL);
	make_file(f->dir_fd, "single", "");
	snprintf(path, sizeof(path), "%s/single", f->dir);
	assert_int_equal(path_remove_tree(AT_FDCWD, path), 0);
	assert_false(exists(f->dir_fd, "single"));
}

/* Deeper than fds would reach, with the names in the way that the removal would like to use. */
static void a_tree_of_any_depth_is_removed(void **state)
{
	enum { DEPTH = 3000 };
	struct fixture *f = *state;
	int fd;

	assert_int_equal(mkdirat(f->dir_fd, "deep", 0755), 0);
	fd = openat(f->dir_fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_file(fd, ".remove-0", "");
	assert_int_equal(mkdirat(fd, ".remove-1", 0755), 0);
	for (int i = 0; i < DEPTH; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		make_file(fd, "f", "");
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(path_remove_tree(f->dir_fd, "deep"), 0);
	assert_false(exists(f->dir_fd, "deep"));
}

/* In a child with a mount namespace of its own; returns what failed, 0 if nothing. */
static int check_mounts(const struct fixture *f)
{
	/* f->dir_fd is in the old namespace's mount, where there is nothing on top. */
	auto_fd int dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/outside", f->dir);
	snprintf(to, sizeof(to), "%s/mounts/m", f->dir);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount(from, to, NULL, MS_BIND, NULL) < 0)
		return 1;
	if (path_remove_tree(dir_fd, "mounts") != -EXDEV)
		return 2;
	if (!exists(dir_fd, "outside/secret"))
		return 3;
	if (exists(dir_fd, "mounts/x") || exists(dir_fd, "mounts/z"))
		return 4;
	if (path_remove_tree(dir_fd, "mounts/m") != -EXDEV)
		return 5;
	if (umount2(to, MNT_DETACH) < 0 || path_remove_tree(dir_fd, "mounts") != 0)
		return 6;
	return exists(dir_fd, "mounts") ? 7 : 0;
}

static void a_mount_is_never_entered(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdirat(f->dir_fd, "mounts", 0755), 0);
	assert_int_equal(mkdirat(f->dir_fd, "mounts/m", 0755), 0);
	make_file(f->dir_fd, "mounts/x", "");
	assert_int_equal(mkdirat(f->dir_fd, "mounts/z", 0755), 0);
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWNS) < 0 ? 77 : check_mounts(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void ids_are_what_upstream_allows(void **state)
{
	char longest[130];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[128] = '\0';
	assert_true(path_is_valid_id(longest));
	longest[128] = 'a';
	longest[129] = '\0';
	assert_false(path_is_valid_id(longest));
	assert_true(path_is_valid_id("a0"));
	assert_true(path_is_valid_id("0_.-A"));
	assert_false(path_is_valid_id(NULL));
	assert_false(path_is_valid_id(""));
	assert_false(path_is_valid_id("a"));
	assert_true(path_is_valid_exec_id("a"));
	assert_false(path_is_valid_exec_id("."));
	assert_false(path_is_valid_exec_id(""));
	assert_false(path_is_valid_exec_id("a/b"));
	assert_false(path_is_valid_id(".."));
	assert_false(path_is_valid_id("-a"));
	assert_false(path_is_valid_id("_a"));
	assert_false(path_is_valid_id("a/b"));
	assert_false(path_is_valid_id("a b"));
	assert_false(path_is_valid_id("a\n"));
	assert_false(path_is_valid_id("a\xc3\xa9"));
	assert_false(path_is_valid_id("../a"));
}

static void an_fd_has_a_path(void **state)
{
	struct fixture *f = *state;
	char text[PATH_FD_SIZE], resolved[128];
	ssize_t n = readlink(path_of_fd(f->dir_fd, text), resolved, sizeof(resolved) - 1);

	assert_true(n > 0);
	resolved[n] = '\0';
	assert_string_equal(resolved, f->dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dots_and_links_stay_inside_the_root),
		cmocka_unit_test(what_lies_outside_is_not_reached),
		cmocka_unit_test(magic_links_and_loops_are_refused),
		cmocka_unit_test(directories_are_made_inside_through_links),
		cmocka_unit_test(files_are_made_with_their_parents),
		cmocka_unit_test(trusted_directories_are_made_in_full),
		cmocka_unit_test(a_tree_is_removed_without_following_links),
		cmocka_unit_test(what_is_not_there_is_removed_already),
		cmocka_unit_test(a_tree_of_any_depth_is_removed),
		cmocka_unit_test(a_mount_is_never_entered),
		cmocka_unit_test(ids_are_what_upstream_allows),
		cmocka_unit_test(an_fd_has_a_path),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
