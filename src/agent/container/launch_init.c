/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container process, from its birth to its program's first instruction. The order matters:
 *
 *  1 hello: the agent knows the pid, and has not given up meanwhile
 *  2 cgroup, then namespaces: the cgroup namespace's root is where the process is
 *  3 an init: what needs the guest's /proc (namespace fds, oom_score_adj, sysctls)
 *  4 an init builds its root, has the hooks of the creation run, and enters it; an exec was born in
 *    init's
 *  5 session, terminal, working directory, environment: as root, in the container
 *  6 limits, ids, capabilities, no_new_privs
 *  7 is there such a program: as the user who will run it
 *  8 ready; wait for the go
 *  9 an init's startContainer hooks; labels; seccomp and the rest of the capabilities, as little as possible after the filter
 * 10 execve
 */
#include "agent/container/setup.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "agent/container/creds.h"
#include "agent/container/devices.h"
#include "agent/container/environment.h"
#include "agent/container/masks.h"
#include "agent/container/mounts.h"
#include "agent/container/namespaces.h"
#include "agent/container/personality.h"
#include "agent/container/priority.h"
#include "agent/container/program.h"
#include "agent/container/report.h"
#include "agent/container/rootfs.h"
#include "agent/container/sysctl.h"
#include "agent/container/userns.h"
#include "base/path.h"
#include "linux/cgroup.h"
#include "linux/process.h"

/* What the steps hand to each other. The process ends by execve or _exit: nothing is released. */
struct init {
	struct setup *setup; /* borrowed */
	const Grpc__Spec *spec;
	const Grpc__Process *process;
	int ns_fds[LAUNCH_NS_COUNT];
	struct environment env;
	struct caps caps;
	char *program;
};

static int say_hello(const struct setup *setup, struct err *err)
{
	int r = report_send(setup->sock_fd, REPORT_HELLO, 0, NULL, 0);

	if (r == 0)
		r = report_await(setup->sock_fd, REPORT_ACK);
	return r < 0 ? err_sys(err, -r, "greet the agent") : 0;
}

static int join_cgroup(struct setup *setup, struct err *err)
{
	const Grpc__CPUAffinity *cpus = setup->request.process->execcpuaffinity;
	int r = cgroup_join(&setup->cgroup, setup->born_in_cgroup);

	cgroup_close(&setup->cgroup);
	if (r < 0)
		return err_sys(err, -r, "join cgroup %s", setup->request.cgroup);
	return cpus && !setup->request.is_init ? priority_set_cpus(cpus->final, err) : 0;
}

/* An exec's limits first: the user namespace that it enters takes the right to raise them. An init's
 * are set by the job. */
static int enter_namespaces(struct init *init, struct err *err)
{
	const struct setup *setup = init->setup;
	const Grpc__Process *container = init->spec->process;
	bool is_exec = setup->has_userns && !setup->request.is_init;
	int r = 0;

	if (is_exec && container)
		r = creds_apply_rlimits(0, container->rlimits, container->n_rlimits, err);
	if (r == 0 && is_exec)
		r = priority_apply(0, init->process, err);
	if (r == 0)
		r = namespaces_enter(&setup->request, err);
	return r == 0 && is_exec ? userns_become_root(err) : r;
}

static int use_guest_proc(struct init *init, struct err *err)
{
	int r;

	if (!init->setup->request.is_init)
		return 0;
	/* The job has done it where it takes rights that a user namespace has not. */
	r = init->setup->has_userns ? 0 : launch_adjust_oom_score(init->spec->process, err);
	if (r == 0)
		r = namespaces_open(&init->setup->request, init->ns_fds, err);
	return r < 0 || init->setup->has_userns
		       ? r
		       : sysctl_apply(init->spec->linux, ~0U, init->setup->sock_fd, err);
}

/* Not before the root is open, for it may be below directories of the guest's root. The sysctls of
 * its own namespaces are this root's; the job has set the others. */
static int become_root_inside(const struct init *init, struct err *err)
{
	int r = userns_become_root(err);

	return r < 0 ? r
		     : sysctl_apply(init->spec->linux, namespaces_new(&init->setup->request),
			       init->setup->sock_fd, err);
}

