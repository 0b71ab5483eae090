/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kata 3.x and 4.x, both dialects: runtime-rs and Go. Where the two ship different defaults, both
 * count as asking for nothing special.
 */
#include "config/keys.h"

#include <string.h>

#include "base/own.h"

#define OVERRIDABLE .annotated = ANNOTATION_ENABLED
#define FREE .annotated = ANNOTATION_FREE

static const struct key factory_keys[] = {
	{"enable_template", KEY_WARNED, KEY_BOOL, .meaning = "VMs are clones of a template."},
	{"vm_cache_number", KEY_WARNED, KEY_INTEGER, .meaning = "VMs kept ready (Go)."},
	{"template_path", KEY_IDLE, KEY_STRING, .meaning = "Where the template is."},
	{"vm_cache_endpoint", KEY_IDLE, KEY_STRING, .meaning = "Socket of the cache (Go)."},
};

static const struct key agent_keys[] = {
	{"enable_debug", KEY_USED, IN_BOOL(agent.enable_debug),
		.meaning = "The agent logs what it does in detail."},
	{"debug_console_enabled", KEY_USED, IN_BOOL(agent.debug_console_enabled),
		.meaning = "A shell in the guest, with root's power over it."},
	{"server_port", KEY_USED, IN_INTEGER(agent.server_port), "1024", .min = 1,
		.max = UINT32_MAX - 1, .meaning = "vsock port of the agent."},
	{"log_port", KEY_USED, IN_INTEGER(agent.log_port), "1025", .min = 1, .max = UINT32_MAX - 1,
		.meaning = "vsock port of its log."},
	{"passfd_listener_port", KEY_IDLE, IN_INTEGER(agent.passfd_listener_port), "1027", .min = 1,
		.max = UINT32_MAX - 1,
		.meaning = "vsock port of the containers' streams (`use_passfd_io`)."},
	{"dial_timeout_ms", KEY_USED, IN_INTEGER(agent.dial_timeout_ms), "10", .min = 1,
		.unit = "ms", .meaning = "Between attempts to reach the agent."},
	{"reconnect_timeout_ms", KEY_USED, IN_INTEGER(agent.reconnect_timeout_ms), "3000",
		.unit = "ms",
		.meaning = "For all attempts; at least 10000 whatever it says, as upstream."},
	{"dial_timeout", KEY_USED, KEY_INTEGER, .unit = "s",
		.meaning = "The same in the Go runtime's spelling."},
	{"create_container_timeout", KEY_USED, IN_INTEGER(agent.create_container_timeout_s), "30",
		.min = 1, .unit = "s", .meaning = "How long the creation of a container may take."},
	{"health_check_request_timeout_ms", KEY_USED,
		IN_INTEGER(agent.health_check_request_timeout_ms), "90000", .min = 1, .unit = "ms",
		.meaning = "How long the agent may take to answer a health check."},
	{"cdh_api_timeout_ms", KEY_IDLE, IN_INTEGER(agent.cdh_api_timeout_ms), "50000", .min = 1,
		.unit = "ms", FREE, .meaning = "Time limit of the confidential data hub."},
	{"cdh_api_timeout", KEY_IDLE, KEY_INTEGER, .unit = "s",
		.meaning = "The same in the Go runtime's spelling."},
	{"container_pipe_size", KEY_USED, IN_INTEGER(agent.container_pipe_size), .max = 1 << 20,
		.unit = "bytes", FREE,
		.meaning = "Size of the containers' pipes; 0: what the guest's kernel has."},
	{"launch_process_timeout", KEY_USED, IN_INTEGER(agent.launch_process_timeout_s),
		.unit = "s",
		.meaning = "How long the agent may take to set up a process; 0: its own limit, 6."},
	{"enable_tracing", KEY_WARNED, IN_BOOL(agent.enable_tracing), FREE,
		.meaning = "The agent tells its spans."},
	{"visible_cdi_devices", KEY_WARNED, IN_BOOL(agent.visible_cdi_devices),
		.meaning = "CDI devices named in the environment are honoured in the guest."},
	{"kernel_modules", KEY_WARNED, IN_STRINGS(agent.kernel_modules), FREE, .separators = ";",
		.meaning = "Modules for the guest's kernel, each with its parameters."},
	{"policy", KEY_REFUSED, KEY_STRING, FREE, .meaning = "What the agent may be asked to do."},
	{"log_level", KEY_WARNED, KEY_STRING, .plain = "info", .meaning = "Of the agent's log."},
};

