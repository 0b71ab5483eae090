/* SPDX-License-Identifier: Apache-2.0 */
/* What neither a pod's author nor another user of the host can do. */
#include "shim_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "loop_until.h"

static const char *read_text(const char *path, struct buf *b)
{
	buf_clear(b);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, b), 0);
	return buf_str(b);
}

/* The command line of the sandbox's process of that role; NUL between the words. */
static void read_command_line(struct fixture *f, const char *role, struct buf *b)
{
	auto_buf struct buf state = BUF_INIT;
	char path[160], mark[48];
	const char *at;
	int pid;

	snprintf(path, sizeof(path), "%s/kata/c1/state.json", f->run_root);
	(void)read_text(path, &state);
	snprintf(mark, sizeof(mark), "\"role\":\"%s\",\"pid\":", role);
	at = strstr(buf_str(&state), mark);
	assert_non_null(at);
	pid = (int)strtol(at + strlen(mark), NULL, 10);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	/* Nobody here waits for virtiofsd: it may not have been executed yet, and have ours. */
	loop_until(f->shim.loop, strcmp(read_text(path, b), "/proc/self/exe") == 0);
}

static void write_bundle(struct fixture *f, const char *annotations)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(
		buf_printf(&b,
			"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},"
			"\"process\":{\"cwd\":\"/"
			"\",\"args\":[\"x\"],\"user\":{\"uid\":0,\"gid\":0}},"
			"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"}]},"
			"\"annotations\":{%s}}",
			annotations),
		0);
	write_file(f->bundle, "config.json", buf_str(&b));
}

#define HYPERVISOR "\"io.katacontainers.config.hypervisor."

static void no_annotation_changes_a_command_line(void **data)
{
	static const char *const rows[] = {
		HYPERVISOR "virtio_fs_extra_args\":\"[\\\"-o\\\",\\\"source=/\\\"]\"",
		HYPERVISOR "virtio_fs_daemon\":\"/bin/sh\"",
		HYPERVISOR "virtio_fs_cache\":\"always\"",
		HYPERVISOR "path\":\"/bin/sh\"",
		HYPERVISOR "kernel\":\"/etc/passwd\"",
		HYPERVISOR "kernel_params\":\"init=/bin/sh\"",
		HYPERVISOR "machine_accelerators\":\"x\"",
		HYPERVISOR "file_mem_backend\":\"/\"",
		"\"io.katacontainers.config_path\":\"/etc/passwd\"",
	};
	static const char *const roles[] = {"virtiofsd", "qemu"};
	struct fixture *f = *data;
	struct buf plain[ARRAY_SIZE(roles)] = {BUF_INIT}, changed = BUF_INIT;

	write_bundle(f, "");
	assert_int_equal(create(f).status, 0);
	for (size_t k = 0; k < ARRAY_SIZE(roles); k++)
		read_command_line(f, roles[k], &plain[k]);
	assert_int_equal(delete_task(f, NULL).status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_bundle(f, rows[i]);
		assert_int_equal(create(f).status, 0);
		for (size_t k = 0; k < ARRAY_SIZE(roles); k++) {
			read_command_line(f, roles[k], &changed);
			assert_true(slice_equal(buf_slice(&changed), buf_slice(&plain[k])));
		}
		assert_int_equal(delete_task(f, NULL).status, 0);
	}
	/* The configuration does: a difference would have been seen. */
	configure(f, "debug");
	assert_int_equal(create(f).status, 0);
	read_command_line(f, "qemu", &changed);
	assert_false(slice_equal(buf_slice(&changed), buf_slice(&plain[1])));
	assert_int_equal(delete_task(f, NULL).status, 0);
	for (size_t k = 0; k < ARRAY_SIZE(roles); k++)
		buf_fini(&plain[k]);
	buf_fini(&changed);
}

static void assert_mode(struct fixture *f, const char *name, mode_t mode)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", f->run_root, name);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, mode);
}

static void nobody_else_can_look_into_a_sandbox(void **data)
{
	struct fixture *f = *data;
	mode_t mask = umask(0);

	assert_int_equal(create(f).status, 0);
	umask(mask);
	assert_mode(f, "kata", S_IFDIR | 0700);
	assert_mode(f, "kata/c1", S_IFDIR | 0700);
	assert_mode(f, "kata/c1/state.json", S_IFREG | 0600);
	assert_mode(f, "kata-containers", S_IFDIR | 0700);
	assert_mode(f, "kata-containers/shared/sandboxes/c1", S_IFDIR | 0700);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		shim_test(no_annotation_changes_a_command_line),
		shim_test(nobody_else_can_look_into_a_sandbox),
	};
	int status = fixture_main(argc, argv);

	return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
