/* SPDX-License-Identifier: Apache-2.0 */
/* Storage drivers that need no device: what they mount, what they refuse, what they leave. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"

enum { MAX_OPTIONS = 4 };

struct row {
	char *driver, *source, *fstype, *mount_point, *options[MAX_OPTIONS], *driver_option;
};

static char ephemeral[] = "ephemeral", local[] = "local", bind[] = "bind",
	    overlayfs[] = "overlayfs", tmpfs[] = "tmpfs", none[] = "none", ro[] = "ro", p9[] = "9p";

static Grpc__Storage make_storage(struct row *row)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;

	s.driver = row->driver;
	s.source = row->source;
	s.fstype = row->fstype;
	s.mount_point = row->mount_point;
	s.options = row->options;
	while (s.n_options < MAX_OPTIONS && row->options[s.n_options])
		s.n_options++;
	s.driver_options = &row->driver_option;
	s.n_driver_options = row->driver_option ? 1 : 0;
	return s;
}

static int sandbox_with(struct fixture *f, Grpc__Storage *s, struct err *err)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	request.storages = &s;
	request.n_storages = 1;
	return call(f, "CreateSandbox", &request.base, err);
}

static int container_with(struct fixture *f, const char *id, Grpc__Storage *s, struct err *err)
{
	struct container_options o = {.id = id, .script = "exit", .storages = &s, .n_storages = 1};

	return create_container(f, &o, err);
}

/* A path below the test's directory, in a buffer of the caller's. */
static char *path_in(const struct fixture *f, const char *name, char path[2 * PATH_SIZE])
{
	snprintf(path, 2 * PATH_SIZE, "%.100s/%.100s", f->dir, name);
	return path;
}

static char *make_dir(const struct fixture *f, const char *name, char path[2 * PATH_SIZE])
{
	assert_int_equal(path_mkdir(path_in(f, name, path), 0755), 0);
	return path;
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[3 * PATH_SIZE];

	snprintf(path, sizeof(path), "%.250s/%.100s", dir, name);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0640, text, strlen(text)), 0);
}

static bool has_text(const char *dir, const char *name, const char *text)
{
	struct buf content = BUF_INIT;
	char path[3 * PATH_SIZE];
	bool same;

	snprintf(path, sizeof(path), "%.250s/%.100s", dir, name);
	same = io_read_file(AT_FDCWD, path, 1 << 20, &content) == 0 &&
	       strcmp(buf_str(&content), text) == 0;
	buf_fini(&content);
	return same;
}

static bool is_there(const char *dir, const char *name)
{
	char path[3 * PATH_SIZE];

	snprintf(path, sizeof(path), "%.250s/%.100s", dir, name);
	return access(path, F_OK) == 0;
}

