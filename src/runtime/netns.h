/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a spec says about the pod's network. */
#include "agent.pb-c.h"
#include "base/err.h"

/*
 * *ret is the network namespace's path (borrowed from spec), or NULL for a new one, which holds
 * nothing, and for "/proc/0/ns/net", by which some say that they want no network. -ENOTSUP: no
 * namespace of its own, that is the host's.
 */
int netns_of_spec(const Grpc__Spec *spec, const char **ret, struct err *err) must_check;

/* The host's file that is mounted on /etc/resolv.conf (borrowed from spec), or NULL. */
const char *netns_resolv_conf(const Grpc__Spec *spec);