static int fill_root(
	const struct init *init, struct rootfs *root, struct mounts *mounts, struct err *err)
{
	const Grpc__Linux *l = init->spec->linux;
	int r = mounts_apply(root, init->spec, init->setup->outside_fds, mounts, err);
	auto_fd int cwd = -1;

	if (r < 0)
		return r;
	if (!mounts->dev_is_bound)
		r = init->setup->has_userns ? devices_bind(root, l->devices, l->n_devices, err)
					    : devices_make(root, l->devices, l->n_devices, err);
	if (r == 0 && init->setup->console_fd >= 0)
		r = devices_mount_console(root, init->setup->console_fd, err);
	if (r < 0)
		return r;
	/* Not there: made, like runc does. Anything else is found out by chdir. */
	cwd = path_mkdir_in_root(root->fd, init->process->cwd, 0755);
	r = masks_hide(root, l->maskedpaths, l->n_maskedpaths, err);
	if (r == 0)
		r = masks_make_readonly(root, l->readonlypaths, l->n_readonlypaths, err);
	if (r == 0)
		r = mounts_finish(mounts, err);
	if (r == 0 && init->spec->root->readonly)
		r = masks_make_root_readonly(root, err);
	return r;
}

static int enter_root(struct init *init, struct err *err)
{
	const struct launch_request *request = &init->setup->request;
	const char *propagation = init->spec->linux->rootfspropagation;
	struct rootfs root = ROOTFS_INIT;
	struct mounts mounts = {.n_later_ro = 0};
	int r;

	if (!request->is_init)
		return 0;
	r = rootfs_open(request->rootfs, propagation, &root, err);
	if (r == 0 && init->setup->has_userns)
		r = become_root_inside(init, err);
	if (r == 0)
		r = fill_root(init, &root, &mounts, err);
	if (r == 0)
		r = launch_await_hooks(init->setup, err);
	if (r == 0)
		r = launch_run_own_hooks(init->setup, HOOKS_CREATE_CONTAINER, err);
	if (r == 0)
		r = rootfs_enter(&root, propagation, err);
	mounts_fini(&mounts);
	return r;
}

/* The terminal by its name in the container, so that ttyname(3) works there. */
static void reopen_console(const struct setup *setup)
{
	auto_fd int fd = -1;
	struct stat old, new;

	if (setup->console_fd < 0)
		return;
	fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &new) < 0 || fstat(STDIN_FILENO, &old) < 0)
		return;
	if (!S_ISCHR(new.st_mode) || new.st_rdev != old.st_rdev || new.st_ino != old.st_ino)
		return;
	for (int i = 0; i < 3; i++)
		(void)!dup2(fd, i);
}

/* The user must be able to open /dev/stdout again. */
static int give_stdio(const Grpc__User *user, struct err *err)
{
	if (!user || user->uid == 0)
		return 0;
	for (int i = 0; i < 3; i++) {
		struct stat st;

		if (fstat(i, &st) < 0)
			return err_sys(err, errno, "stat stdio");
		if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
			continue;
		/* A read-only or foreign file system under it is no reason to stop. */
		if (fchown(i, user->uid, (gid_t)-1) < 0 && errno != EPERM && errno != EROFS &&
			errno != EINVAL)
			return err_sys(err, errno, "give stdio to uid %u", user->uid);
	}
	return 0;
}

