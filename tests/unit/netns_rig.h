/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Two real network namespaces: the test's own, which plays the host, and a pod's, joined by veth links
 * as a CNI plugin would make them (ip(8)). Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct netns_rig {
	int host_fd, pod_fd; /* owned */
	char path[64];	     /* of the pod's */
};

/* False: this machine lets us make none. */
bool netns_rig_is_possible(void);
int netns_rig_set_up(void **state);
int netns_rig_tear_down(void **state);
#define netns_test(name) \
	cmocka_unit_test_setup_teardown(name, netns_rig_set_up, netns_rig_tear_down)

/* Runs lines of shell in one of them; a line that fails fails the test. */
void netns_rig_host(const struct netns_rig *rig, const char *script);
void netns_rig_pod(const struct netns_rig *rig, const char *script);
/* The test is in the pod's until it goes back. */
void netns_rig_enter(const struct netns_rig *rig);
void netns_rig_leave(const struct netns_rig *rig);
