/* SPDX-License-Identifier: Apache-2.0 */
/* An image in layers: EROFS and ext4 on loop devices. Needs those, and the programs that make them. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "loop_device.h"

enum { LONG_PATH = 2 * PATH_SIZE };

static bool run(const char *program, const char *a, const char *b, const char *c)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 1);
		dup2(null, 2);
		execlp(program, program, a, b, c, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void put(const char *dir, const char *name, const char *content)
{
	char path[3 * PATH_SIZE];

	assert_int_equal(path_mkdir(dir, 0755), 0);
	snprintf(path, sizeof(path), "%.250s/%.64s", dir, name);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0644, content, strlen(content)), 0);
}

static bool has_text(const char *dir, const char *name, const char *content)
{
	struct buf b = BUF_INIT;
	char path[3 * PATH_SIZE];
	bool same;

	snprintf(path, sizeof(path), "%.250s/%.64s", dir, name);
	same = io_read_file(AT_FDCWD, path, 1 << 20, &b) == 0 && strcmp(buf_str(&b), content) == 0;
	buf_fini(&b);
	return same;
}

/* A layer with a file of its own and one that all have. */
static void make_layer(struct fixture *f, const char *name, struct loop_device *d)
{
	char dir[LONG_PATH], image[LONG_PATH];

	snprintf(dir, sizeof(dir), "%.100s/%.32s", f->dir, name);
	snprintf(image, sizeof(image), "%.100s/%.32s.img", f->dir, name);
	put(dir, name, name);
	put(dir, "all", name);
	assert_true(run("mkfs.erofs", "-q", image, dir) || run("mkfs.erofs", image, dir, NULL));
	loop_device_show(d, image);
}

static void make_upper(struct fixture *f, struct loop_device *d)
{
	char dir[LONG_PATH], image[LONG_PATH];

	snprintf(dir, sizeof(dir), "%.100s/upper", f->dir);
	snprintf(image, sizeof(image), "%.100s/upper.img", f->dir);
	assert_int_equal(path_mkdir(dir, 0755), 0);
	loop_device_make_ext4(image, dir);
	loop_device_show(d, image);
}

static char member[] = "X-kata.multi-layer=true", lower[] = "X-kata.overlay-lower",
	    upper[] = "X-kata.overlay-upper", blk[] = "blk", erofs[] = "erofs", ext4[] = "ext4";

static Grpc__Storage layer(
	struct loop_device *d, char *fstype, char *mount_point, char **options, size_t n)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;

	s.driver = blk;
	s.source = d->node;
	s.fstype = fstype;
	s.mount_point = mount_point;
	s.options = options;
	s.n_options = n;
	return s;
}

static int create(
	struct fixture *f, const char *id, Grpc__Storage **list, size_t n, struct err *err)
{
	struct container_options o = {
		.id = id, .script = "exit", .storages = list, .n_storages = n};

	*err = (struct err)ERR_INIT;
	return create_container(f, &o, err);
}

