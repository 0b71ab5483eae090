/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which devices the processes of a cgroup may use: a BPF_PROG_TYPE_CGROUP_DEVICE program made from
 * rules, as cgroup v2 has no files for that.
 *
 * Of the rules that match a device and a kind of access, the last decides; what none matches is
 * denied. An access that asks for several kinds needs each of them allowed.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

enum { DEVICE_READ = 1, DEVICE_WRITE = 2, DEVICE_MKNOD = 4, DEVICE_ALL = 7 };
enum { DEVICE_RULES_MAX = 4096 };
#define DEVICE_ANY (-1)

struct device_rule {
	bool allow;
	char type;	      /* 'b', 'c', or 'a' for both */
	int64_t major, minor; /* DEVICE_ANY, or up to UINT32_MAX */
	unsigned int access;  /* DEVICE_READ | ... */
};

struct device_filter {
	struct bpf_insn *insns; /* owned */
	size_t n_insns;
};

/* -E2BIG past DEVICE_RULES_MAX, -ENOMEM. */
int device_filter_build(
	const struct device_rule *rules, size_t n_rules, struct device_filter *ret) must_check;
void device_filter_fini(struct device_filter *filter);

/* Loads it and attaches it to a cgroup: in place of the one that was attached by this function before,
 * and beside somebody else's (an access must pass all). -EINVAL, -ENOSYS or -EPERM if the kernel has no
 * such programs (CONFIG_CGROUP_BPF). */
int device_filter_attach(const struct device_filter *filter, int cgroup_fd) must_check;
