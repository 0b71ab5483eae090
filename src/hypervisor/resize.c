/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/resize.h"

int hypervisor_resize_vcpus(
	struct hypervisor *hv, uint32_t n, hypervisor_resized_fn *done, void *data, struct err *err)
{
	if (!hv->ops->resize_vcpus)
		return err_set(err, EOPNOTSUPP, "this hypervisor cannot change its CPUs");
	return hv->ops->resize_vcpus(hv, n, done, data, err);
}

int hypervisor_resize_memory(struct hypervisor *hv, uint64_t mib, hypervisor_resized_fn *done,
	void *data, struct err *err)
{
	if (!hv->ops->resize_memory)
		return err_set(err, EOPNOTSUPP, "this hypervisor cannot change its memory");
	return hv->ops->resize_memory(hv, mib, done, data, err);
}

void hypervisor_get_size(const struct hypervisor *hv, struct hypervisor_size *ret)
{
	*ret = (struct hypervisor_size){0};
	if (hv->ops->get_size)
		hv->ops->get_size(hv, ret);
}
