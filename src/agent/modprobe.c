/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/modprobe.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/rpc.h"
#include "base/utf8.h"
#include "linux/modules.h"
#include "linux/spawn.h"
#include "wire/status.h"

#define MODPROBE "/sbin/modprobe"

/* Of its output, for the error; a module that is not found is one line. */
enum { MAX_OUTPUT = 512 };

int modprobe_check(Grpc__KernelModule **list, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = rpc_str(list[i]->name);

		if (!*name)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"a kernel module without a name");
		if (*name == '-' || *name == '.' || strchr(name, '/') || strlen(name) > NAME_MAX)
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"\"%.256s\" is not the name of a kernel module", name);
	}
	return 0;
}

/* Reads to the end, so that the program is not held up; keeps the beginning. */
static void read_output(int fd, char text[static MAX_OUTPUT])
{
	char rest[MAX_OUTPUT];
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, rest, sizeof(rest))) > 0 || (n < 0 && errno == EINTR)) {
		size_t keep = MAX_OUTPUT - 1 - used;

		if (n < 0)
			continue;
		if ((size_t)n < keep)
			keep = (size_t)n;
		memcpy(text + used, rest, keep);
		used += keep;
	}
	/* "\n" is a control character too. */
	while (used > 0 && text[used - 1] == '\n')
		used--;
	text[used] = '\0';
	utf8_make_printable(text);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

static int run(const char *name, const char *const *argv, struct err *err)
{
	struct spawn_config config = {.program = MODPROBE, .argv = argv};
	struct spawn s = SPAWN_INIT;
	char output[MAX_OUTPUT];
	int fds[2], status, r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "kernel module %s: pipe", name);
	config.output_fd = fds[1];
	r = spawn_start(&config, &s, err);
	close_fd(fds[1]);
	if (r == 0) {
		spawn_release(&s);
		read_output(fds[0], output);
		status = wait_for(s.pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
			spawn_describe_exit(&s, "modprobe", MODPROBE, status, err);
			/* NULL: the caller wants no text. */
			r = err ? err_wrap(err, "kernel module %s: %s", name, output) : -ECHILD;
		}
	}
	spawn_fini(&s);
	close_fd(fds[0]);
	return r;
}

static int load(const Grpc__KernelModule *m, struct err *err)
{
	enum { N_FIXED = 4 };
	auto_free const char **argv = calloc(N_FIXED + m->n_parameters + 1, sizeof(*argv));

	if (!argv)
		return err_sys(err, ENOMEM, "kernel module %s", m->name);
	argv[0] = "modprobe";
	argv[1] = "-v";
	argv[2] = "--";
	argv[3] = m->name;
	for (size_t i = 0; i < m->n_parameters; i++)
		argv[N_FIXED + i] = m->parameters[i];
	return run(m->name, argv, err);
}

static int find_loaded(const Grpc__KernelModule *m, struct err *err)
{
	if (!modules_is_loaded(m->name))
		return err_set(err, ENOENT,
			"kernel module %s is not in this guest, which has no " MODPROBE, m->name);
	if (m->n_parameters > 0)
		return err_set(err, EBUSY,
			"kernel module %s is loaded already: no parameters can be given", m->name);
	return 0;
}

int modprobe_load(Grpc__KernelModule **list, size_t n, struct err *err)
{
	bool has_modprobe = access(MODPROBE, X_OK) == 0;

	for (size_t i = 0; i < n; i++) {
		int r = has_modprobe ? load(list[i], err) : find_loaded(list[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