static void a_bind_of_a_directory_ends_with_its_last_user(void **state)
{
	char source[2 * PATH_SIZE], target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {
		bind, make_dir(f, "source", source), NULL, path_in(f, "a/b", target), {ro}};
	Grpc__Storage s = make_storage(&row);
	struct statvfs fs;

	write_file(source, "file", "text");
	assert_int_equal(container_with(f, "c1", &s, NULL), 0);
	assert_true(has_text(target, "file", "text"));
	assert_int_equal(statvfs(target, &fs), 0);
	assert_true(fs.f_flag & ST_RDONLY);
	assert_int_equal(container_with(f, "c2", &s, NULL), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_true(has_text(target, "file", "text"));
	assert_int_equal(remove_container(f, "c2"), 0);
	assert_int_not_equal(access(target, F_OK), 0);
	assert_true(has_text(source, "file", "text"));
}

static void a_bind_of_a_file_is_a_file(void **state)
{
	static char type[] = "bind", rbind[] = "rbind", rslave[] = "rslave", rro[] = "rro";
	char dir[2 * PATH_SIZE], source[2 * PATH_SIZE], target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {bind, path_in(f, "source/file", source), type,
		path_in(f, "target", target), {rbind, rslave, rro}};
	Grpc__Storage s = make_storage(&row);
	struct stat st;

	write_file(make_dir(f, "source", dir), "file", "text");
	assert_int_equal(container_with(f, "c1", &s, NULL), 0);
	assert_int_equal(stat(target, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_true(has_text(f->dir, "target", "text"));
	assert_true(open(target, O_WRONLY | O_CLOEXEC) < 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_true(has_text(f->dir, "target", ""));
}

static void nobody_is_led_astray_by_a_link(void **state)
{
	char outside[2 * PATH_SIZE], link[2 * PATH_SIZE], below[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row target = {ephemeral, none, tmpfs, path_in(f, "link/x", below), {NULL}};
	struct row source = {bind, link, NULL, path_in(f, "target", below), {NULL}};
	struct row directory = {local, NULL, NULL, link, {NULL}};
	struct row *rows[] = {&target, &source, &directory};
	char target_path[2 * PATH_SIZE];

	make_dir(f, "outside", outside);
	target.mount_point = path_in(f, "link/x", target_path);
	assert_int_equal(symlink("outside", path_in(f, "link", link)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__Storage s = make_storage(rows[i]);
		struct err err = ERR_INIT;

		assert_int_equal(container_with(f, "c1", &s, &err), WIRE_INTERNAL);
		if (!strstr(err.msg, "symbolic links"))
			fail_msg("row %zu: %s", i, err.msg);
		assert_false(is_there(outside, "x"));
		assert_false(is_there(f->dir, "target"));
	}
}

static void what_cannot_be_is_refused_by_its_reason(void **state)
{
	static char rel[] = "../x", absent[] = "/no/such/place", odd[] = "size=1m",
		    mode[] = "mode=9", group[] = "fsgid=x", loop[] = "loop", remount[] = "remount",
		    up[] = "/a/../b", rw[] = "io.katacontainers.fs-opt.overlay-rw",
		    hugetlbfs[] = "hugetlbfs",
		    create[] = "io.katacontainers.volume.overlayfs.create_directory=x",
		    unused[] = "lowerdir=/tmp", plain[] = "pagesize=2m", small[] = "size=1m",
		    strange[] = "pagesize=3000000,size=30000000", tag[] = "no-such-tag",
		    v9fs[] = "9p", trans[] = "trans=fd,rfdno=400,wfdno=400";
	char target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct {
		struct row row;
		const char *text;
	} rows[] = {
		{{bind, rel, NULL, target, {NULL}}, "../x"},
		{{bind, NULL, NULL, target, {NULL}}, "source"},
		{{bind, up, NULL, target, {NULL}}, "/a/../b"},
		{{bind, absent, NULL, target, {NULL}}, "/no/such/place"},
		{{bind, absent, tmpfs, target, {NULL}}, "of type tmpfs"},
		{{bind, target, NULL, target, {remount}}, "remount"},
		{{local, NULL, NULL, target, {odd}}, "size=1m"},
		{{local, NULL, NULL, target, {mode}}, "mode=9"},
		{{local, NULL, NULL, target, {group}}, "fsgid=x"},
		{{ephemeral, none, tmpfs, target, {loop}}, "loop"},
		{{ephemeral, none, hugetlbfs, target, {NULL}}, "pagesize"},
		{{ephemeral, none, hugetlbfs, target, {plain}}, "size"},
		{{ephemeral, none, hugetlbfs, target, {plain, small}}, "one page"},
		{{ephemeral, none, hugetlbfs, target, {strange}}, "power of two"},
		{{overlayfs, none, NULL, target, {unused}}, "file system type"},
		{{overlayfs, none, overlayfs, target, {rw}, create}, "create_directory=x"},
		{{overlayfs, none, NULL, target, {rw}}, "mount none of type overlay"},
		{{p9, tag, v9fs, target, {trans}}, "no-such-tag"},
		{{p9, NULL, v9fs, target, {NULL}}, "no source"},
	};

	path_in(f, "target", target);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__Storage s = make_storage(&rows[i].row);
		struct err err = ERR_INIT;

		assert_int_not_equal(container_with(f, "c1", &s, &err), 0);
		if (!strstr(err.msg, rows[i].text))
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_not_equal(access(target, F_OK), 0);
	}
}

static void a_bind_mount_has_no_data(void **state)
{
	static char size[] = "size=1m";
	char source[2 * PATH_SIZE], target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {
		bind, make_dir(f, "source", source), NULL, path_in(f, "target", target), {size}};
	Grpc__Storage s = make_storage(&row);
	struct err err = ERR_INIT;

	assert_int_equal(container_with(f, "c1", &s, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "size=1m"));
	assert_int_not_equal(access(target, F_OK), 0);
}

static void a_local_directory_outlives_its_containers(void **state)
{
	static char mode[] = "mode=0770", gid[] = "fsgid=4321";
	char target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {local, NULL, NULL, target, {mode, gid}};
	Grpc__Storage s = make_storage(&row);
	struct stat st;

	snprintf(target, sizeof(target), "%s/sandbox/local/vol", f->run_dir);
	assert_int_equal(create_sandbox(f, "pod"), 0);
	assert_int_equal(container_with(f, "c1", &s, NULL), 0);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02770);
	assert_int_equal(st.st_gid, 4321);
	write_file(target, "file", "text");
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(container_with(f, "c2", &s, NULL), 0);
	assert_true(has_text(target, "file", "text"));
}

static void a_memory_volume_outlives_its_containers(void **state)
{
	char target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {ephemeral, none, tmpfs, path_in(f, "memory", target), {NULL}};
	struct row other = {local, NULL, NULL, target, {NULL}};
	Grpc__Storage s = make_storage(&row), t = make_storage(&other);
	struct err err = ERR_INIT;
	struct statfs fs;

	assert_int_equal(container_with(f, "c1", &s, NULL), 0);
	write_file(target, "file", "text");
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(container_with(f, "c2", &t, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "driver ephemeral"));
	assert_int_equal(container_with(f, "c2", &s, NULL), 0);
	assert_true(has_text(target, "file", "text"));
	assert_int_equal(statfs(target, &fs), 0);
}

/* One whose container cannot be made has not been anybody's. */
static void a_volume_of_a_failed_container_does_not_stay(void **state)
{
	char paths[2][2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row rows[] = {{ephemeral, none, tmpfs, path_in(f, "memory", paths[0]), {NULL}},
		{local, NULL, NULL, path_in(f, "local", paths[1]), {NULL}}};
	Grpc__Storage a = make_storage(&rows[0]), b = make_storage(&rows[1]), *list[] = {&a, &b};
	struct container_options o = {.id = "c1", .script = "exit", .root = "/no/such/root"};

	o.storages = list;
	o.n_storages = 2;
	assert_int_equal(create_container(f, &o, NULL), WIRE_INTERNAL);
	assert_int_not_equal(access(paths[0], F_OK), 0);
	assert_int_not_equal(access(paths[1], F_OK), 0);
}

static int update(struct fixture *f, Grpc__Storage *s, struct err *err)
{
	Grpc__UpdateEphemeralMountsRequest request = GRPC__UPDATE_EPHEMERAL_MOUNTS_REQUEST__INIT;

	*err = (struct err)ERR_INIT;
	request.storages = &s;
	request.n_storages = 1;
	return call(f, "UpdateEphemeralMounts", &request.base, err);
}

static void a_memory_volume_grows_and_keeps_the_rest(void **state)
{
	static char size[] = "size=1m", more[] = "size=2m", noexec[] = "noexec", gid[] = "fsgid=1",
		    mode[] = "mode=0700", remount[] = "remount", exec[] = "exec";
	char target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {
		ephemeral, none, tmpfs, path_in(f, "memory", target), {size, noexec, mode}};
	struct row changed = {ephemeral, none, tmpfs, target, {remount, more, gid}};
	Grpc__Storage s = make_storage(&row), t = make_storage(&changed);
	struct err err = ERR_INIT;
	struct statvfs fs;
	struct stat st;

	assert_int_equal(sandbox_with(f, &s, &err), 0);
	write_file(target, "file", "text");
	if (update(f, &t, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(statvfs(target, &fs), 0);
	assert_int_equal(fs.f_blocks * fs.f_frsize, 2 << 20);
	assert_true(fs.f_flag & ST_NOEXEC);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_gid, 0);
	assert_true(has_text(target, "file", "text"));
	/* Flags can be changed by name. */
	t.options[2] = exec;
	assert_int_equal(update(f, &t, &err), 0);
	assert_int_equal(statvfs(target, &fs), 0);
	assert_false(fs.f_flag & ST_NOEXEC);
	/* Nothing is asked for. */
	t.n_options = 0;
	assert_int_equal(update(f, &t, &err), 0);
}

static void only_memory_volumes_that_are_there_are_updated(void **state)
{
	static char size[] = "size=2m", odd[] = "no-such-option=1", shared[] = "shared";
	char target[2 * PATH_SIZE], other[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {ephemeral, none, tmpfs, path_in(f, "memory", target), {size}};
	struct row rows[] = {
		{local, none, tmpfs, target, {size}},
		{bind, none, tmpfs, target, {size}},
		{NULL, none, tmpfs, target, {size}},
		{ephemeral, none, tmpfs, path_in(f, "other", other), {size}},
		{ephemeral, none, tmpfs, NULL, {size}},
		{ephemeral, none, tmpfs, target, {odd}},
		{ephemeral, none, tmpfs, target, {shared}},
	};
	Grpc__Storage s = make_storage(&row);
	struct err err = ERR_INIT;

	assert_int_equal(sandbox_with(f, &s, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int wanted = i < 5 ? WIRE_INVALID_ARGUMENT : WIRE_INTERNAL;

		s = make_storage(&rows[i]);
		if (update(f, &s, &err) != wanted)
			fail_msg("row %zu: %s", i, err.msg);
	}
	assert_int_not_equal(access(other, F_OK), 0);
}

static void a_bad_word_leaves_the_volumes_before_it_alone(void **state)
{
	static char size[] = "size=1m", more[] = "size=2m", loop[] = "loop";
	char first[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {ephemeral, none, tmpfs, path_in(f, "memory", first), {size}};
	struct row good = {ephemeral, none, tmpfs, first, {more}};
	struct row bad = {ephemeral, none, tmpfs, first, {loop}};
	Grpc__UpdateEphemeralMountsRequest request = GRPC__UPDATE_EPHEMERAL_MOUNTS_REQUEST__INIT;
	Grpc__Storage s = make_storage(&row), t = make_storage(&good), u = make_storage(&bad);
	Grpc__Storage *list[] = {&t, &u};
	struct err err = ERR_INIT;
	struct statvfs fs;

	assert_int_equal(sandbox_with(f, &s, &err), 0);
	request.storages = list;
	request.n_storages = ARRAY_SIZE(list);
	assert_int_not_equal(call(f, "UpdateEphemeralMounts", &request.base, &err), 0);
	assert_int_equal(statvfs(first, &fs), 0);
	assert_int_equal(fs.f_blocks * fs.f_frsize, 1 << 20);
	request.n_storages = 1;
	assert_int_equal(call(f, "UpdateEphemeralMounts", &request.base, &err), 0);
	assert_int_equal(statvfs(first, &fs), 0);
	assert_int_equal(fs.f_blocks * fs.f_frsize, 2 << 20);
}

static uint64_t pool_size(void)
{
	struct buf text = BUF_INIT;
	uint64_t n;

	if (io_read_file(AT_FDCWD, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", 64,
		    &text) < 0)
		return UINT64_MAX;
	n = strtoull(buf_str(&text), NULL, 10);
	buf_fini(&text);
	return n;
}

static void huge_pages_are_reserved_and_given_back(void **state)
{
	static char hugetlbfs[] = "hugetlbfs", options[] = "pagesize=2097152,size=4194304",
		    mode[] = "mode=0700", too_much[] = "pagesize=2m,size=1000000g";
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	char target[2 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {ephemeral, none, hugetlbfs, path_in(f, "huge", target), {options, mode}};
	Grpc__Storage s = make_storage(&row);
	uint64_t before = pool_size();
	struct err err = ERR_INIT;
	struct statfs fs;

	if (before == UINT64_MAX)
		skip();
	row.options[0] = too_much;
	assert_int_equal(sandbox_with(f, &s, &err), WIRE_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(err.msg, "huge pages"));
	assert_int_equal(pool_size(), before);
	row.options[0] = options;
	if (sandbox_with(f, &s, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(pool_size(), before + 2);
	assert_int_equal(statfs(target, &fs), 0);
	assert_int_equal(fs.f_bsize, 2 << 20);
	assert_int_equal(fs.f_blocks, 2);
	assert_int_equal(call(f, "DestroySandbox", &destroy.base, NULL), 0);
	assert_int_equal(pool_size(), before);
}

static void an_overlay_has_what_is_below_it(void **state)
{
	static char type[] = "overlay";
	char lower[2 * PATH_SIZE], made[2 * PATH_SIZE], target[2 * PATH_SIZE];
	char options[3 * PATH_SIZE], create[4 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {overlayfs, none, type, path_in(f, "merged", target), {options}, create};
	Grpc__Storage s = make_storage(&row);

	write_file(make_dir(f, "lower", lower), "file", "text");
	snprintf(options, sizeof(options), "lowerdir=%.150s:%.150s", path_in(f, "made/deep", made),
		lower);
	snprintf(create, sizeof(create), "io.katacontainers.volume.overlayfs.create_directory=%s",
		made);
	assert_int_equal(container_with(f, "c1", &s, NULL), 0);
	assert_true(has_text(target, "file", "text"));
	assert_int_equal(access(made, F_OK), 0);
	assert_int_equal(container_with(f, "c2", &s, NULL), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(remove_container(f, "c2"), 0);
	assert_int_not_equal(access(target, F_OK), 0);
}

static void a_writable_overlay_is_its_containers_own(void **state)
{
	static char rw[] = "io.katacontainers.fs-opt.overlay-rw";
	char lower[2 * PATH_SIZE], target[2 * PATH_SIZE], upper[2 * PATH_SIZE];
	char options[3 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {
		overlayfs, overlayfs, overlayfs, path_in(f, "merged", target), {options, rw}};
	Grpc__Storage s = make_storage(&row);
	struct err err = ERR_INIT;

	write_file(make_dir(f, "lower", lower), "file", "text");
	snprintf(options, sizeof(options), "lowerdir=%s", lower);
	assert_int_equal(sandbox_with(f, &s, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "needs a container"));
	if (container_with(f, "c1", &s, &err) != 0)
		fail_msg("%s", err.msg);
	write_file(target, "file", "changed");
	snprintf(upper, sizeof(upper), "%s/c1/upper", f->run_dir);
	assert_true(has_text(upper, "file", "changed"));
	assert_true(has_text(lower, "file", "text"));
	assert_int_equal(container_with(f, "c2", &s, &err), WIRE_INVALID_ARGUMENT);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_not_equal(access(target, F_OK), 0);
	assert_int_not_equal(access(upper, F_OK), 0);
}

static void a_group_gets_the_volume(void **state)
{
	Grpc__FSGroup group = GRPC__FSGROUP__INIT;
	char source[2 * PATH_SIZE], target[2 * PATH_SIZE], file[3 * PATH_SIZE];
	struct fixture *f = *state;
	struct row row = {
		bind, make_dir(f, "source", source), NULL, path_in(f, "target", target), {NULL}};
	Grpc__Storage s = make_storage(&row);
	struct stat st;

	write_file(source, "file", "text");
	s.fs_group = &group;
	group.has_group_id = 1;
	group.group_id = 4321;
	assert_int_equal(container_with(f, "c1", &s, NULL), 0);
	snprintf(file, sizeof(file), "%s/file", target);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 02775);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(a_bind_of_a_directory_ends_with_its_last_user),
		agent_test(a_bind_of_a_file_is_a_file),
		agent_test(nobody_is_led_astray_by_a_link),
		agent_test(what_cannot_be_is_refused_by_its_reason),
		agent_test(a_bind_mount_has_no_data),
		agent_test(a_local_directory_outlives_its_containers),
		agent_test(a_memory_volume_outlives_its_containers),
		agent_test(a_volume_of_a_failed_container_does_not_stay),
		agent_test(a_memory_volume_grows_and_keeps_the_rest),
		agent_test(only_memory_volumes_that_are_there_are_updated),
		agent_test(a_bad_word_leaves_the_volumes_before_it_alone),
		agent_test(huge_pages_are_reserved_and_given_back),
		agent_test(an_overlay_has_what_is_below_it),
		agent_test(a_writable_overlay_is_its_containers_own),
		agent_test(a_group_gets_the_volume),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
