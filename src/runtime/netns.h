/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The network namespace a spec asks for. This release gives the guest lo and nothing else, so one
 * that holds another interface is refused instead of being ignored.
 */
#include "agent.pb-c.h"
#include "base/err.h"

/*
 * What spec says: *ret is the namespace's path (borrowed from spec), or NULL for a new one, which
 * holds nothing. -ENOTSUP: no namespace of its own, that is the host's.
 */
int netns_of_spec(const Grpc__Spec *spec, const char **ret, struct err *err) must_check;

/*
 * -ENOTSUP, naming one, if the namespace holds interfaces other than lo. Enters the namespace: only
 * for a job's child.
 */
int netns_check(const char *path, struct err *err) must_check;
