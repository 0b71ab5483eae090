/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Leaving everything behind that a role does not need, in stages, before it reads a byte from a
 * guest. Each stage drops what the next no longer wants; call them in this order and do between
 * them what still needs the old rights:
 *
 *	jail_keep_fds()		close what was inherited; limit resources; no core dumps
 *	jail_unshare()		own namespaces
 *	(fork)			the child is in the new pid namespace
 *	jail_change_root()	an empty root, or one directory
 *	jail_drop_privileges()	uid, gid, capabilities, no_new_privs, not dumpable, death signal
 *	jail_restrict_files()	Landlock
 *	jail_filter()		seccomp; nothing else can be set up from here on
 *
 * The caller is root in the initial user namespace (or at least has CAP_SYS_ADMIN, CAP_SETUID,
 * CAP_SETGID and CAP_SETPCAP) and has one thread. Every stage either does all it says or returns
 * -errno with a message, on which the caller must exit: a half-built jail is none. The one thing
 * that a host may lack is Landlock (Linux 5.13, and enabled at boot); see jail_restrict_files().
 */
#include <signal.h>
#include <sys/types.h>

#include "base/err.h"

struct jail_limits {
	unsigned n_files; /* RLIMIT_NOFILE; less if the hard limit is lower */
};

/* Closes every fd but 0, 1, 2 and the n given (any order), and sets the limits: no file may grow,
 * no core is dumped, no memory is locked. */
int jail_keep_fds(
	const int *fds, size_t n, const struct jail_limits *limits, struct err *err) must_check;

/* New network, ipc, uts and cgroup namespaces, and a pid namespace that the next child is first in.
 */
int jail_unshare(struct err *err) must_check;

/*
 * A mount namespace of the process's own, which no mount enters or leaves.
 * dir_fd < 0: the root becomes an empty read-only directory. Else it becomes that directory alone
 * (what is mounted below it is not seen), read-only, without devices, set-id programs or execution;
 * sockets in it can be connected to. The working directory is the new root.
 */
int jail_change_root(int dir_fd, struct err *err) must_check;

struct jail_identity {
	uid_t uid;
	gid_t gid;
	int death_signal; /* PR_SET_PDEATHSIG, asked for again: a change of credentials clears it */
};

/* No supplementary groups and no capability in any set, whatever uid is; uid 0 then is no more than
 * the owner of root's files. */
int jail_drop_privileges(const struct jail_identity *identity, struct err *err) must_check;

/* No access to any file by path, no TCP, no abstract unix sockets and no signals outwards, as far
 * as this kernel's Landlock knows them. 1: done; 0: the kernel has no Landlock; connecting to a
 * unix socket by path is not restricted. */
int jail_restrict_files(struct err *err) must_check;

/*
 * One allowed system call: any arguments if mask is 0, else only those where
 * (argument `arg` & mask) == value. A call may have several rules; lists end with {.nr = -1}.
 */
struct jail_rule {
	int nr;
	unsigned arg;
	uint64_t mask, value;
};

#define JAIL_RULES_END   \
	{                \
		.nr = -1 \
	}

/* What every C program needs to allocate memory, tell the time, complain and exit. */
extern const struct jail_rule jail_base_rules[];

/* Allows what the n lists say. Anything else kills the process with SIGSYS. */
int jail_filter(const struct jail_rule *const *lists, size_t n, struct err *err) must_check;