static int take_terminal(const Grpc__Process *process, struct err *err)
{
	const Grpc__Box *size = process->consolesize;

	if (setsid() < 0)
		return err_sys(err, errno, "setsid");
	if (!process->terminal)
		return 0;
	if (size && (size->height > 0 || size->width > 0)) {
		struct winsize ws = {.ws_row = (unsigned short)size->height,
			.ws_col = (unsigned short)size->width};

		if (ioctl(STDIN_FILENO, TIOCSWINSZ, &ws) < 0)
			return err_sys(err, errno, "set the size of the terminal");
	}
	if (ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		return err_sys(err, errno, "make the terminal the controlling one");
	return 0;
}

static int change_dir(const char *cwd, struct err *err)
{
	char path[PATH_MAX];

	if (chdir(cwd) < 0)
		return err_sys(err, errno, "chdir to cwd (\"%s\")", cwd);
	/* A directory outside the root, reached through some fd's link, has no path here
	 * (CVE-2024-21626); the C libraries turn the kernel's "(unreachable)" into ENOENT. */
	if (!getcwd(path, sizeof(path)) && errno != ERANGE)
		return err_set(err, EPERM, "cwd \"%s\" is outside the container's root", cwd);
	return 0;
}

static int move_in(struct init *init, struct err *err)
{
	const Grpc__Process *p = init->process;
	int r;

	reopen_console(init->setup);
	r = take_terminal(p, err);
	if (r == 0)
		r = give_stdio(p->user, err);
	if (r == 0)
		r = change_dir(p->cwd, err);
	if (r < 0)
		return r;
	r = environment_build(p->env, p->n_env, init->setup->sock_fd, &init->env);
	if (r == 0)
		r = environment_add_home(&init->env, p->user ? p->user->uid : 0);
	if (r < 0)
		return err_sys(err, -r, "environment");
	/* Keys of the guest's are not the container's. Kernels without keyrings have none. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	return 0;
}

/* An exec that names no capabilities has init's. */
static const Grpc__LinuxCapabilities *find_caps(const struct init *init)
{
	if (init->process->capabilities || init->setup->request.is_init)
		return init->process->capabilities;
	return init->spec->process ? init->spec->process->capabilities : NULL;
}

static bool filter_needs_admin(const struct init *init)
{
	return init->setup->filter.n_insns > 0 && !init->process->nonewprivileges;
}

static int become_user(struct init *init, struct err *err)
{
	const Grpc__Process *container = init->spec->process;
	int r = creds_parse_caps(find_caps(init), &init->caps, err);

	if (r == 0 && container && !init->setup->has_userns)
		r = creds_apply_rlimits(0, container->rlimits, container->n_rlimits, err);
	if (r == 0 && !init->setup->has_userns)
		r = priority_apply(0, init->process, err);
	if (r == 0)
		r = personality_apply(init->spec->linux->personality, err);
	if (r == 0)
		r = creds_apply(init->process->user, &init->caps, filter_needs_admin(init),
			init->setup->sock_fd, err);
	if (r < 0)
		return r;
	/* Changing ids has reset both. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (init->process->nonewprivileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "set no_new_privs");
	return program_find(
		init->process->args[0], environment_find(&init->env, "PATH"), &init->program, err);
}

static int wait_for_go(const struct init *init, struct err *err)
{
	int fds[LAUNCH_NS_COUNT], r;
	int32_t which = 0;
	size_t n = 0;

	for (int i = 0; i < LAUNCH_NS_COUNT; i++) {
		if (!init->setup->request.is_init || init->ns_fds[i] < 0)
			continue;
		which |= 1 << i;
		fds[n++] = init->ns_fds[i];
	}
	r = report_send(init->setup->sock_fd, REPORT_READY, which, fds, n);
	/* Should the agent die now, the process must not be left waiting; it sees the end of file.
	 */
	if (r == 0)
		r = report_await(init->setup->sock_fd, REPORT_GO);
	return r < 0 ? err_sys(err, -r, "wait to be started") : 0;
}

static int restrict_syscalls(const struct init *init, struct err *err)
{
	int r = 0;

	/* With no_new_privs nothing but execve is left to do under the filter; without it the
	 * capability that loads it must still be given up. */
	if (!filter_needs_admin(init))
		r = creds_finish(&init->caps, init->setup->sock_fd, err);
	if (r == 0 && init->setup->filter.n_insns > 0) {
		r = syscall_filter_load(&init->setup->filter);
		if (r < 0)
			return err_sys(err, -r, "load the seccomp filter");
	}
	if (r == 0 && filter_needs_admin(init))
		r = creds_finish(&init->caps, init->setup->sock_fd, err);
	return r;
}

static int run(struct init *init, struct err *err)
{
	auto_free char **argv = calloc(init->process->n_args + 1, sizeof(*argv));
	int r;

	if (!argv)
		return err_sys(err, ENOMEM, "exec");
	memcpy(argv, init->process->args, init->process->n_args * sizeof(*argv));
	r = process_seal_fds();
	if (r < 0)
		return err_sys(err, -r, "close file descriptors");
	r = launch_run_own_hooks(init->setup, HOOKS_START_CONTAINER, err);
	if (r < 0)
		return r;
	(void)prctl(PR_SET_PDEATHSIG, 0);
	if (init->process->user && init->process->user->has_umask)
		umask(init->process->user->umask);
	r = labels_apply(&init->setup->labels, err);
	if (r == 0)
		r = restrict_syscalls(init, err);
	if (r < 0)
		return r;
	execve(init->program, argv, init->env.vars);
	return program_exec_error(init->process->args[0], errno, err);
}

void launch_init_run(struct setup *setup)
{
	struct init init = {
		.setup = setup, .spec = setup->request.spec, .process = setup->request.process};
	struct err err = ERR_INIT;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(0022);
	r = say_hello(setup, &err);
	if (r == 0)
		r = labels_open(&setup->labels, &err);
	if (r == 0)
		r = launch_await_maps(setup, &err);
	if (r == 0)
		r = join_cgroup(setup, &err);
	if (r == 0)
		r = enter_namespaces(&init, &err);
	if (r == 0)
		r = use_guest_proc(&init, &err);
	if (r == 0)
		r = enter_root(&init, &err);
	if (r == 0)
		r = move_in(&init, &err);
	if (r == 0)
		r = become_user(&init, &err);
	if (r == 0)
		r = wait_for_go(&init, &err);
	if (r == 0)
		run(&init, &err);
	(void)report_send_failure(setup->sock_fd, &err);
	_exit(1);
}
