/* SPDX-License-Identifier: Apache-2.0 */
/* Watchable bind mounts: ConfigMaps and Secrets, whose changes containers see. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/mirror.h"
#include "base/io.h"
#include "base/path.h"

enum { LONG_PATH = 2 * PATH_SIZE };

/* A source on a file system of its own, and the parent of its copies. */
struct volume {
	char source[LONG_PATH], parent[LONG_PATH], target[LONG_PATH + 8];
	Grpc__Storage storage;
};

static void open_volume(struct fixture *f, struct volume *v)
{
	static char driver[] = "watchable-bind", type[] = "bind";

	*v = (struct volume){.storage = GRPC__STORAGE__INIT};
	snprintf(v->source, sizeof(v->source), "%s/source", f->dir);
	snprintf(v->parent, sizeof(v->parent), "%.100s/shared/containers/watchable", f->run_dir);
	snprintf(v->target, sizeof(v->target), "%.250s/c1", v->parent);
	assert_int_equal(path_mkdir(v->source, 0755), 0);
	v->storage.driver = driver;
	v->storage.fstype = type;
	v->storage.source = v->source;
	v->storage.mount_point = v->target;
}

static void close_volume(struct volume *v)
{
	assert_int_equal(umount2(v->source, MNT_DETACH), 0);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[3 * PATH_SIZE];

	snprintf(path, sizeof(path), "%.250s/%.64s", dir, name);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0640, text, strlen(text)), 0);
}

static void put_link(const char *dir, const char *name, const char *to)
{
	char path[3 * PATH_SIZE], new[3 * PATH_SIZE];

	snprintf(path, sizeof(path), "%.250s/%.64s", dir, name);
	snprintf(new, sizeof(new), "%.250s/.new", dir);
	assert_int_equal(symlink(to, new), 0);
	assert_int_equal(rename(new, path), 0);
}

/* As the kubelet does it: a directory per version, and one link that is turned. */
static void put_version(const char *dir, const char *version, const char *text)
{
	char path[3 * PATH_SIZE];

	snprintf(path, sizeof(path), "%.250s/%.64s", dir, version);
	assert_int_equal(mkdir(path, 0755), 0);
	put(path, "key", text);
	put_link(dir, "..data", version);
	put_link(dir, "key", "..data/key");
}

static bool has_text(const char *dir, const char *name, const char *text)
{
	struct buf content = BUF_INIT;
	char path[3 * PATH_SIZE];
	bool same;

	snprintf(path, sizeof(path), "%.250s/%.64s", dir, name);
	same = io_read_file(AT_FDCWD, path, 2 << 20, &content) == 0 &&
	       strcmp(buf_str(&content), text) == 0;
	buf_fini(&content);
	return same;
}

/* Nothing tells a reader of a file that another one has taken its place. */
static void wait_for_text(struct fixture *f, const char *dir, const char *name, const char *text)
{
	int64_t deadline_ns = clock_now_ns() + 20 * NS_PER_S;

	while (!has_text(dir, name, text)) {
		if (clock_now_ns() > deadline_ns)
			fail_msg("%s/%s is not \"%s\"", dir, name, text);
		assert_int_equal(loop_run_once(f->loop, NS_PER_S / 20), 0);
	}
}

static int container_with(struct fixture *f, const char *id, Grpc__Storage *s, struct err *err)
{
	struct container_options o = {.id = id, .script = "exit", .storages = &s, .n_storages = 1};

	*err = (struct err)ERR_INIT;
	return create_container(f, &o, err);
}

static void must_create(struct fixture *f, const char *id, struct volume *v)
{
	struct err err;

	if (container_with(f, id, &v->storage, &err) != 0)
		fail_msg("%s", err.msg);
}

static void changes_arrive(struct fixture *f, struct volume *v)
{
	char old[3 * PATH_SIZE];

	put_version(v->source, "..1", "one");
	must_create(f, "c1", v);
	assert_true(has_text(v->target, "key", "one"));
	put_version(v->source, "..2", "two");
	snprintf(old, sizeof(old), "%.250s/..1", v->source);
	assert_int_equal(path_remove_tree(AT_FDCWD, old), 0);
	wait_for_text(f, v->target, "key", "two");
	/* Also inside of a directory that came later, and more than once. */
	snprintf(old, sizeof(old), "%.250s/..2", v->source);
	put(old, "key", "three");
	wait_for_text(f, v->target, "key", "three");
	put_version(v->source, "..4", "four");
	wait_for_text(f, v->target, "key", "four");
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_not_equal(access(v->target, F_OK), 0);
	assert_true(has_text(v->source, "key", "four"));
}

static void changes_are_told_by_the_file_system(void **state)
{
	struct fixture *f = *state;
	struct volume v;
	size_t n_fds;

	open_volume(f, &v);
	assert_int_equal(mount("x", v.source, "tmpfs", 0, NULL), 0);
	/* What the first container of a sandbox leaves. */
	must_create(f, "c0", &v);
	assert_int_equal(remove_container(f, "c0"), 0);
	n_fds = fixture_count_fds(f);
	changes_arrive(f, &v);
	assert_int_equal(fixture_count_fds(f), n_fds);
	close_volume(&v);
}

