/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rpc.h"

#include "agent.pb-c.h"
#include "base/own.h"
#include "health.pb-c.h"
#include "wire/status.h"

#define AGENT(name, request, handler)                                              \
	{                                                                          \
		"grpc.AgentService", name, &grpc__##request##__descriptor, handler \
	}
#define HEALTH(name, request, handler)                                       \
	{                                                                    \
		"grpc.Health", name, &grpc__##request##__descriptor, handler \
	}

const struct ttrpc_method rpc_methods[] = {
	HEALTH("Check", check_request, rpc_check),
	HEALTH("Version", check_request, rpc_version),

	AGENT("CreateSandbox", create_sandbox_request, rpc_create_sandbox),
	AGENT("DestroySandbox", destroy_sandbox_request, rpc_destroy_sandbox),
	AGENT("CreateContainer", create_container_request, rpc_create_container),
	AGENT("StartContainer", start_container_request, rpc_start_container),
	AGENT("RemoveContainer", remove_container_request, rpc_remove_container),
	AGENT("ExecProcess", exec_process_request, rpc_exec_process),
	AGENT("SignalProcess", signal_process_request, rpc_signal_process),
	AGENT("WaitProcess", wait_process_request, rpc_wait_process),
	AGENT("WriteStdin", write_stream_request, rpc_write_stdin),
	AGENT("ReadStdout", read_stream_request, rpc_read_stdout),
	AGENT("ReadStderr", read_stream_request, rpc_read_stderr),
	AGENT("CloseStdin", close_stdin_request, rpc_close_stdin),
	AGENT("TtyWinResize", tty_win_resize_request, rpc_tty_win_resize),
	AGENT("GetGuestDetails", guest_details_request, rpc_get_guest_details),
	AGENT("SetGuestDateTime", set_guest_date_time_request, rpc_set_guest_date_time),
	AGENT("ReseedRandomDev", reseed_random_dev_request, rpc_reseed_random_dev),

	AGENT("UpdateContainer", update_container_request, rpc_update_container),
	AGENT("UpdateEphemeralMounts", update_ephemeral_mounts_request,
		rpc_update_ephemeral_mounts),
	AGENT("StatsContainer", stats_container_request, rpc_stats_container),
	AGENT("PauseContainer", pause_container_request, rpc_pause_container),
	AGENT("ResumeContainer", resume_container_request, rpc_resume_container),
	AGENT("RemoveStaleVirtiofsShareMounts", remove_stale_virtiofs_share_mounts_request,
		rpc_remove_stale_mounts),
	AGENT("GetDiagnosticData", get_diagnostic_data_request, rpc_get_diagnostic_data),
	AGENT("UpdateInterface", update_interface_request, rpc_update_interface),
	AGENT("UpdateRoutes", update_routes_request, rpc_update_routes),
	AGENT("ListInterfaces", list_interfaces_request, rpc_list_interfaces),
	AGENT("ListRoutes", list_routes_request, rpc_list_routes),
	AGENT("AddARPNeighbors", add_arpneighbors_request, rpc_add_arp_neighbors),
	AGENT("GetIPTables", get_iptables_request, rpc_get_iptables),
	AGENT("SetIPTables", set_iptables_request, rpc_set_iptables),
	AGENT("GetMetrics", get_metrics_request, rpc_get_metrics),
	AGENT("MemAgentMemcgSet", mem_agent_memcg_config, rpc_mem_agent),
	AGENT("MemAgentCompactSet", mem_agent_compact_config, rpc_mem_agent),
	AGENT("OnlineCPUMem", online_cpumem_request, rpc_online_cpu_mem),
	AGENT("MemHotplugByProbe", mem_hotplug_by_probe_request, rpc_mem_hotplug_by_probe),
	AGENT("CopyFile", copy_file_request, rpc_copy_file),
	AGENT("GetOOMEvent", get_oomevent_request, rpc_get_oom_event),
	AGENT("AddSwap", add_swap_request, rpc_add_swap),
	AGENT("AddSwapPath", add_swap_path_request, rpc_add_swap_path),
	AGENT("GetVolumeStats", volume_stats_request, rpc_get_volume_stats),
	/* Upstream's agent has none either. */
	AGENT("ResizeVolume", resize_volume_request, NULL),
	AGENT("SetPolicy", set_policy_request, rpc_set_policy),
};

const size_t rpc_n_methods = ARRAY_SIZE(rpc_methods);

void rpc_fail(struct ttrpc_call *call, const struct err *err)
{
	struct err copy = *err;

	if (copy.status == WIRE_OK)
		copy.status = copy.code == ENOMEM ? WIRE_RESOURCE_EXHAUSTED : WIRE_INTERNAL;
	ttrpc_call_fail(call, &copy);
}
