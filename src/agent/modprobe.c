/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/modprobe.h"

#include <limits.h>
#include <string.h>

#include "agent/rpc.h"
#include "base/clock.h"
#include "linux/command.h"
#include "linux/modules.h"
#include "wire/status.h"

#define MODPROBE "/sbin/modprobe"

/* It says a line for each module that another one needs. */
enum { MAX_OUTPUT = 64 << 10 };
/* A driver looks for its devices while it is loaded. */
#define TIMEOUT_NS (60 * NS_PER_S)

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

static int load(const Grpc__KernelModule *m, struct err *err)
{
	enum { N_FIXED = 4 };
	auto_free const char **argv = calloc(N_FIXED + m->n_parameters + 1, sizeof(*argv));
	struct command command = {.argv = argv, .max_output = MAX_OUTPUT, .timeout_ns = TIMEOUT_NS};

	if (!argv)
		return err_sys(err, ENOMEM, "kernel module %s", m->name);
	argv[0] = MODPROBE;
	argv[1] = "-v";
	argv[2] = "--";
	argv[3] = m->name;
	for (size_t i = 0; i < m->n_parameters; i++)
		argv[N_FIXED + i] = m->parameters[i];
	return command_run(&command, NULL, err) < 0 ? err_wrap(err, "kernel module %s", m->name)
						    : 0;
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
