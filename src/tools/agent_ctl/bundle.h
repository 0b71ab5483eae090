/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The OCI part of CreateContainer, from a bundle's config.json. */
#include <stdbool.h>

#include "base/err.h"
#include "tools/agent_ctl/methods.h"

/* Whether the method's request has such a part. */
bool bundle_is_for(const struct method *method);
/*
 * Sets the spec of a request that has none: from the file spec ("config.json", "file:///..."), else
 * from the directory bundle, else from default_dir; each may be NULL. A root.path that is relative
 * is made absolute with the bundle, or the directory of spec. What the protocol cannot carry is
 * said on stderr. -EINVAL: not valid, or the request has a spec already and bundle or spec too;
 * errors of reading; -ENOMEM.
 */
int bundle_add(ProtobufCMessage *request, const char *bundle, const char *spec,
	const char *default_dir, struct err *err) must_check;
