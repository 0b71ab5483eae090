/* SPDX-License-Identifier: Apache-2.0 */
/* What a bind mount's source is taken for, and how it is shown to the guest. Needs root, for its
 * mounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/mountfd.h"
#include "runtime/share.h"
#include "runtime/undo.h"

struct fixture {
	char root[32];
	struct layout layout;
	struct state *journal;
	struct share_plan plan;
};

enum { TEST_PATH_SIZE = 512 };

static const char *in(const struct fixture *f, char text[static TEST_PATH_SIZE], const char *name)
{
	snprintf(text, TEST_PATH_SIZE, "%s/%s", f->root, name);
	return text;
}

static void make_dir(const struct fixture *f, const char *name)
{
	char path[TEST_PATH_SIZE];

	assert_int_equal(path_mkdir(in(f, path, name), 0755), 0);
}

static void make_file(const struct fixture *f, const char *name)
{
	char path[TEST_PATH_SIZE];

	assert_int_equal(io_replace_file(AT_FDCWD, in(f, path, name), 0644, "x", 1), 0);
}

static void mount_memory(const struct fixture *f, const char *name, const char *options)
{
	char path[TEST_PATH_SIZE];
	auto_fd int fd = open(in(f, path, name), O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(mountfd_mount("none", fd, "tmpfs", 0, options), 0);
}

static int set_up(void **data)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/test_volume.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	mount_memory(f, "", NULL);
	assert_int_equal(mountfd_set_propagation(f->root, MS_SHARED), 0);
	assert_int_equal(layout_init(&f->layout, f->root, "c1"), 0);
	assert_int_equal(path_mkdir(f->layout.run_dir, 0700), 0);
	assert_int_equal(state_new(f->layout.run_dir, "c1", "/s", &f->journal), 0);
	assert_int_equal(share_make(&f->layout, f->journal, NULL), 0);
	share_plan_init(&f->plan, &f->layout);
	*data = f;
	return 0;
}

static int tear_down(void **data)
{
	struct fixture *f = *data;
	struct undo undo = {.layout = &f->layout, .state = f->journal};

	share_plan_fini(&f->plan);
	assert_int_equal(undo_mounts(&undo, NULL), 0);
	assert_int_equal(access(f->layout.share_dir, F_OK), -1);
	state_free(f->journal);
	assert_int_equal(mountfd_detach(f->root), 0);
	assert_int_equal(rmdir(f->root), 0);
	free(f);
	return 0;
}

#define mount_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int look(const struct fixture *f, const char *name, bool is_readonly, bool wants_local,
	struct volume_facts *ret, struct err *err)
{
	char path[TEST_PATH_SIZE];
	struct volume_wish wish = {.source = in(f, path, name),
		.is_readonly = is_readonly,
		.wants_local = wants_local};
	auto_fd int fd = open(path, O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	return volume_look(fd, &wish, ret, err);
}

static void assert_kind(const struct fixture *f, const char *name, bool is_readonly,
	bool wants_local, enum volume_kind kind)
{
	struct volume_facts facts;

	assert_int_equal(look(f, name, is_readonly, wants_local, &facts, NULL), 0);
	assert_int_equal(facts.kind, kind);
}

static void directories_files_and_sockets_are_shared(void **data)
{
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];

	make_dir(f, "dir");
	make_file(f, "file");
	assert_int_equal(mknod(in(f, path, "socket"), S_IFSOCK | 0600, 0), 0);
	assert_int_equal(mkfifo(in(f, path, "fifo"), 0600), 0);
	assert_kind(f, "dir", false, false, VOLUME_SHARED);
	assert_kind(f, "dir", true, true, VOLUME_SHARED);
	assert_kind(f, "file", true, true, VOLUME_SHARED);
	assert_kind(f, "socket", false, false, VOLUME_SHARED);
	assert_kind(f, "fifo", false, false, VOLUME_SHARED);
}

static void an_empty_dir_in_memory_is_the_guests(void **data)
{
	struct fixture *f = *data;
	struct volume_facts facts;

	make_dir(f, "kubernetes.io~empty-dir/cache");
	assert_kind(f, "kubernetes.io~empty-dir/cache", false, false, VOLUME_MEMORY);
	mount_memory(f, "kubernetes.io~empty-dir/cache", "size=1m,mode=2770,gid=42");
	assert_int_equal(look(f, "kubernetes.io~empty-dir/cache/", false, false, &facts, NULL), 0);
	assert_int_equal(facts.kind, VOLUME_MEMORY);
	assert_int_equal(facts.size, 1 << 20);
	assert_int_equal(facts.gid, 42);
	assert_int_equal(facts.mode, S_IFDIR | 02770);
	/* Only the directory itself. */
	make_dir(f, "kubernetes.io~empty-dir/cache/below");
	make_file(f, "kubernetes.io~empty-dir/file");
	make_dir(f, "not-kubernetes.io~empty-dir/x");
	assert_kind(f, "kubernetes.io~empty-dir/cache/below", false, false, VOLUME_SHARED);
	assert_kind(f, "kubernetes.io~empty-dir/file", false, false, VOLUME_SHARED);
	assert_kind(f, "kubernetes.io~empty-dir", false, false, VOLUME_SHARED);
	assert_kind(f, "not-kubernetes.io~empty-dir/x", false, false, VOLUME_SHARED);
}

