/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * configuration.toml, read and checked: what the rest of the runtime goes by.
 *
 * Keys are upstream's, of Kata 3.x and 4.x, runtime-rs' and Go's spellings: [hypervisor.qemu],
 * [agent.kata], [runtime]. A key this build does not use is warned about by name when it changes
 * behaviour upstream, and refused when ignoring it would be unsafe (rootless, confidential_guest,
 * policy, ...) or start another guest (image, firmware). Unknown keys are warned about. "" for a
 * string means its default. Every string is owned by the struct.
 *
 * What config.d/ beside the (resolved) file holds is read after it in the byte order of the names:
 * tables are merged, values and arrays replaced. Each entry must be a regular file.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* An array of strings; both the array and each string are owned. */
struct config_strings {
	char **items; /* NULL if there are none */
	size_t n;
};

/*
 * The members have the names of their keys, and keys.h says which of them this build goes by: one
 * that is not KEY_USED there has been checked and stored, and that is all.
 */
struct config_hypervisor {
	char *path;	       /* the VMM's program */
	char *kernel, *initrd; /* absolute paths */
	char *image;	       /* "": initrd */
	char *rootfs_type;     /* of the image: "ext4", "xfs", "erofs" */
	char *vm_rootfs_driver;
	char *kernel_params; /* appended last to the guest's command line; "" if none */
	char *kernel_verity_params;
	char *firmware;
	char *machine_type; /* "q35" */
	char *machine_accelerators;
	char *cpu_features;
	char *virtio_fs_daemon;
	char *virtio_fs_cache; /* "never", "auto", "always", "metadata" (given "none": never) */
	char *shared_fs;       /* "virtio-fs" */
	char *seccomp_sandbox;
	char *entropy_source;
	char *hugepage_type;	   /* "hugetlbfs", "thp" */
	char *file_mem_backend;	   /* directory of the file that is the guest's memory; "" */
	char *block_device_driver; /* "virtio-scsi", "virtio-blk-pci" (given "virtio-blk" too) */
	char *block_device_aio;	   /* "io_uring", "native", "threads" */
	char *cold_plug_vfio, *hot_plug_vfio; /* "no-port", "root-port", "switch-port", ... */
	char *vhost_user_store_path;
	char *guest_hook_path; /* in the guest; "" */
	char *guest_swap_path;
	char *extra_monitor_socket; /* "", "hmp", "qmp", "qmp-pretty" */
	char *guest_memory_dump_path;
	struct config_strings enable_annotations; /* regular expressions: annotations.h */
	struct config_strings valid_hypervisor_paths, valid_virtio_fs_daemon_paths,
		valid_vhost_user_store_paths, valid_entropy_sources, valid_jailer_paths,
		valid_ctlpaths, valid_file_mem_backends; /* glob patterns */
	struct config_strings virtio_fs_extra_args;
	struct config_strings numa_mapping;
	double default_vcpus;	   /* > 0; as many as the host has where the file says -1 */
	double overhead_vcpus;	   /* for static sizing */
	uint32_t default_maxvcpus; /* at least default_vcpus, at most 256 */
	uint32_t default_memory_mib, overhead_memory_mib;
	uint32_t memory_slots;
	uint32_t default_bridges;
	uint32_t virtio_fs_queue_size;
	uint32_t virtio_fs_cache_size_mib; /* of the DAX window */
	uint32_t network_queues;	   /* pairs */
	uint32_t queue_size, num_queues;   /* of block devices */
	uint32_t block_device_logical_sector_size, block_device_physical_sector_size; /* 0: any */
	uint32_t indep_iothreads;
	uint32_t pcie_root_port, pcie_switch_port;
	uint32_t vhost_user_reconnect_timeout_s;
	uint32_t guest_swap_size_percent;
	uint64_t guest_swap_create_threshold_s;
	uint64_t default_maxmemory_mib; /* 0: what the host has */
	uint64_t memory_offset_mib;
	uint64_t rx_rate_limiter_max_rate, tx_rate_limiter_max_rate; /* bit/s; 0: no limit */
	bool enable_debug;
	bool disable_nesting_checks;
	bool enable_mem_prealloc, enable_hugepages, enable_virtio_mem;
	bool enable_guest_swap;
	bool reclaim_guest_freed_memory; /* by a balloon that reports free pages */
	/* direct and noflush count only with set. */
	bool block_device_cache_set, block_device_cache_direct, block_device_cache_noflush;
	bool disable_block_device_use;
	bool disable_image_nvdimm;
	bool disable_vhost_net;
	bool enable_vhost_user_store;
	bool enable_iothreads;
	bool enable_iommu, enable_iommu_platform;
	bool enable_numa;
	bool virtio_fs_is_dax;
	bool use_legacy_serial;
	bool disable_selinux, disable_guest_selinux;
	bool disable_seccomp;
	bool rootless;
	bool guest_memory_dump_paging;
};

struct config_agent {
	bool enable_debug, debug_console_enabled;
	bool enable_tracing;
	bool visible_cdi_devices;
	struct config_strings kernel_modules; /* each "name parameter=value ..." */
	uint32_t server_port, log_port;	      /* vsock ports: 1024, 1025 */
	uint32_t passfd_listener_port;	      /* 1027 */
	uint32_t dial_timeout_ms;	      /* between attempts */
	uint32_t reconnect_timeout_ms; /* for all of them; at least 10000, as upstream has it */
	uint32_t create_container_timeout_s;
	uint32_t health_check_request_timeout_ms;
	uint32_t cdh_api_timeout_ms;
	uint32_t container_pipe_size; /* bytes; 0: the kernel's default */
	uint32_t launch_process_timeout_s;
};

struct config_runtime {
	char *hypervisor_name;	     /* "qemu" */
	char *internetworking_model; /* "tcfilter", "macvtap", "none" */
	char *vfio_mode;	     /* "guest-kernel", "vfio" */
	char *emptydir_mode;	     /* "shared-fs", "block-plain", ... */
	char *dan_conf;		     /* directory */
	char *jaeger_endpoint, *jaeger_user, *jaeger_password;
	char *pod_resource_api_sock;
	char *kubelet_root_dir;
	char *guest_selinux_label;
	struct config_strings sandbox_bind_mounts; /* each "/path", "/path:ro" or "/path:rw" */
	struct config_strings experimental;
	bool enable_debug;
	bool disable_guest_seccomp;
	bool disable_guest_empty_dir;
	bool keep_abnormal;
	bool disable_new_netns; /* internetworking_model is "none" then */
	bool sandbox_cgroup_only;
	bool static_sandbox_resource_mgmt;
	bool enable_vcpus_pinning;
	bool enable_tracing;
	bool use_passfd_io;
};

struct config {
	char *file; /* where it was read from, resolved; no key's, so it comes first (keys.h) */
	struct config_hypervisor hypervisor;
	struct config_agent agent;
	struct config_runtime runtime;
	char **warnings; /* one line each: keys not used; NULL-terminated, may be NULL */
	size_t n_warnings;
};

/*
 * Finds, reads and checks the configuration. options_path: what the Create request's options name,
 * or NULL. The order: $KATA_CONF_FILE, options_path, then the fixed places (config_search_paths). A
 * file that was named must be there; errors in a file carry file:line:column; when no file is found
 * the error lists every place looked at.
 */
int config_load(const char *options_path, struct config **ret, struct err *err) must_check;
/* From text, for tests and tools: file is only for messages. */
int config_parse(const char *file, const char *text, size_t len, struct config **ret,
	struct err *err) must_check;
void config_free(struct config *config);

/* The fixed places in their order, NULL-terminated; static. */
const char *const *config_search_paths(void);