static const struct key mem_agent_keys[] = {
	{"mem_agent_enable", KEY_WARNED, KEY_BOOL, .meaning = "The guest compacts its memory."},
	{"enable", KEY_WARNED, KEY_BOOL, .meaning = "The same."},
	{"memcg_disable", KEY_IDLE, KEY_BOOL, .meaning = "Not by control groups."},
	{"memcg_swap", KEY_IDLE, KEY_BOOL, .meaning = "Anonymous memory too."},
	{"memcg_swappiness_max", KEY_IDLE, KEY_INTEGER, .meaning = "The most swappiness."},
	{"memcg_period_secs", KEY_IDLE, KEY_INTEGER, .unit = "s", .meaning = "How often."},
	{"memcg_period_psi_percent_limit", KEY_IDLE, KEY_INTEGER, .unit = "%",
		.meaning = "Not under more pressure."},
	{"memcg_eviction_psi_percent_limit", KEY_IDLE, KEY_INTEGER, .unit = "%",
		.meaning = "Ends under more pressure."},
	{"memcg_eviction_run_aging_count_min", KEY_IDLE, KEY_INTEGER,
		.meaning = "How old pages have to be."},
	{"compact_disable", KEY_IDLE, KEY_BOOL, .meaning = "No compaction."},
	{"compact_period_secs", KEY_IDLE, KEY_INTEGER, .unit = "s", .meaning = "How often."},
	{"compact_period_psi_percent_limit", KEY_IDLE, KEY_INTEGER, .unit = "%",
		.meaning = "Not under more pressure."},
	{"compact_psi_percent_limit", KEY_IDLE, KEY_INTEGER, .unit = "%",
		.meaning = "Ends under more pressure."},
	{"compact_sec_max", KEY_IDLE, KEY_INTEGER, .unit = "s", .meaning = "How long at most."},
	{"compact_order", KEY_IDLE, KEY_INTEGER, .meaning = "For blocks of which size."},
	{"compact_threshold", KEY_IDLE, KEY_INTEGER, .meaning = "For how many of them."},
	{"compact_force_times", KEY_IDLE, KEY_NUMBER, .meaning = "When anyway."},
};

