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

static const char *const roles[] = {"virtiofsd", "qemu"};

/* Creates the container, and notes what its processes were called with. */
static void note_command_lines(struct fixture *f, struct buf notes[static ARRAY_SIZE(roles)])
{
	assert_int_equal(create(f).status, 0);
	for (size_t k = 0; k < ARRAY_SIZE(roles); k++)
		read_command_line(f, roles[k], &notes[k]);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void no_annotation_changes_a_command_line(void **data)
{
	static const char *const ignored[] = {
		HYPERVISOR "virtio_fs_extra_args\":\"[\\\"-o\\\",\\\"source=/\\\"]\"",
		HYPERVISOR "virtio_fs_cache\":\"always\"",
		HYPERVISOR "kernel_params\":\"init=/bin/sh\"",
		HYPERVISOR "machine_accelerators\":\"x\"",
		"\"io.katacontainers.config_path\":\"/etc/passwd\"",
	};
	static const char *const refused[] = {
		HYPERVISOR "virtio_fs_daemon\":\"/bin/sh\"",
		HYPERVISOR "path\":\"/bin/sh\"",
		HYPERVISOR "kernel\":\"/etc/passwd\"",
		HYPERVISOR "file_mem_backend\":\"/\"",
	};
	struct fixture *f = *data;
	struct buf plain[ARRAY_SIZE(roles)] = {BUF_INIT}, changed[ARRAY_SIZE(roles)] = {BUF_INIT};

	write_bundle(f, "");
	note_command_lines(f, plain);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
		write_bundle(f, ignored[i]);
		note_command_lines(f, changed);
		for (size_t k = 0; k < ARRAY_SIZE(roles); k++)
			assert_true(slice_equal(buf_slice(&changed[k]), buf_slice(&plain[k])));
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct answer a;

		write_bundle(f, refused[i]);
		a = create(f);
		assert_int_not_equal(a.status, 0);
		assert_non_null(strstr(a.msg, "names a path and is not enabled"));
	}
	/* The configuration does: a difference would have been seen. */
	write_bundle(f, "");
	configure(f, "debug");
	note_command_lines(f, changed);
	assert_false(slice_equal(buf_slice(&changed[1]), buf_slice(&plain[1])));
	for (size_t k = 0; k < ARRAY_SIZE(roles); k++) {
		buf_fini(&plain[k]);
		buf_fini(&changed[k]);
	}
}

/* The words of a command line, joined by spaces. */
static bool has_words(const struct buf *line, const char *words)
{
	auto_buf struct buf text = BUF_INIT;

	assert_int_equal(buf_append(&text, line->data + line->start, buf_len(line)), 0);
	for (size_t i = text.start; i < text.end; i++)
		if (text.data[i] == '\0')
			text.data[i] = ' ';
	return strstr(buf_str(&text), words);
}

static void what_is_enabled_changes_the_vm(void **data)
{
	static const char config[] =
		"[hypervisor.qemu]\npath = \"/proc/self/exe\"\n"
		"kernel = \"/proc/self/exe\"\ninitrd = \"/proc/self/exe\"\n"
		"virtio_fs_daemon = \"/proc/self/exe\"\n"
		"kernel_params = \"a=1 quiet\"\n"
		"enable_annotations = [\"default_memory\", \"kernel_params\"]\n";
	struct buf lines[ARRAY_SIZE(roles)] = {BUF_INIT};
	struct fixture *f = *data;
	struct answer a;

	write_file(f->config, "", config);
	write_bundle(f,
		HYPERVISOR "default_memory\":\"333\"," HYPERVISOR "kernel_params\":\"a=2 quiet\"");
	note_command_lines(f, lines);
	assert_true(has_words(&lines[1], "333M"));
	assert_true(has_words(&lines[1], " a=2 quiet"));
	assert_false(has_words(&lines[1], "a=1"));
	write_bundle(f, HYPERVISOR "default_memory\":\"lots\"");
	a = create(f);
	assert_int_not_equal(a.status, 0);
	assert_non_null(strstr(a.msg, "hypervisor.default_memory: \"lots\" is not a size"));
	for (size_t k = 0; k < ARRAY_SIZE(roles); k++)
		buf_fini(&lines[k]);
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
		shim_test(what_is_enabled_changes_the_vm),
		shim_test(nobody_else_can_look_into_a_sandbox),
	};
	int status = fixture_main(argc, argv);

	return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
