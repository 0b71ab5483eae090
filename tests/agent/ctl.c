/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

enum { MAX_ARGS = 64 };

struct ctl_result ctl_last;

static void read_back(const char *path, char *ret, size_t size)
{
	struct buf text = BUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, path, size - 1, &text), 0);
	snprintf(ret, size, "%s", buf_str(&text));
	buf_fini(&text);
}

static void exec_program(const char *in, const char *out, const char *err, const char *const *argv)
{
	union {
		const char *const *in;
		char *const *out;
	} u = {.in = argv};

	dup2(open(in, O_RDONLY | O_CLOEXEC), 0);
	dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 1);
	dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), 2);
	execv(argv[0], u.out);
	_exit(127);
}

static void run_program(const struct fixture *f, const char *in, const char *const *argv)
{
	char out[2 * PATH_SIZE], err[2 * PATH_SIZE];
	int status;
	pid_t pid;

	snprintf(out, sizeof(out), "%s/out", f->dir);
	snprintf(err, sizeof(err), "%s/err", f->dir);
	pid = fork();
	if (pid == 0)
		exec_program(in, out, err, argv);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	ctl_last.status = WEXITSTATUS(status);
	read_back(out, ctl_last.out, sizeof(ctl_last.out));
	read_back(err, ctl_last.err, sizeof(ctl_last.err));
}

/* Appends the NULL-terminated words to argv at n; the new n. */
static size_t append(const char **argv, size_t n, const char *const *words)
{
	for (size_t i = 0; words[i]; i++) {
		assert_true(n < MAX_ARGS - 1);
		argv[n++] = words[i];
	}
	argv[n] = NULL;
	return n;
}

void ctl_run(const struct fixture *f, const char *const *args)
{
	const char *argv[MAX_ARGS] = {AGENT_CTL};

	append(argv, 1, args);
	run_program(f, "/dev/null", argv);
}

void ctl_run_with_input(const struct fixture *f, const char *input, const char *const *args)
{
	const char *argv[MAX_ARGS] = {AGENT_CTL};
	char path[2 * PATH_SIZE];

	snprintf(path, sizeof(path), "%s/in", f->dir);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, input, strlen(input)), 0);
	append(argv, 1, args);
	run_program(f, path, argv);
}

void ctl_run_on_terminal(const struct fixture *f, const char *const *steps, const char *const *args)
{
	static const char *const tool[] = {"--", AGENT_CTL, NULL};
	const char *argv[MAX_ARGS] = {"/usr/bin/python3", ON_TERMINAL, "30", "90"};
	size_t n = append(argv, 4, steps);

	n = append(argv, n, tool);
	append(argv, n, args);
	run_program(f, "/dev/null", argv);
}

void ctl_expect(int status, const char *out, const char *err)
{
	if (ctl_last.status != status || strcmp(ctl_last.out, out) != 0 ||
		strcmp(ctl_last.err, err) != 0)
		fail_msg("status %d, stdout:\n%s\nstderr:\n%s", ctl_last.status, ctl_last.out,
			ctl_last.err);
}

void ctl_write_bundle(const struct fixture *f, const char *dir, const char *script)
{
	struct buf text = BUF_INIT;
	char path[2 * PATH_SIZE];

	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/rootfs", dir);
	assert_int_equal(symlink(f->rootfs, path), 0);
	assert_int_equal(buf_printf(&text,
				 "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},"
				 "\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\","
				 "\"args\":[\"sh\",\"-c\",\"%s\"],\"env\":[\"PATH=/bin\"]},"
				 "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\","
				 "\"source\":\"proc\"}],\"linux\":{\"cgroupsPath\":\"%s/ctl\","
				 "\"namespaces\":[{\"type\":\"mount\"}]}}",
				 f->rootfs, script, f->cgroup),
		0);
	snprintf(path, sizeof(path), "%s/config.json", dir);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, buf_str(&text), buf_len(&text)), 0);
	buf_fini(&text);
}