static const struct key runtime_keys[] = {
	{"name", KEY_REFUSED, KEY_STRING, .plain = "virt_container", OVERRIDABLE,
		.meaning = "Kind of runtime."},
	{"hypervisor_name", KEY_USED, IN_STRING(runtime.hypervisor_name), "qemu", .values = "qemu",
		OVERRIDABLE, .meaning = "Which hypervisor."},
	{"agent_name", KEY_REFUSED, KEY_STRING, .plain = "kata", OVERRIDABLE,
		.meaning = "Which agent."},
	{"enable_debug", KEY_USED, IN_BOOL(runtime.enable_debug),
		.meaning = "The shim logs what it does in detail."},
	{"log_level", KEY_WARNED, KEY_STRING, .plain = "info", .meaning = "Of the shim's log."},
	{"internetworking_model", KEY_WARNED, IN_STRING(runtime.internetworking_model), "tcfilter",
		.values = "tcfilter|macvtap|none", .plain = "tcfilter|none", FREE,
		.meaning = "How the pod's interfaces are joined to the VM's."},
	{"disable_new_netns", KEY_USED, IN_BOOL(runtime.disable_new_netns), OVERRIDABLE,
		.meaning = "The VMM stays in the host's network; needs the model `none`."},
	{"dan_conf", KEY_WARNED, IN_STRING(runtime.dan_conf), "/run/kata-containers/dans",
		.plain = "/run/kata-containers/dans", .is_path = true,
		.meaning = "Directory of the files that describe directly attached networks."},
	{"sandbox_cgroup_only", KEY_IDLE, IN_BOOL(runtime.sandbox_cgroup_only), OVERRIDABLE,
		.meaning = "All of a pod's processes are in its own control group."},
	{"static_sandbox_resource_mgmt", KEY_USED, IN_BOOL(runtime.static_sandbox_resource_mgmt),
		.meaning = "A VM has all of its CPUs and memory from the start."},
	{"enable_vcpus_pinning", KEY_WARNED, IN_BOOL(runtime.enable_vcpus_pinning), OVERRIDABLE,
		.meaning = "Each virtual CPU has a CPU of its own."},
	{"disable_guest_seccomp", KEY_USED, IN_BOOL(runtime.disable_guest_seccomp), "true", FREE,
		.meaning = "Seccomp profiles of containers are not applied in the guest."},
	{"guest_selinux_label", KEY_REFUSED, IN_STRING(runtime.guest_selinux_label), OVERRIDABLE,
		.meaning = "SELinux label of containers in the guest."},
	{"sandbox_bind_mounts", KEY_USED, IN_STRINGS(runtime.sandbox_bind_mounts),
		.annotated = ANNOTATION_NEVER,
		.meaning = "Paths of the host that each guest sees; read-only but for `:rw`."},
	{"shared_mounts", KEY_WARNED, KEY_TABLES, .annotated = ANNOTATION_NEVER,
		.meaning = "Directories of one container that another sees."},
	{"emptydir_mode", KEY_REFUSED, IN_STRING(runtime.emptydir_mode), "shared-fs",
		.plain = "shared-fs", .meaning = "What Kubernetes' disk emptyDir volumes are."},
	{"disable_guest_empty_dir", KEY_IDLE, IN_BOOL(runtime.disable_guest_empty_dir),
		.meaning = "They are on the host (Go)."},
	{"vfio_mode", KEY_WARNED, IN_STRING(runtime.vfio_mode), "guest-kernel",
		.values = "guest-kernel|vfio", .plain = "guest-kernel", FREE,
		.meaning = "VFIO devices are driven by the guest's kernel, or by the container."},
	{"pod_resource_api_sock", KEY_WARNED, IN_STRING(runtime.pod_resource_api_sock),
		.meaning = "Kubelet's socket that tells a pod's devices."},
	{"kubelet_root_dir", KEY_IDLE, IN_STRING(runtime.kubelet_root_dir), "/var/lib/kubelet",
		.is_path = true, .meaning = "Kubelet's directory."},
	{"create_container_timeout", KEY_USED, IN_INTEGER(agent.create_container_timeout_s), "30",
		.min = 1, .unit = "s", FREE, .meaning = "As in [agent.kata] (Go)."},
	{"use_passfd_io", KEY_WARNED, IN_BOOL(runtime.use_passfd_io),
		.meaning = "The containers' streams have connections of their own."},
	{"passfd_listener_port", KEY_IDLE, IN_INTEGER(agent.passfd_listener_port), "1027", .min = 1,
		.max = UINT32_MAX - 1, .meaning = "As in [agent.kata]."},
	{"keep_abnormal", KEY_USED, IN_BOOL(runtime.keep_abnormal),
		.meaning = "After a failed start the VM and its files stay, to be looked at."},
	{"experimental", KEY_WARNED, IN_STRINGS(runtime.experimental), FREE, .separators = ", ",
		.meaning = "Features that are not settled."},
	{"experimental_force_guest_pull", KEY_REFUSED, KEY_BOOL, OVERRIDABLE,
		.meaning = "Images are pulled in the guest."},
	{"enable_pprof", KEY_WARNED, KEY_BOOL, OVERRIDABLE,
		.meaning = "Profiles of the shim (Go)."},
	{"enable_tracing", KEY_WARNED, IN_BOOL(runtime.enable_tracing),
		.meaning = "The shim tells its spans."},
	{"jaeger_endpoint", KEY_IDLE, IN_STRING(runtime.jaeger_endpoint),
		.meaning = "Whom it tells them."},
	{"jaeger_user", KEY_IDLE, IN_STRING(runtime.jaeger_user), .meaning = "As whom."},
	{"jaeger_password", KEY_IDLE, IN_STRING(runtime.jaeger_password),
		.meaning = "Its password."},
};

#define SECTION(list, ...) (&(const struct key_section){{__VA_ARGS__}, (list), ARRAY_SIZE(list)})

const struct key_section *const key_sections[SECTION_COUNT] = {
	[SECTION_HYPERVISOR] = &key_hypervisor_section,
	[SECTION_HYPERVISOR_FACTORY] = SECTION(factory_keys, "hypervisor", "qemu", "factory"),
	[SECTION_FACTORY] = SECTION(factory_keys, "factory"),
	[SECTION_AGENT] = SECTION(agent_keys, "agent", "kata"),
	[SECTION_MEM_AGENT] = SECTION(mem_agent_keys, "agent", "kata", "mem_agent"),
	[SECTION_RUNTIME] = SECTION(runtime_keys, "runtime"),
};

const struct key *key_find(enum key_section_id section, const char *name)
{
	const struct key_section *s = key_sections[section];

	for (size_t i = 0; i < s->n_keys; i++)
		if (strcmp(s->keys[i].name, name) == 0)
			return &s->keys[i];
	return NULL;
}
