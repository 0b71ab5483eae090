/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "linux/mount_options.h"
#include "linux/mountinfo.h"

#include "oom.h"

enum { WORDS_MAX = 8 };

static struct mount_options parse(const char *const *words)
{
	struct mount_options o;
	size_t n = 0;

	while (words[n])
		n++;
	assert_int_equal(mount_options_parse((char **)(uintptr_t)words, n, &o), 0);
	return o;
}

static void words_become_flags(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		unsigned long set, clear, rec_set, rec_clear, propagation;
		const char *data;
		bool bind, rbind;
	} rows[] = {
		{.words = {NULL}, .data = ""},
		{.words = {"ro", "nosuid"}, .set = MS_RDONLY | MS_NOSUID, .data = ""},
		{.words = {"ro", "rw"}, .clear = MS_RDONLY, .data = ""},
		{.words = {"rw", "ro"}, .set = MS_RDONLY, .data = ""},
		{.words = {"noatime", "relatime"}, .set = MS_RELATIME, .data = ""},
		{.words = {"strictatime", "noatime"}, .set = MS_NOATIME, .data = ""},
		{.words = {"defaults", ""}, .data = ""},
		{.words = {"bind"}, .bind = true, .data = ""},
		{.words = {"rbind", "rslave"},
			.bind = true,
			.rbind = true,
			.propagation = MS_SLAVE | MS_REC,
			.data = ""},
		{.words = {"shared", "private"}, .propagation = MS_PRIVATE, .data = ""},
		{.words = {"unbindable"}, .propagation = MS_UNBINDABLE, .data = ""},
		{.words = {"rro", "rnodev", "rrelatime"},
			.rec_set = MS_RDONLY | MS_NODEV | MS_RELATIME,
			.data = ""},
		{.words = {"rro", "rrw"}, .rec_clear = MS_RDONLY, .data = ""},
		{.words = {"rdev", "rsuid"}, .rec_clear = MS_NODEV | MS_NOSUID, .data = ""},
		/* Not words of the table: data, though they begin alike. */
		{.words = {"size=64m", "mode=755"}, .data = "size=64m,mode=755"},
		{.words = {"rsize=4", "rsync", "rbogus", "ROOT", "r"},
			.data = "rsize=4,rsync,rbogus,ROOT,r"},
		{.words = {"a", "nodev", "b=c,d"}, .set = MS_NODEV, .data = "a,b=c,d"},
		{.words = {"sync", "async"}, .clear = MS_SYNCHRONOUS, .data = ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mount_options o = parse(rows[i].words);

		assert_int_equal(o.set, rows[i].set);
		assert_int_equal(o.clear, rows[i].clear);
		assert_int_equal(o.rec_set, rows[i].rec_set);
		assert_int_equal(o.rec_clear, rows[i].rec_clear);
		assert_int_equal(o.propagation, rows[i].propagation);
		assert_string_equal(buf_str(&o.data), rows[i].data);
		assert_int_equal(o.bind, rows[i].bind);
		assert_int_equal(o.bind_recursive, rows[i].rbind);
		mount_options_fini(&o);
	}
}

static void flags_become_attributes(void **state)
{
	struct mount_attr a;

	(void)state;
	assert_false(mount_options_attr(0, 0, &a));
	assert_false(mount_options_attr(MS_SYNCHRONOUS, MS_MANDLOCK, &a));
	assert_true(mount_options_attr(MS_RDONLY | MS_NOEXEC, MS_NOSUID, &a));
	assert_int_equal(a.attr_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);
	assert_int_equal(a.attr_clr, MOUNT_ATTR_NOSUID);
	/* The kernel wants the whole field cleared to set one of its values. */
	assert_true(mount_options_attr(MS_NOATIME, 0, &a));
	assert_int_equal(a.attr_set, MOUNT_ATTR_NOATIME);
	assert_int_equal(a.attr_clr, MOUNT_ATTR__ATIME);
	assert_true(mount_options_attr(MS_RELATIME, 0, &a));
	assert_int_equal(a.attr_set, 0);
	assert_int_equal(a.attr_clr, MOUNT_ATTR__ATIME);
}

static void no_memory_is_an_error(void **state)
{
	static const char *const words[] = {"size=1", "mode=2", "ro"};
	struct mount_options o;

	(void)state;
	OOM_SWEEP(n)
	{
		int r;

		oom_arm(n);
		r = mount_options_parse((char **)(uintptr_t)words, ARRAY_SIZE(words), &o);
		oom_disarm();
		if (r == 0)
			mount_options_fini(&o);
		else
			assert_int_equal(r, -ENOMEM);
	}
}

static void lines_of_mountinfo(void **state)
{
	char text[] = "22 28 0:21 / /sys rw,relatime shared:7 - sysfs sysfs rw\n"
		      "junk\n\n"
		      "1 1 0:2 / / rw - rootfs rootfs rw\n"
		      "23 28 0:5 / /with\\040space\\134\\011 rw shared:1 master:2 - tmp-fs x y,z\n"
		      "24 x 0:5 / /bad rw - t x y\n"
		      "25 28 0:5 / /no-dash rw t x y\n"
		      "18446744073709551616 1 0:5 / /big rw - t x y\n"
		      "26 28 0:5 / /odd\\9\\4 rw -  tmpfs\n"
		      "27 28 0:5 / /last rw - ext4";
	static const struct {
		uint64_t id, parent_id;
		const char *mount_point, *fs_type;
	} rows[] = {
		{22, 28, "/sys", "sysfs"},
		{1, 1, "/", "rootfs"},
		{23, 28, "/with space\\\t", "tmp-fs"},
		{26, 28, "/odd\\9\\4", "tmpfs"},
		{27, 28, "/last", "ext4"},
	};
	struct mountinfo m;
	char *at = text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(mountinfo_next(&at, &m));
		assert_int_equal(m.id, rows[i].id);
		assert_int_equal(m.parent_id, rows[i].parent_id);
		assert_string_equal(m.mount_point, rows[i].mount_point);
		assert_string_equal(m.fs_type, rows[i].fs_type);
	}
	assert_false(mountinfo_next(&at, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_flags),
		cmocka_unit_test(flags_become_attributes),
		cmocka_unit_test(no_memory_is_an_error),
		cmocka_unit_test(lines_of_mountinfo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
