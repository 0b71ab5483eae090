/* SPDX-License-Identifier: Apache-2.0 */
/* SELinux and AppArmor. What is written and when: to a false /proc and /sys of the test's own, for
 * the kernels that this runs on enforce neither, or one of them at most. What is refused: for real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/labels.h"
#include "agent/container/mount_work.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/lsm.h"
#include "wire/status.h"

static char root[32];

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/labels-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return path_remove_tree(AT_FDCWD, root);
}

static void write_file(const char *path, const char *text)
{
	char full[128];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		*at = '/';
	}
	assert_int_equal(io_replace_file(AT_FDCWD, full, 0600, text, strlen(text)), 0);
}

static void assert_file(const char *path, const char *expected)
{
	auto_buf struct buf text = BUF_INIT;
	char full[128];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert_int_equal(io_read_file(AT_FDCWD, full, 4096, &text), 0);
	assert_string_equal(buf_str(&text), expected);
}

static int open_proc(void)
{
	char full[64];
	int fd;

	snprintf(full, sizeof(full), "%s/proc", root);
	fd = open(full, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void what_is_on_is_seen(void **state)
{
	(void)state;
	assert_false(lsm_is_on(LSM_SELINUX, root));
	assert_false(lsm_is_on(LSM_APPARMOR, root));
	write_file("sys/module/apparmor/parameters/enabled", "N\n");
	assert_false(lsm_is_on(LSM_APPARMOR, root));
	write_file("sys/module/apparmor/parameters/enabled", "Y\n");
	assert_true(lsm_is_on(LSM_APPARMOR, root));
	assert_false(lsm_is_on(LSM_SELINUX, root));
	write_file("sys/fs/selinux/enforce", "0");
	assert_true(lsm_is_on(LSM_SELINUX, root));
}

static void labels_are_written_to_the_process_files(void **state)
{
	struct labels labels = LABELS_INIT;

	(void)state;
	write_file("proc/self/attr/exec", "");
	write_file("proc/self/attr/apparmor/exec", "");
	labels.selinux = "u:r:t:s0:c1,c2";
	labels.apparmor = "a profile";
	labels.proc_fd = open_proc();
	assert_int_equal(labels_open(&labels, NULL), 0);
	assert_int_equal(labels.proc_fd, -1);
	assert_file("proc/self/attr/exec", "");
	assert_int_equal(labels_apply(&labels, NULL), 0);
	assert_file("proc/self/attr/exec", "u:r:t:s0:c1,c2");
	assert_file("proc/self/attr/apparmor/exec", "exec a profile");
	close_fd(labels.selinux_fd);
	close_fd(labels.apparmor_fd);
}

static void an_older_kernel_has_one_file_for_all(void **state)
{
	auto_fd int proc = -1, fd = -1;

	(void)state;
	write_file("proc/self/attr/exec", "");
	proc = open_proc();
	fd = lsm_open(LSM_APPARMOR, proc);
	assert_true(fd >= 0);
	assert_int_equal(lsm_set(LSM_APPARMOR, fd, "p"), 0);
	assert_file("proc/self/attr/exec", "exec p");
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
	struct labels labels = LABELS_INIT;
	struct err err = ERR_INIT;

	(void)state;
	write_file("proc/x", "");
	labels.selinux = "u:r:t";
	labels.proc_fd = open_proc();
	assert_int_equal(labels_open(&labels, &err), -ENOENT);
	assert_string_equal(err.msg, "open the label of the process: No such file or directory");
}

static void what_the_kernel_says_is_told(void **state)
{
	struct labels labels = LABELS_INIT;
	struct err err = ERR_INIT;

	(void)state;
	labels.apparmor = "p";
	labels.apparmor_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(labels_apply(&labels, &err), -ENOSPC);
	assert_string_equal(err.msg, "set apparmorProfile \"p\": No space left on device");
	close_fd(labels.apparmor_fd);
}

static void none_is_none(void **state)
{
	static char empty[] = "";
	Grpc__Process p = GRPC__PROCESS__INIT;
	struct labels labels = LABELS_INIT;

	(void)state;
	p.selinuxlabel = p.apparmorprofile = empty;
	assert_int_equal(labels_check_process(&p, NULL), 0);
	assert_int_equal(labels_prepare(&p, -1, &labels, NULL), 0);
	assert_int_equal(labels.proc_fd, -1);
	assert_int_equal(labels_open(&labels, NULL), 0);
	assert_int_equal(labels_apply(&labels, NULL), 0);
}

static void what_is_no_label_is_refused(void **state)
{
	static const char *const labels[] = {"x", "u:r", ":r:t:s0", "u::t:s0", "u:r:", "u:r:t:s0 x",
		"u:r:t:s0\"", "u:r:t\ns0", "u:r:t:s0\\"};
	Grpc__Linux l = GRPC__LINUX__INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		Grpc__Process p = GRPC__PROCESS__INIT;
		struct err err = ERR_INIT, mounts = ERR_INIT;

		p.selinuxlabel = l.mountlabel = (char *)(uintptr_t)labels[i];
		assert_int_equal(labels_check_process(&p, &err), -EINVAL);
		assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
		assert_int_equal(labels_check_mounts(&l, &mounts), -EINVAL);
		assert_non_null(strstr(mounts.msg, labels[i]));
	}
}

static void what_the_guest_does_not_enforce_is_refused(void **state)
{
	static char label[] = "system_u:system_r:container_t:s0:c1,c2", profile[] = "mine",
		    bad[] = "a\nb";
	Grpc__Process p = GRPC__PROCESS__INIT;
	Grpc__Linux l = GRPC__LINUX__INIT;
	struct err err = ERR_INIT, err2 = ERR_INIT, err3 = ERR_INIT, err4 = ERR_INIT;

	(void)state;
	p.apparmorprofile = bad;
	assert_int_equal(labels_check_process(&p, &err4), -EINVAL);
	if (lsm_is_on(LSM_SELINUX, "/") || lsm_is_on(LSM_APPARMOR, "/"))
		skip();
	p.apparmorprofile = NULL;
	p.selinuxlabel = l.mountlabel = label;
	assert_int_equal(labels_check_process(&p, &err), -ENOTSUP);
	assert_string_equal(err.msg,
		"selinuxLabel \"system_u:system_r:container_t:s0:c1,c2\" is not supported: there "
		"is no SELinux in the guest");
	assert_int_equal(labels_check_mounts(&l, &err2), -ENOTSUP);
	p.selinuxlabel = NULL;
	p.apparmorprofile = profile;
	assert_int_equal(labels_check_process(&p, &err3), -ENOTSUP);
	assert_string_equal(err3.msg, "apparmorProfile \"mine\" is not supported: there is no "
				      "AppArmor in the guest");
}

static void an_engines_default_is_left_out_with_a_warning(void **state)
{
	static char profile[] = "cri-containerd.apparmor.d";
	Grpc__Process p = GRPC__PROCESS__INIT;
	struct labels labels;

	(void)state;
	if (lsm_is_on(LSM_APPARMOR, "/"))
		skip();
	p.apparmorprofile = profile;
	assert_int_equal(labels_check_process(&p, NULL), 0);
	assert_int_equal(labels_prepare(&p, -1, &labels, NULL), 0);
	assert_null(labels.apparmor);
	assert_int_equal(labels.proc_fd, -1);
}

static void file_systems_are_mounted_with_the_label(void **state)
{
	static char label[] = "u:r:t:s0:c1,c2", at[] = "/m", ro[] = "ro", size[] = "size=1m";
	static char *options[] = {ro, size};
	static const struct {
		const char *type;
		size_t n_options;
		const char *data;
	} rows[] = {
		{"tmpfs", 0, "context=\"u:r:t:s0:c1,c2\""},
		{"tmpfs", 2, "size=1m,context=\"u:r:t:s0:c1,c2\""},
		{"proc", 0, ""},
		{"sysfs", 1, ""},
		{"cgroup", 0, ""},
		{"mqueue", 0, ""},
		{"bind", 1, ""},
	};
	Grpc__Spec spec = GRPC__SPEC__INIT;
	Grpc__Linux l = GRPC__LINUX__INIT;

	(void)state;
	spec.linux = &l;
	l.mountlabel = label;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Grpc__Mount mount = GRPC__MOUNT__INIT;
		struct mount_work w;

		mount.destination = at;
		mount.type = (char *)(uintptr_t)rows[i].type;
		mount.options = options;
		mount.n_options = rows[i].n_options;
		assert_int_equal(mount_work_init(&spec, &mount, &w, NULL), 0);
		assert_string_equal(buf_str(&w.options.data), rows[i].data);
		mount_work_fini(&w);
	}
}

#define in_root(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_root(what_is_on_is_seen),
		in_root(labels_are_written_to_the_process_files),
		in_root(an_older_kernel_has_one_file_for_all),
		in_root(a_file_that_is_not_there_is_an_error),
		cmocka_unit_test(what_the_kernel_says_is_told),
		cmocka_unit_test(none_is_none),
		cmocka_unit_test(what_is_no_label_is_refused),
		cmocka_unit_test(what_the_guest_does_not_enforce_is_refused),
		cmocka_unit_test(an_engines_default_is_left_out_with_a_warning),
		cmocka_unit_test(file_systems_are_mounted_with_the_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
