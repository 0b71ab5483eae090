/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu_config.h"

#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>

enum { MIB_SHIFT = 20 };

/* A configuration made by hand may lack strings. */
static bool is_word(const char *s, const char *word)
{
	return s && strcmp(s, word) == 0;
}

/* A kernel may have it switched off, also for root alone. */
static bool has_io_uring(void)
{
	struct io_uring_params params = {0};
	auto_fd int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

	return fd >= 0;
}

/* What QEMU is able to do: it refuses disks otherwise. */
static const char *choose_aio(const struct config_hypervisor *config)
{
	bool is_direct = config->block_device_cache_set && config->block_device_cache_direct;

	if (is_word(config->block_device_aio, "io_uring") && has_io_uring())
		return "io_uring";
	if (is_word(config->block_device_aio, "native") && is_direct)
		return "native";
	return "threads";
}

void qemu_config_plug(const struct config_hypervisor *config, struct qemu_plug *plug)
{
	bool is_scsi = is_word(config->block_device_driver, "virtio-scsi");

	plug->bus.n_bridges = config->default_bridges > 0 ? config->default_bridges : 1;
	if (plug->bus.n_bridges > QEMU_BRIDGES_MAX)
		plug->bus.n_bridges = QEMU_BRIDGES_MAX;
	plug->bus.n_root_ports = config->pcie_root_port;
	if (plug->bus.n_root_ports > QEMU_ROOT_PORTS_MAX)
		plug->bus.n_root_ports = QEMU_ROOT_PORTS_MAX;
	plug->bus.has_scsi = is_scsi && !config->disable_block_device_use;
	plug->block_driver = is_scsi ? HYPERVISOR_BLOCK_SCSI : HYPERVISOR_BLOCK_VIRTIO;
	plug->block_options = (struct qemu_block_options){.aio = choose_aio(config),
		.is_cache_set = config->block_device_cache_set,
		.cache_direct = config->block_device_cache_direct,
		.cache_no_flush = config->block_device_cache_noflush,
		.logical_sector_size = config->block_device_logical_sector_size,
		.physical_sector_size = config->block_device_physical_sector_size,
		.n_queues = config->num_queues,
		.queue_size = config->queue_size,
		.n_iothreads = config->indep_iothreads};
	plug->has_scsi_iothread = config->enable_iothreads;
}

static uint32_t round_vcpus(double vcpus)
{
	uint32_t n = vcpus > 1 ? (uint32_t)vcpus : 1;

	return (double)n < vcpus ? n + 1 : n;
}

static uint64_t host_memory_mib(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? ((uint64_t)pages * (uint64_t)size) >> MIB_SHIFT : 0;
}

static uint64_t max_memory_mib(const struct config *config)
{
	const struct config_hypervisor *hv = &config->hypervisor;
	uint64_t boot = hv->default_memory_mib, max = hv->default_maxmemory_mib;
	bool is_fixed = config->runtime.static_sandbox_resource_mgmt ||
			(hv->memory_slots == 0 && !hv->enable_virtio_mem);

	if (max == 0)
		max = host_memory_mib();
	if (is_fixed || max < boot)
		return boot;
	return max - (max - boot) % HYPERVISOR_MEMORY_BLOCK_MIB;
}

void qemu_config_size(const struct config *config, struct qemu_resize *resize)
{
	const struct config_hypervisor *hv = &config->hypervisor;

	resize->memory = (struct qemu_memory){.file_dir = hv->file_mem_backend,
		.hugepages = hv->enable_hugepages && !is_word(hv->hugepage_type, "thp"),
		.prealloc = hv->enable_mem_prealloc};
	/* Huge pages that are missing are found out at once, not by a signal later. */
	resize->memory.prealloc |= resize->memory.hugepages;
	resize->boot_vcpus = resize->size.vcpus = resize->size.max_vcpus =
		round_vcpus(hv->default_vcpus);
	if (!config->runtime.static_sandbox_resource_mgmt &&
		hv->default_maxvcpus > resize->boot_vcpus)
		resize->size.max_vcpus = hv->default_maxvcpus;
	resize->boot_memory_mib = resize->size.memory_mib = hv->default_memory_mib;
	resize->size.max_memory_mib = max_memory_mib(config);
	if (resize->size.max_memory_mib == resize->boot_memory_mib)
		return;
	resize->has_virtio_mem = hv->enable_virtio_mem;
	if (!resize->has_virtio_mem)
		resize->memory_slots =
			hv->memory_slots < QEMU_DIMMS_MAX ? hv->memory_slots : QEMU_DIMMS_MAX;
}

void qemu_config_machine(const struct config_hypervisor *config, const struct qemu_resize *size,
	struct qemu_machine *ret)
{
	*ret = (struct qemu_machine){.type = config->machine_type,
		.accelerators = config->machine_accelerators,
		.cpu_features = config->cpu_features,
		.has_iommu = config->enable_iommu,
		.vcpus = size->boot_vcpus,
		.max_vcpus = size->size.max_vcpus,
		.memory_mib = size->boot_memory_mib,
		.max_memory_mib = size->size.max_memory_mib,
		.memory_slots = size->memory_slots,
		.memory = size->memory};
}