/* An overlay stands for a host's share: it is none of those that are trusted to tell. */
static void changes_are_found_by_looking(void **state)
{
	char lower[LONG_PATH], options[4 * PATH_SIZE], memory[LONG_PATH];
	struct fixture *f = *state;
	struct volume v;

	open_volume(f, &v);
	snprintf(lower, sizeof(lower), "%s/lower", f->dir);
	snprintf(memory, sizeof(memory), "%s/memory", f->dir);
	assert_int_equal(path_mkdir(lower, 0755), 0);
	assert_int_equal(path_mkdir(memory, 0755), 0);
	assert_int_equal(mount("x", memory, "tmpfs", 0, NULL), 0);
	snprintf(options, sizeof(options), "%.120s/upper", memory);
	assert_int_equal(mkdir(options, 0755), 0);
	snprintf(options, sizeof(options), "%.120s/work", memory);
	assert_int_equal(mkdir(options, 0755), 0);
	snprintf(options, sizeof(options),
		"lowerdir=%.120s,upperdir=%.120s/upper,workdir=%.120s/work", lower, memory, memory);
	assert_int_equal(mount("x", v.source, "overlay", 0, options), 0);
	changes_arrive(f, &v);
	close_volume(&v);
	assert_int_equal(umount2(memory, MNT_DETACH), 0);
}

static bool is_mount_point(const char *path)
{
	struct stat st, parent;
	char up[3 * PATH_SIZE];

	snprintf(up, sizeof(up), "%.250s/..", path);
	return stat(path, &st) == 0 && stat(up, &parent) == 0 && st.st_dev != parent.st_dev;
}

static void too_many_files_are_bound_instead(void **state)
{
	struct fixture *f = *state;
	struct volume v;
	char name[16];

	open_volume(f, &v);
	assert_int_equal(mount("x", v.source, "tmpfs", 0, NULL), 0);
	for (int i = 0; i < MIRROR_MAX_FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(v.source, name, "text");
	}
	must_create(f, "c1", &v);
	assert_true(has_text(v.target, "f0", "text"));
	put(v.source, "f0", "other");
	assert_true(has_text(v.target, "f0", "text"));
	/* By now it is one too many. */
	put(v.source, "another", "text");
	wait_for_text(f, v.target, "another", "text");
	put(v.source, "f0", "at once");
	assert_true(has_text(v.target, "f0", "at once"));
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_not_equal(access(v.target, F_OK), 0);
	/* From the start. */
	must_create(f, "c1", &v);
	put(v.source, "f0", "new");
	assert_true(has_text(v.target, "f0", "new"));
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_true(has_text(v.source, "f0", "new"));
	close_volume(&v);
}

static void a_file_is_bound(void **state)
{
	struct fixture *f = *state;
	struct volume v;

	open_volume(f, &v);
	put(v.source, "file", "text");
	snprintf(v.source, sizeof(v.source), "%s/source/file", f->dir);
	must_create(f, "c1", &v);
	assert_true(has_text(v.parent, "c1", "text"));
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_not_equal(access(v.target, F_OK), 0);
	assert_true(has_text(f->dir, "source/file", "text"));
}

/* One tmpfs for all copies, while there are any. */
static void copies_share_a_parent(void **state)
{
	char second[LONG_PATH + 8], elsewhere[LONG_PATH];
	struct fixture *f = *state;
	struct volume v;
	struct err err;

	open_volume(f, &v);
	put(v.source, "file", "text");
	must_create(f, "c1", &v);
	assert_true(is_mount_point(v.parent));
	snprintf(second, sizeof(second), "%.250s/c2", v.parent);
	snprintf(elsewhere, sizeof(elsewhere), "%.80s/shared/containers/passthrough/watchable/c3",
		f->run_dir);
	v.storage.mount_point = elsewhere;
	assert_int_equal(container_with(f, "c3", &v.storage, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "cannot be beside"));
	v.storage.mount_point = second;
	must_create(f, "c2", &v);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_true(has_text(second, "file", "text"));
	assert_int_equal(remove_container(f, "c2"), 0);
	assert_false(is_mount_point(v.parent));
	v.storage.mount_point = elsewhere;
	must_create(f, "c3", &v);
	assert_true(has_text(elsewhere, "file", "text"));
}

static void elsewhere_and_without_a_container_they_are_refused(void **state)
{
	static const char *const names[] = {
		"x", "shared/containers/watchable", "shared/containers/watchable/a/b"};
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	struct fixture *f = *state;
	char path[LONG_PATH];
	Grpc__Storage *list;
	struct volume v;
	struct err err;

	open_volume(f, &v);
	list = &v.storage;
	request.storages = &list;
	request.n_storages = 1;
	assert_int_equal(call(f, "CreateSandbox", &request.base, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "needs a container"));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%.100s/%s", f->run_dir, names[i]);
		v.storage.mount_point = path;
		assert_int_equal(container_with(f, "c1", &v.storage, &err), WIRE_INVALID_ARGUMENT);
		assert_non_null(strstr(err.msg, "watchable mounts may be"));
	}
	v.storage.mount_point = v.target;
	snprintf(v.source, sizeof(v.source), "%s/source/absent", f->dir);
	assert_int_equal(container_with(f, "c1", &v.storage, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "absent"));
	assert_false(is_mount_point(v.parent));
	assert_int_not_equal(access(v.target, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(changes_are_told_by_the_file_system),
		agent_test(changes_are_found_by_looking),
		agent_test(too_many_files_are_bound_instead),
		agent_test(a_file_is_bound),
		agent_test(copies_share_a_parent),
		agent_test(elsewhere_and_without_a_container_they_are_refused),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