static void an_empty_dir_on_disk_is_where_the_configuration_wants_it(void **data)
{
	struct fixture *f = *data;
	struct volume_wish wish = {.source = "/p/kubernetes.io~empty-dir/disk"};
	struct volume_facts facts;
	auto_fd int fd = open("/", O_PATH | O_CLOEXEC);

	(void)f;
	assert_int_equal(volume_look(fd, &wish, &facts, NULL), 0);
	assert_int_equal(facts.kind, VOLUME_SHARED);
	wish.wants_local = true;
	assert_int_equal(volume_look(fd, &wish, &facts, NULL), 0);
	assert_int_equal(facts.kind, VOLUME_LOCAL);
}

static void a_small_config_map_is_watched(void **data)
{
	static const char *const types[] = {"kubernetes.io~configmap", "kubernetes.io~secret",
		"kubernetes.io~projected", "kubernetes.io~downward-api"};
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE], name[128];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		snprintf(name, sizeof(name), "%s/v/..1", types[i]);
		make_dir(f, name);
		snprintf(name, sizeof(name), "%s/v", types[i]);
		assert_kind(f, name, true, false, VOLUME_SHARED); /* nothing in it */
		snprintf(name, sizeof(name), "%s/v/..1/key", types[i]);
		make_file(f, name);
		snprintf(name, sizeof(name), "%s/v/..data", types[i]);
		assert_int_equal(symlink("..1", in(f, path, name)), 0);
		snprintf(name, sizeof(name), "%s/v", types[i]);
		assert_kind(f, name, true, false, VOLUME_WATCHABLE);
		/* What is written would go into the copy. */
		assert_kind(f, name, false, false, VOLUME_SHARED);
	}
}

static void a_large_or_deep_config_map_is_only_shared(void **data)
{
	struct fixture *f = *data;
	char name[128];

	make_dir(f, "kubernetes.io~secret/v");
	for (int i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "kubernetes.io~secret/v/%d", i);
		make_file(f, name);
		assert_kind(f, "kubernetes.io~secret/v", true, false,
			i < 8 ? VOLUME_WATCHABLE : VOLUME_SHARED);
	}
	make_dir(f, "kubernetes.io~secret/w/1/2/3");
	make_file(f, "kubernetes.io~secret/w/1/2/3/file");
	assert_kind(f, "kubernetes.io~secret/w", true, false, VOLUME_WATCHABLE);
	make_dir(f, "kubernetes.io~secret/w/1/2/3/4");
	assert_kind(f, "kubernetes.io~secret/w", true, false, VOLUME_SHARED);
}

static void what_is_the_hosts_own_is_refused_wherever_a_link_leads(void **data)
{
	static const struct {
		const char *to, *part;
	} rows[] = {{"/proc", "proc"}, {"/proc/self/status", "proc"}, {"/sys", "sysfs"},
		{"/sys/kernel", "sysfs"}, {"/dev/null", "character device"},
		{"/proc/self/ns/mnt", "nsfs"}};
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct volume_facts facts;

		assert_int_equal(symlink(rows[i].to, in(f, path, "link")), 0);
		assert_int_equal(look(f, "link", false, false, &facts, &err), -ENOTSUP);
		assert_non_null(strstr(err.msg, rows[i].part));
		assert_non_null(strstr(err.msg, "/link"));
		assert_int_equal(unlink(path), 0);
	}
}

