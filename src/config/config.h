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
#include <stdint.h>

#include "base/err.h"

struct config_hypervisor {
	char *path;	       /* the VMM's program */
	char *kernel, *initrd; /* absolute paths */
	char *kernel_params;   /* appended last to the guest's command line; "" if none */
	char *machine_type;    /* "q35" */
	char *machine_accelerators;
	char *cpu_features;
	char *virtio_fs_daemon;
	char *virtio_fs_cache; /* "never", "auto", "always", "metadata" (given "none": never) */
	char *shared_fs;       /* "virtio-fs" */
	char *seccomp_sandbox;
	char *entropy_source;
	double default_vcpus;	   /* > 0; as many as the host has where the file says -1 */
	uint32_t default_maxvcpus; /* at least default_vcpus, at most 256 */
	uint32_t default_memory_mib;
	uint32_t virtio_fs_queue_size;
	bool enable_debug;
	bool disable_nesting_checks;
};

struct config_agent {
	bool enable_debug, debug_console_enabled;
	uint32_t server_port, log_port; /* vsock ports: 1024, 1025 */
	uint32_t dial_timeout_ms;	/* between attempts */
	uint32_t reconnect_timeout_ms;	/* for all of them; at least 10000, as upstream has it */
	uint32_t create_container_timeout_s;
	uint32_t health_check_request_timeout_ms;
	uint32_t container_pipe_size; /* bytes; 0: the kernel's default */
	uint32_t launch_process_timeout_s;
};

struct config_runtime {
	char *hypervisor_name; /* "qemu" */
	bool enable_debug;
	bool disable_guest_seccomp;
	bool keep_abnormal;
};

struct config {
	char *file; /* where it was read from, resolved */
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
