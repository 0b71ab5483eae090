/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/jail.h"

#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- inheritance ---- */

/* The smallest number in fds that is at least from; INT_MAX if none. */
static int next_kept(const int *fds, size_t n, int from)
{
	int next = INT_MAX;

	for (size_t i = 0; i < n; i++)
		if (fds[i] >= from && fds[i] < next)
			next = fds[i];
	return next;
}

static int close_others(const int *fds, size_t n)
{
	for (int from = STDERR_FILENO + 1;;) {
		int kept = next_kept(fds, n, from);

		/* Linux 5.9; a wrapper exists since glibc 2.34. */
		if (kept > from &&
			syscall(SYS_close_range, (unsigned)from, (unsigned)kept - 1, 0) < 0)
			return -errno;
		if (kept == INT_MAX)
			return 0;
		from = kept + 1;
	}
}

static int limit(int resource, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return -errno;
	if (value > limit.rlim_max)
		value = limit.rlim_max;
	limit = (struct rlimit){.rlim_cur = value, .rlim_max = value};
	return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int jail_keep_fds(const int *fds, size_t n, const struct jail_limits *limits, struct err *err)
{
	int r = close_others(fds, n);

	if (r < 0)
		return err_sys(err, -r, "close inherited files");
	r = limit(RLIMIT_NOFILE, limits->n_files);
	if (r == 0 && !is_file(STDERR_FILENO))
		r = limit(RLIMIT_FSIZE, 0);
	if (r == 0)
		r = limit(RLIMIT_CORE, 0);
	if (r == 0)
		r = limit(RLIMIT_MEMLOCK, 0);
	return r < 0 ? err_sys(err, -r, "limit resources") : 0;
}

/* ---- namespaces and root ---- */

int jail_unshare(struct err *err)
{
	if (unshare(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) <
		0)
		return err_sys(err, errno, "create namespaces");
	return 0;
}

/* Any directory that exists everywhere will do: it is covered, in our own namespace. */
static const char covered[] = "/proc";

static int cover_with_nothing(void)
{
	return mount("jail", covered, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
		"mode=0555,size=4k,nr_inodes=1");
}

/* The working directory is in the new mount namespace; a file descriptor would still be in the old
 * one, from which nothing can be bound. */
static int cover_with_working_directory(void)
{
	if (mount(".", covered, NULL, MS_BIND, NULL) < 0)
		return -1;
	return mount(NULL, covered, NULL,
		MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

int jail_change_root(int dir_fd, struct err *err)
{
	if (dir_fd >= 0 && fchdir(dir_fd) < 0)
		return err_sys(err, errno, "change to the new root's directory");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, errno, "create a mount namespace");
	if ((dir_fd < 0 ? cover_with_nothing() : cover_with_working_directory()) < 0)
		return err_sys(err, errno, "mount the new root");
	/* pivot_root(".", ".") stacks the old root on the new one, whence it is detached. */
	if (chdir(covered) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, errno, "change to the new root");
	return 0;
}

/* ---- identity ---- */

static int drop_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

/* No exec and no change of uid gives capabilities back. */
static int lock_securebits(void)
{
	unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
			     SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
			     SECBIT_NO_SETUID_FIXUP_LOCKED;

	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

static int become(const struct jail_identity *identity)
{
	if (setgroups(0, NULL) < 0 || setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
		setresuid(identity->uid, identity->uid, identity->uid) < 0)
		return -errno;
	return 0;
}

int jail_drop_privileges(const struct jail_identity *identity, struct err *err)
{
	int r = drop_bounding_set();

	if (r < 0)
		return err_sys(err, -r, "drop the capability bounding set");
	r = lock_securebits();
	if (r < 0)
		return err_sys(err, -r, "lock the secure bits");
	r = become(identity);
	if (r < 0)
		return err_sys(err, -r, "become uid %u gid %u", identity->uid, identity->gid);
	r = drop_capabilities();
	if (r < 0)
		return err_sys(err, -r, "drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		prctl(PR_SET_PDEATHSIG, identity->death_signal, 0, 0, 0) < 0)
		return err_sys(err, errno, "set process attributes");
	return 0;
}

/* ---- Landlock ---- */

/* linux/landlock.h of Debian 12 knows the first two versions of the interface only. */
struct ruleset {
	uint64_t files;	 /* since version 1 */
	uint64_t net;	 /* 4: bind and connect of TCP */
	uint64_t scoped; /* 6: abstract unix sockets, signals */
};

enum { LANDLOCK_CREATE_VERSION = 1 };

static size_t describe_ruleset(long version, struct ruleset *ret)
{
	/* Rights are bits, numbered in the order in which they came. */
	static const unsigned n_file_rights[] = {0, 13, 14, 15, 15, 16};
	size_t known = (size_t)version < ARRAY_SIZE(n_file_rights) ? (size_t)version
								   : ARRAY_SIZE(n_file_rights) - 1;

	*ret = (struct ruleset){.files = (UINT64_C(1) << n_file_rights[known]) - 1,
		.net = version >= 4 ? 3 : 0,
		.scoped = version >= 6 ? 3 : 0};
	return version >= 6   ? sizeof(*ret)
	       : version >= 4 ? offsetof(struct ruleset, scoped)
			      : offsetof(struct ruleset, net);
}

int jail_restrict_files(struct err *err)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_VERSION);
	struct ruleset rules;
	auto_fd int fd = -1;
	size_t size;

	if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	if (version < 1)
		return err_sys(err, errno, "ask for Landlock's version");
	size = describe_ruleset(version, &rules);
	/* All of these rights are governed and no rule grants any. */
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_sys(err, errno, "restrict files with Landlock");
	return 1;
}

/* ---- system calls ---- */

/* clang-format off */
const struct jail_rule jail_base_rules[] = {
	{.nr = SYS_brk},	/* malloc */
	{.nr = SYS_mmap, .arg = 2, .mask = PROT_EXEC},
	{.nr = SYS_munmap},
	{.nr = SYS_mremap},	/* realloc of large blocks */
	{.nr = SYS_madvise},
	{.nr = SYS_clock_gettime}, /* where the vDSO has no clock */
	{.nr = SYS_write},	/* stderr */
	{.nr = SYS_close},
	{.nr = SYS_rt_sigprocmask}, /* abort, exit */
	{.nr = SYS_getpid},
	{.nr = SYS_gettid},
	{.nr = SYS_tgkill},	/* abort; in a pid namespace of its own it reaches nobody else */
	{.nr = SYS_exit_group},
	{.nr = SYS_restart_syscall},
	JAIL_RULES_END,
};
/* clang-format on */

static int add_rule(scmp_filter_ctx filter, const struct jail_rule *rule)
{
	struct scmp_arg_cmp cmp = {.arg = rule->arg,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = rule->mask,
		.datum_b = rule->value};

	/* exact: what the kernel cannot express must fail, not be widened. */
	return seccomp_rule_add_exact_array(
		filter, SCMP_ACT_ALLOW, rule->nr, rule->mask ? 1 : 0, &cmp);
}

static int add_lists(scmp_filter_ctx filter, const struct jail_rule *const *lists, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (const struct jail_rule *rule = lists[i]; rule->nr >= 0; rule++) {
			int r = add_rule(filter, rule);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int jail_filter(const struct jail_rule *const *lists, size_t n, struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!filter)
		return err_sys(err, ENOMEM, "seccomp");
	r = add_lists(filter, lists, n);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? err_sys(err, -r, "load the seccomp filter") : 0;
}