static void a_character_device_is_refused_and_a_disk_is_one(void **data)
{
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];
	struct volume_facts facts;
	struct err err = ERR_INIT;

	assert_int_equal(mknod(in(f, path, "char"), S_IFCHR | 0600, makedev(1, 3)), 0);
	assert_int_equal(mknod(in(f, path, "block"), S_IFBLK | 0640, makedev(7, 99)), 0);
	assert_int_equal(look(f, "char", false, false, &facts, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "character device"));
	assert_int_equal(look(f, "block", true, false, &facts, NULL), 0);
	assert_int_equal(facts.kind, VOLUME_BLOCK);
	assert_true(facts.device == makedev(7, 99));
	assert_int_equal(facts.mode, S_IFBLK | 0640);
	assert_true(facts.is_readonly);
}

static int plan_disk(struct fixture *f, enum share_purpose purpose, const char *source,
	const char *option, struct err *err)
{
	char path[TEST_PATH_SIZE];
	char *options[] = {(char *)(uintptr_t)option};
	struct share_mount mount = {.purpose = purpose,
		.type = "ext4",
		.source = in(f, path, source),
		.options = options,
		.n_options = 1};
	int r;

	assert_int_equal(share_plan_add(&f->plan, &mount, ""), 0);
	assert_int_equal(share_plan_note(&f->plan, f->journal), 0);
	r = share_plan_mount(&f->plan, err);
	f->plan.items[0].source = NULL;
	return r < 0 ? r : share_plan_collect(&f->plan, err);
}

static void a_disk_image_is_passed_on_open(void **data)
{
	struct fixture *f = *data;
	char byte;

	make_file(f, "image");
	assert_int_equal(plan_disk(f, SHARE_DISK, "image", "rw", NULL), 0);
	assert_int_equal(share_plan_facts(&f->plan, 0)->kind, VOLUME_BLOCK);
	assert_true(f->plan.items[0].disk_fd >= 0);
	assert_int_equal(read(f->plan.items[0].disk_fd, &byte, 1), 1);
	assert_int_equal(write(f->plan.items[0].disk_fd, "y", 1), 1);
	assert_int_equal(f->journal->mounts.n, 1); /* of share_make */
}

static void a_read_only_disk_is_not_open_for_writing(void **data)
{
	struct fixture *f = *data;

	make_file(f, "image");
	assert_int_equal(plan_disk(f, SHARE_DISK, "image", "ro", NULL), 0);
	assert_true(share_plan_facts(&f->plan, 0)->is_readonly);
	assert_int_equal(write(f->plan.items[0].disk_fd, "y", 1), -1);
	assert_int_equal(errno, EBADF);
}

static void a_directory_is_no_disk(void **data)
{
	struct fixture *f = *data;
	struct err err = ERR_INIT;

	make_dir(f, "dir");
	assert_int_equal(plan_disk(f, SHARE_DISK, "dir", "rw", &err), -ENOTBLK);
	assert_non_null(strstr(err.msg, "/dir"));
}

static void what_is_no_disk_in_dev_is_left_to_the_guest(void **data)
{
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];

	assert_int_equal(mknod(in(f, path, "char"), S_IFCHR | 0600, makedev(1, 3)), 0);
	assert_int_equal(plan_disk(f, SHARE_DEVICE, "char", "rw", NULL), 0);
	assert_int_equal(share_plan_facts(&f->plan, 0)->kind, VOLUME_SHARED);
	assert_int_equal(f->plan.items[0].disk_fd, -1);
}

static void what_the_host_does_not_have_is_left_to_the_guest(void **data)
{
	assert_int_equal(plan_disk(*data, SHARE_DEVICE, "missing", "rw", NULL), 0);
}

/* Shows root/source at rw/v and, in the guest's view, at ro/v, with options in words. */
static int share(
	struct fixture *f, const char *source, const char *o1, const char *o2, struct err *err)
{
	char path[TEST_PATH_SIZE];
	char *options[] = {(char *)(uintptr_t)o1, (char *)(uintptr_t)o2};
	struct share_mount mount = {.purpose = SHARE_VOLUME,
		.type = "bind",
		.source = in(f, path, source),
		.options = options,
		.n_options = o2 ? 2 : 1};
	int r;

	assert_int_equal(share_plan_add(&f->plan, &mount, "v"), 0);
	assert_int_equal(share_plan_note(&f->plan, f->journal), 0);
	r = share_plan_mount(&f->plan, err);
	f->plan.items[0].source = NULL;
	return r;
}

static bool can_write(const struct fixture *f, const char *dir, const char *name)
{
	char path[TEST_PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%s/v/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)f;
	if (fd < 0)
		assert_int_equal(errno, EROFS);
	close_fd(fd);
	return fd >= 0;
}

