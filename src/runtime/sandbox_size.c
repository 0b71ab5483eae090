/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox's virtual machine is as large as its containers need: from the start, or as they come. */
#include "runtime/guest_spec.h"
#include "runtime/sandbox_private.h"

/* The configuration's bound of default_memory. */
enum { MEMORY_MAX_MIB = 1 << 26, VCPUS_MAX = 256 };

int sandbox_size_config(struct config *config, const Grpc__Spec *spec, struct err *err)
{
	struct config_hypervisor *hv = &config->hypervisor;
	struct sizing_need need = {.micro_cpus = 0};
	enum guest_spec_type type;
	struct sizing size;
	int r = guest_spec_type_of(spec, &type, err);

	if (r == 0 && type == GUEST_SPEC_SINGLE)
		sizing_read(spec->linux ? spec->linux->resources : NULL, &need);
	else if (r == 0)
		r = sizing_read_pod(spec, &need, err);
	if (r < 0 || !config->runtime.static_sandbox_resource_mgmt)
		return r;
	size = sizing_compute_static(hv, &need);
	if (size.vcpus > VCPUS_MAX || size.memory_mib > MEMORY_MAX_MIB)
		return err_set(err, ERANGE,
			"a virtual machine with %u vCPUs and %llu MiB of memory is too large",
			size.vcpus, (unsigned long long)size.memory_mib);
	hv->default_vcpus = size.vcpus;
	hv->default_maxvcpus = size.vcpus;
	hv->default_memory_mib = (uint32_t)size.memory_mib;
	return 0;
}

int sandbox_start_sizer(struct sandbox *sb)
{
	return sizer_new(sb->loop, sb->hv, sb->agent, sb->config, &sb->sizer);
}

int sandbox_fit(struct sandbox *sb, const char *cid, const struct sizing_need *need,
	sandbox_done_fn *done, void *data)
{
	int r;

	if (!sb->sizer)
		return -ENOTCONN;
	if (!need) {
		sizer_forget(sb->sizer, cid);
		return sizer_apply(sb->sizer, done, data);
	}
	r = sizer_set(sb->sizer, cid, need);
	if (r < 0)
		return r;
	r = sizer_apply(sb->sizer, done, data);
	if (r < 0)
		sizer_forget(sb->sizer, cid);
	return r;
}
