/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The rules of device_filter.h for cgroup v1, which has files for that: devices.allow and
 * devices.deny hold either what is allowed or what is denied, and nothing finer.
 */
#include "linux/device_filter.h"

struct device_list {
	bool allow;		   /* what is not excepted */
	struct device_rule *rules; /* owned: the exceptions; allow and type 'a' do not occur */
	size_t n_rules;
};

/*
 * -ENOTSUP when a rule takes a part out of what a wider one before it has said: v1 cannot express
 * that, and neither more nor less than was asked for is right. One exception: where it is only about
 * making nodes, more is denied. -E2BIG past DEVICE_RULES_MAX, -ENOMEM.
 */
int device_list_build(
	const struct device_rule *rules, size_t n_rules, struct device_list *ret) must_check;
void device_list_fini(struct device_list *list);
/* dir_fd: of a cgroup's directory in the devices hierarchy. What it had is forgotten first, so that
 * processes in it had better stand still meanwhile. -EINVAL if there are cgroups below it. */
int device_list_write(const struct device_list *list, int dir_fd) must_check;

enum { DEVICE_RULE_TEXT_SIZE = 48 };
/* "c 10:* rw" */
void device_list_format(const struct device_rule *rule, char text[static DEVICE_RULE_TEXT_SIZE]);