static void read_only_holds_for_all_below_in_both_views(void **data)
{
	struct fixture *f = *data;

	make_dir(f, "src/below");
	mount_memory(f, "src/below", NULL);
	assert_int_equal(share(f, "src", "rbind", "ro", NULL), 0);
	assert_false(can_write(f, f->layout.rw_dir, "file"));
	assert_false(can_write(f, f->layout.rw_dir, "below/file"));
	assert_false(can_write(f, f->layout.ro_dir, "file"));
	assert_false(can_write(f, f->layout.ro_dir, "below/file"));
}

static void a_volume_that_is_not_read_only_is_written_through_the_read_only_view(void **data)
{
	struct fixture *f = *data;

	make_dir(f, "src/below");
	mount_memory(f, "src/below", NULL);
	assert_int_equal(share(f, "src", "rbind", "rw", NULL), 0);
	assert_true(can_write(f, f->layout.ro_dir, "file"));
	assert_true(can_write(f, f->layout.ro_dir, "below/file"));
}

/* Mounts below the source once it is shared; the guest's view has it or not. */
static bool sees_later_mounts(struct fixture *f, const char *propagation, const char *option)
{
	char path[TEST_PATH_SIZE];

	make_dir(f, "src/late");
	assert_int_equal(share(f, "src", propagation, option, NULL), 0);
	mount_memory(f, "src/late", NULL);
	make_file(f, "src/late/file");
	snprintf(path, sizeof(path), "%s/v/late/file", f->layout.ro_dir);
	return access(path, F_OK) == 0;
}

static void later_mounts_are_seen_by_who_asks(void **data)
{
	assert_true(sees_later_mounts(*data, "rslave", NULL));
}

static void later_mounts_are_not_seen_by_default(void **data)
{
	assert_false(sees_later_mounts(*data, "rbind", NULL));
}

/* They would be writable. */
static void later_mounts_are_not_seen_by_what_is_read_only(void **data)
{
	assert_false(sees_later_mounts(*data, "rslave", "ro"));
}

static void what_is_shown_is_what_was_there_when_it_was_looked_at(void **data)
{
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];

	make_dir(f, "a");
	make_file(f, "a/first");
	assert_int_equal(symlink("a", in(f, path, "link")), 0);
	assert_int_equal(share(f, "link", "rbind", NULL, NULL), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/proc", path), 0);
	snprintf(path, sizeof(path), "%s/v/first", f->layout.ro_dir);
	assert_int_equal(access(path, F_OK), 0);
	/* The source goes: what is mounted stays, and is taken away like any other (tear_down). */
	in(f, path, "a/first");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(in(f, path, "a")), 0);
}

static void a_source_that_is_not_there_is_named(void **data)
{
	struct err err = ERR_INIT;

	assert_int_equal(share(*data, "missing", "rbind", NULL, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/missing"));
}

static void what_the_guest_makes_itself_is_not_shown(void **data)
{
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];

	make_dir(f, "kubernetes.io~empty-dir/cache");
	assert_int_equal(share(f, "kubernetes.io~empty-dir/cache", "rbind", NULL, NULL), 0);
	assert_int_equal(share_plan_facts(&f->plan, 0)->kind, VOLUME_MEMORY);
	snprintf(path, sizeof(path), "%s/v", f->layout.rw_dir);
	assert_int_equal(access(path, F_OK), -1);
}

static void the_place_of_watched_copies_is_made_with_the_first(void **data)
{
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];

	make_dir(f, "kubernetes.io~configmap/v");
	make_file(f, "kubernetes.io~configmap/v/key");
	snprintf(path, sizeof(path), "%s/watchable", f->layout.ro_dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(share(f, "kubernetes.io~configmap/v", "rbind", "ro", NULL), 0);
	assert_int_equal(share_plan_facts(&f->plan, 0)->kind, VOLUME_WATCHABLE);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/v/key", f->layout.ro_dir);
	assert_int_equal(access(path, F_OK), 0);
}

static void the_size_of_shm_is_looked_at(void **data)
{
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];
	struct share_mount mount = {.purpose = SHARE_SHM, .type = "", .source = in(f, path, "shm")};

	make_dir(f, "shm");
	mount_memory(f, "shm", "size=3m");
	assert_int_equal(share_plan_add(&f->plan, &mount, ""), 0);
	mount.source = "/missing";
	assert_int_equal(share_plan_add(&f->plan, &mount, ""), 0);
	assert_int_equal(share_plan_note(&f->plan, f->journal), 0);
	assert_int_equal(share_plan_mount(&f->plan, NULL), 0);
	assert_int_equal(share_plan_facts(&f->plan, 0)->kind, VOLUME_SHM);
	assert_int_equal(share_plan_facts(&f->plan, 0)->size, 3 << 20);
	assert_int_equal(share_plan_facts(&f->plan, 1)->kind, VOLUME_SHM);
	assert_int_equal(share_plan_facts(&f->plan, 1)->size, 0);
	assert_int_equal(f->journal->mounts.n, 1); /* of share_make */
}

