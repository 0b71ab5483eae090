/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settle.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* QEMU's q35 takes 288 and upstream stops at 256. */
enum { MAX_VCPUS = 256, MIN_SECTOR = 512 };

static int blame(struct settle_fault *ret, enum key_section_id section, const char *key)
{
	*ret = (struct settle_fault){section, key};
	return -EINVAL;
}

uint32_t settle_host_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > MAX_VCPUS ? MAX_VCPUS : (uint32_t)n;
}

static int settle_cpus(struct config_hypervisor *hv, struct settle_fault *fault, struct err *err)
{
	uint32_t host = settle_host_cpus(), needed;

	if (!(hv->default_vcpus <= MAX_VCPUS)) { /* also if it is no number */
		err_set(err, EINVAL, "%g is out of range (at most %d)", hv->default_vcpus,
			MAX_VCPUS);
		return blame(fault, SECTION_HYPERVISOR, "default_vcpus");
	}
	if (hv->default_vcpus < 0)
		hv->default_vcpus = host;
	else if (hv->default_vcpus == 0)
		hv->default_vcpus = 1;
	needed = (uint32_t)hv->default_vcpus;
	needed += (double)needed < hv->default_vcpus;
	if (hv->default_maxvcpus == 0)
		hv->default_maxvcpus = host < needed ? needed : host;
	if (hv->default_maxvcpus > MAX_VCPUS)
		hv->default_maxvcpus = MAX_VCPUS;
	if (needed <= hv->default_maxvcpus)
		return 0;
	err_set(err, EINVAL, "%u is less than default_vcpus", hv->default_maxvcpus);
	return blame(fault, SECTION_HYPERVISOR, "default_maxvcpus");
}

static int settle_disks(struct config_hypervisor *hv, struct settle_fault *fault, struct err *err)
{
	const struct {
		const char *key;
		uint32_t size;
	} sectors[] = {
		{"block_device_logical_sector_size", hv->block_device_logical_sector_size},
		{"block_device_physical_sector_size", hv->block_device_physical_sector_size},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sectors); i++)
		if (sectors[i].size > 0 && sectors[i].size < MIN_SECTOR) {
			err_set(err, EINVAL, "%u is less than %d", sectors[i].size, MIN_SECTOR);
			return blame(fault, SECTION_HYPERVISOR, sectors[i].key);
		}
	if (sectors[1].size == 0 || sectors[0].size <= sectors[1].size)
		return 0;
	err_set(err, EINVAL, "%u is less than the logical sector size", sectors[1].size);
	return blame(fault, SECTION_HYPERVISOR, sectors[1].key);
}

static int settle_devices(struct config_hypervisor *hv, struct settle_fault *fault, struct err *err)
{
	if (hv->default_bridges == 0)
		hv->default_bridges = 1;
	if (hv->pcie_root_port == 0 || hv->pcie_switch_port == 0)
		return 0;
	err_set(err, EINVAL, "cannot be set together with pcie_root_port");
	return blame(fault, SECTION_HYPERVISOR, "pcie_switch_port");
}

static int settle_network(
	const struct config_runtime *runtime, struct settle_fault *fault, struct err *err)
{
	if (!runtime->disable_new_netns || strcmp(runtime->internetworking_model, "none") == 0)
		return 0;
	err_set(err, EINVAL, "needs internetworking_model = \"none\"");
	return blame(fault, SECTION_RUNTIME, "disable_new_netns");
}

/* The other dialect's names of the same. */
static int settle_names(struct config_hypervisor *hv, struct err *err)
{
	const struct {
		char **member;
		const char *given, *name;
	} names[] = {
		{&hv->virtio_fs_cache, "none", "never"},
		{&hv->block_device_driver, "virtio-blk", "virtio-blk-pci"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *name;

		if (strcmp(*names[i].member, names[i].given) != 0)
			continue;
		name = strdup(names[i].name);
		if (!name)
			return err_sys(err, ENOMEM, "read the configuration");
		free(*names[i].member);
		*names[i].member = name;
	}
	return 0;
}

int config_settle(struct config *config, struct settle_fault *ret_fault, struct err *err)
{
	int r = settle_cpus(&config->hypervisor, ret_fault, err);

	if (r == 0)
		r = settle_disks(&config->hypervisor, ret_fault, err);
	if (r == 0)
		r = settle_devices(&config->hypervisor, ret_fault, err);
	if (r == 0)
		r = settle_network(&config->runtime, ret_fault, err);
	return r == 0 ? settle_names(&config->hypervisor, err) : r;
}