static void layers_are_one_image(void **state)
{
	static char dirs[] =
		"X-kata.mkdir.path={{ mount 0 }}/upper/made/deep:{{ mount 0 }}/upper/two";
	char *low_options[] = {member, lower}, *up_options[] = {member, upper, dirs};
	char target[LONG_PATH], elsewhere[LONG_PATH];
	struct fixture *f = *state;
	struct loop_device a, b, c;
	Grpc__Storage s[3], *list[] = {&s[0], &s[1], &s[2]};
	struct err err;

	loop_device_init(&a, 0);
	loop_device_init(&b, 1);
	loop_device_init(&c, 2);
	make_layer(f, "first", &a);
	make_layer(f, "second", &b);
	make_upper(f, &c);
	snprintf(target, sizeof(target), "%s/image", f->dir);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", f->dir);
	s[0] = layer(&a, erofs, elsewhere, low_options, 2);
	s[1] = layer(&b, erofs, elsewhere, low_options, 1);
	s[2] = layer(&c, ext4, target, up_options, 3);
	if (create(f, "c1", list, 3, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(has_text(target, "first", "first"));
	assert_true(has_text(target, "second", "second"));
	assert_true(has_text(target, "all", "first"));
	put(target, "all", "changed");
	assert_true(has_text(target, "all", "changed"));
	assert_true(has_text(f->dir, "first/all", "first"));
	snprintf(elsewhere, sizeof(elsewhere), "%s/image/made/deep", f->dir);
	assert_int_equal(access(elsewhere, F_OK), 0);
	assert_int_equal(create(f, "c2", list, 3, &err), WIRE_INVALID_ARGUMENT);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_not_equal(access(target, F_OK), 0);
	loop_device_fini(&a);
	loop_device_fini(&b);
	loop_device_fini(&c);
}

/* What is written goes with the container then. */
static void without_an_upper_disk_the_bundle_serves(void **state)
{
	char *options[] = {member}, target[LONG_PATH];
	struct fixture *f = *state;
	Grpc__Storage s, *list[] = {&s};
	struct loop_device d;
	struct err err;

	loop_device_init(&d, 0);
	make_layer(f, "only", &d);
	snprintf(target, sizeof(target), "%s/image", f->dir);
	s = layer(&d, erofs, target, options, 1);
	for (int i = 0; i < 2; i++) {
		if (create(f, "c1", list, 1, &err) != 0)
			fail_msg("%s", err.msg);
		assert_true(has_text(target, "all", "only"));
		put(target, "all", "changed");
		assert_int_equal(remove_container(f, "c1"), 0);
		assert_int_not_equal(access(target, F_OK), 0);
	}
	loop_device_fini(&d);
}

static void groups_that_make_no_image_are_refused(void **state)
{
	static char gpt[] = "X-kata.gpt-partitioned=true", xfs[] = "xfs", local[] = "local",
		    verity[] = "X-kata.dmverity-enabled=true",
		    nowhere[] = "X-kata.mkdir.path={{ mount 2 }}/x", target[LONG_PATH];
	static char *plain[] = {member}, *with_gpt[] = {member, gpt}, *up[] = {member, upper},
		    *with_verity[] = {member, verity}, *with_dir[] = {member, nowhere};
	struct fixture *f = *state;
	struct loop_device d;
	struct err err;

	loop_device_init(&d, 0);
	make_layer(f, "only", &d);
	snprintf(target, sizeof(target), "%s/image", f->dir);
	{
		Grpc__Storage low = layer(&d, erofs, target, plain, 1);
		Grpc__Storage one = layer(&d, ext4, target, plain, 1), two = one, rows[7];
		const char *const texts[] = {"without a lower", "ext4", "gpt-partitioned",
			"dmverity", "of type xfs", "driver local", "names no layer"};
		Grpc__Storage *pair[] = {&low, &one, &two};

		rows[0] = one;
		rows[1] = layer(&d, erofs, target, up, 2);
		rows[2] = layer(&d, erofs, target, with_gpt, 2);
		rows[3] = layer(&d, erofs, target, with_verity, 2);
		rows[4] = layer(&d, xfs, target, plain, 1);
		rows[5] = low;
		rows[5].driver = local;
		rows[6] = layer(&d, erofs, target, with_dir, 2);
		assert_int_equal(create(f, "c1", pair, 3, &err), WIRE_INVALID_ARGUMENT);
		assert_non_null(strstr(err.msg, "second upper"));
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			Grpc__Storage *list[] = {&rows[i], &low};

			assert_int_not_equal(create(f, "c1", list, i == 0 ? 1 : 2, &err), 0);
			if (!strstr(err.msg, texts[i]))
				fail_msg("row %zu: %s", i, err.msg);
			assert_int_not_equal(access(target, F_OK), 0);
		}
	}
	loop_device_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(layers_are_one_image),
		agent_test(without_an_upper_disk_the_bundle_serves),
		agent_test(groups_that_make_no_image_are_refused),
	};

	fixture_require();
	if (access("/dev/loop-control", R_OK | W_OK) < 0 ||
		!run("mkfs.erofs", "--help", NULL, NULL)) {
		fprintf(stderr, "skipped: needs loop devices and mkfs.erofs (erofs-utils)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
