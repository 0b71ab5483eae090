/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A spec's sysctls. */
#include "base/err.h"
#include "oci.pb-c.h"

/*
 * The path below /proc/sys for a key in either of sysctl(8)'s notations: "net.ipv4.ip_forward",
 * "net/ipv4/conf/eth0.1/mtu" (whichever of . and / comes first separates, the other is literal).
 * -EINVAL for empty, "." and ".." components, -ENOMEM.
 */
int sysctl_parse_key(const char *key, char **ret) must_check;

/* Only what belongs to a namespace the container has of its own (or shares with its pod) may be
 * set: net; System V and POSIX message queues, semaphores and shared memory with an ipc namespace;
 * kernel.domainname with a uts namespace. Sets INVALID_ARGUMENT. */
int sysctl_check(const Grpc__Linux *linux_spec, struct err *err) must_check;

/* In the container's namespaces, with the guest's own /proc: those that belong to one of namespaces
 * (bits, 1 << LAUNCH_NS_NET and so on). Ones that this kernel does not have are skipped and reported
 * to report_fd (report.h). */
int sysctl_apply(const Grpc__Linux *linux_spec, unsigned int namespaces, int report_fd,
	struct err *err) must_check;
