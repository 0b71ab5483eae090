/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A seccomp filter program: made by whoever compiles profiles, loaded by the process it is for.
 * (The file cannot be called seccomp.h: it would hide the kernel's <linux/seccomp.h>.)
 */
#include <linux/filter.h>
#include <stddef.h>

#include "base/own.h"

struct syscall_filter {
	struct sock_filter *insns; /* owned */
	size_t n_insns;		   /* 0: no filter */
	unsigned int flags;	   /* SECCOMP_FILTER_FLAG_* */
};

/* Takes the program from an fd on which it was written, from its start: -EINVAL when it is none, or
 * longer than the kernel allows. */
int syscall_filter_read(int fd, struct syscall_filter *ret) must_check;
/* For the calling thread, for ever. Needs CAP_SYS_ADMIN or no_new_privs. */
int syscall_filter_load(const struct syscall_filter *filter) must_check;
void syscall_filter_fini(struct syscall_filter *filter);
