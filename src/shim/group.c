/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/group.h"

#include <string.h>

#include "base/path.h"
#include "oci/spec.h"
#include "runtime/guest_spec.h"

static int find(const Grpc__Spec *spec, const char *cid, const char **ret_id, bool *ret_joins,
	struct err *err)
{
	enum guest_spec_type type;
	int r = guest_spec_type_of(spec, &type, err);

	if (r < 0)
		return r;
	*ret_joins = type == GUEST_SPEC_POD_CONTAINER;
	*ret_id = *ret_joins ? guest_spec_sandbox_id(spec) : cid;
	if (!*ret_id)
		return err_set(err, EINVAL,
			"config.json: annotations: a container of a pod without a sandbox id");
	if (*ret_joins && !path_is_valid_id(*ret_id))
		return err_set(err, EINVAL,
			"config.json: annotations: \"%s\" is not a valid sandbox id", *ret_id);
	return 0;
}

int group_find(const char *bundle, const char *cid, char **ret_id, bool *ret_joins, struct err *err)
{
	Grpc__Spec *spec = NULL;
	const char *id = cid;
	bool joins = false;
	struct err load = ERR_INIT;
	int r = oci_spec_load(bundle, &spec, NULL, &load);

	if (r < 0 && r != -ENOENT)
		return err_copy(err, &load);
	r = spec ? find(spec, cid, &id, &joins, err) : 0;
	if (r == 0) {
		*ret_id = strdup(id);
		*ret_joins = joins;
		r = *ret_id ? 0 : err_sys(err, ENOMEM, "find the sandbox");
	}
	oci_spec_free(spec);
	return r;
}