enum { N_LAYERS = 80 };

/* Their paths alone are longer than the page that mount(2) reads. */
static void an_overlay_of_many_layers_is_mounted(void **data)
{
	struct fixture *f = *data;
	auto_buf struct buf lower = BUF_INIT;
	char path[TEST_PATH_SIZE], name[128], cwd[TEST_PATH_SIZE], after[TEST_PATH_SIZE];
	struct share_mount mount = {
		.purpose = SHARE_ROOTFS, .type = "overlay", .source = "overlay", .n_options = 1};
	char *options[1];

	for (int i = 0; i < N_LAYERS; i++) {
		snprintf(name, sizeof(name), "snapshots-of-a-rather-long-name/%d/fs", i);
		make_dir(f, name);
		assert_int_equal(buf_append_str(&lower, i == 0 ? "lowerdir=" : ":"), 0);
		assert_int_equal(buf_append_str(&lower, in(f, path, name)), 0);
	}
	make_file(f, "snapshots-of-a-rather-long-name/79/fs/last");
	assert_true(buf_len(&lower) > 4096);
	options[0] = (char *)(uintptr_t)buf_str(&lower);
	mount.options = options;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(share_plan_add(&f->plan, &mount, "passthrough/c1/rootfs"), 0);
	assert_int_equal(share_plan_note(&f->plan, f->journal), 0);
	assert_int_equal(share_plan_mount(&f->plan, NULL), 0);
	assert_non_null(getcwd(after, sizeof(after)));
	assert_string_equal(cwd, after);
	snprintf(path, sizeof(path), "%s/passthrough/c1/rootfs/last", f->layout.ro_dir);
	assert_int_equal(access(path, F_OK), 0);
}

static void a_file_is_no_root_file_system(void **data)
{
	struct fixture *f = *data;
	char path[TEST_PATH_SIZE];
	struct share_mount mount = {
		.purpose = SHARE_ROOTFS, .type = "bind", .source = in(f, path, "file")};
	struct err err = ERR_INIT;

	make_file(f, "file");
	assert_int_equal(share_plan_add(&f->plan, &mount, "passthrough/c1/rootfs"), 0);
	assert_int_equal(share_plan_note(&f->plan, f->journal), 0);
	assert_int_equal(share_plan_mount(&f->plan, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "/file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(directories_files_and_sockets_are_shared),
		mount_test(an_empty_dir_in_memory_is_the_guests),
		mount_test(an_empty_dir_on_disk_is_where_the_configuration_wants_it),
		mount_test(a_small_config_map_is_watched),
		mount_test(a_large_or_deep_config_map_is_only_shared),
		mount_test(what_is_the_hosts_own_is_refused_wherever_a_link_leads),
		mount_test(a_character_device_is_refused_and_a_disk_is_one),
		mount_test(a_disk_image_is_passed_on_open),
		mount_test(a_read_only_disk_is_not_open_for_writing),
		mount_test(a_directory_is_no_disk),
		mount_test(what_is_no_disk_in_dev_is_left_to_the_guest),
		mount_test(what_the_host_does_not_have_is_left_to_the_guest),
		mount_test(read_only_holds_for_all_below_in_both_views),
		mount_test(a_volume_that_is_not_read_only_is_written_through_the_read_only_view),
		mount_test(later_mounts_are_seen_by_who_asks),
		mount_test(later_mounts_are_not_seen_by_default),
		mount_test(later_mounts_are_not_seen_by_what_is_read_only),
		mount_test(what_is_shown_is_what_was_there_when_it_was_looked_at),
		mount_test(a_source_that_is_not_there_is_named),
		mount_test(what_the_guest_makes_itself_is_not_shown),
		mount_test(the_place_of_watched_copies_is_made_with_the_first),
		mount_test(the_size_of_shm_is_looked_at),
		mount_test(an_overlay_of_many_layers_is_mounted),
		mount_test(a_file_is_no_root_file_system),
	};

	if (unshare(CLONE_NEWNS) < 0 || mountfd_set_propagation("/", MS_REC | MS_PRIVATE) < 0) {
		puts("needs root, for mounts");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
