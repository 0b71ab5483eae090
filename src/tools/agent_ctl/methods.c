/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/methods.h"

#include "agent.pb-c.h"
#include "base/own.h"
#include "csi.pb-c.h"
#include "empty.pb-c.h"
#include "health.pb-c.h"
#include "types.pb-c.h"
#include "wire/message_json.h"

#define AGENT(name, request, reply)                                               \
	{                                                                         \
		"grpc.AgentService", name, &grpc__##request##__descriptor, &reply \
	}
#define HEALTH(name, reply)                                                   \
	{                                                                     \
		"grpc.Health", name, &grpc__check_request__descriptor, &reply \
	}
#define NOTHING google__protobuf__empty__descriptor

const struct method methods[] = {
	HEALTH("Check", grpc__health_check_response__descriptor),
	HEALTH("Version", grpc__version_check_response__descriptor),

	AGENT("CreateSandbox", create_sandbox_request, NOTHING),
	AGENT("DestroySandbox", destroy_sandbox_request, NOTHING),
	AGENT("CreateContainer", create_container_request, NOTHING),
	AGENT("StartContainer", start_container_request, NOTHING),
	AGENT("RemoveContainer", remove_container_request, NOTHING),
	AGENT("PauseContainer", pause_container_request, NOTHING),
	AGENT("ResumeContainer", resume_container_request, NOTHING),
	AGENT("UpdateContainer", update_container_request, NOTHING),
	AGENT("StatsContainer", stats_container_request,
		grpc__stats_container_response__descriptor),

	AGENT("ExecProcess", exec_process_request, NOTHING),
	AGENT("SignalProcess", signal_process_request, NOTHING),
	AGENT("WaitProcess", wait_process_request, grpc__wait_process_response__descriptor),
	AGENT("WriteStdin", write_stream_request, grpc__write_stream_response__descriptor),
	AGENT("ReadStdout", read_stream_request, grpc__read_stream_response__descriptor),
	AGENT("ReadStderr", read_stream_request, grpc__read_stream_response__descriptor),
	AGENT("CloseStdin", close_stdin_request, NOTHING),
	AGENT("TtyWinResize", tty_win_resize_request, NOTHING),

	AGENT("GetGuestDetails", guest_details_request, grpc__guest_details_response__descriptor),
	AGENT("GetMetrics", get_metrics_request, grpc__metrics__descriptor),
	AGENT("GetOOMEvent", get_oomevent_request, grpc__oomevent__descriptor),
	AGENT("GetDiagnosticData", get_diagnostic_data_request,
		grpc__get_diagnostic_data_response__descriptor),
	AGENT("SetGuestDateTime", set_guest_date_time_request, NOTHING),
	AGENT("ReseedRandomDev", reseed_random_dev_request, NOTHING),
	AGENT("CopyFile", copy_file_request, NOTHING),
	AGENT("SetPolicy", set_policy_request, NOTHING),

	AGENT("UpdateInterface", update_interface_request, types__interface__descriptor),
	AGENT("UpdateRoutes", update_routes_request, grpc__routes__descriptor),
	AGENT("ListInterfaces", list_interfaces_request, grpc__interfaces__descriptor),
	AGENT("ListRoutes", list_routes_request, grpc__routes__descriptor),
	AGENT("AddARPNeighbors", add_arpneighbors_request, NOTHING),
	AGENT("GetIPTables", get_iptables_request, grpc__get_iptables_response__descriptor),
	AGENT("SetIPTables", set_iptables_request, grpc__set_iptables_response__descriptor),

	AGENT("OnlineCPUMem", online_cpumem_request, NOTHING),
	AGENT("MemHotplugByProbe", mem_hotplug_by_probe_request, NOTHING),
	AGENT("AddSwap", add_swap_request, NOTHING),
	AGENT("AddSwapPath", add_swap_path_request, NOTHING),
	AGENT("MemAgentMemcgSet", mem_agent_memcg_config, NOTHING),
	AGENT("MemAgentCompactSet", mem_agent_compact_config, NOTHING),

	AGENT("UpdateEphemeralMounts", update_ephemeral_mounts_request, NOTHING),
	AGENT("RemoveStaleVirtiofsShareMounts", remove_stale_virtiofs_share_mounts_request,
		NOTHING),
	AGENT("GetVolumeStats", volume_stats_request, grpc__volume_stats_response__descriptor),
	AGENT("ResizeVolume", resize_volume_request, NOTHING),
};

const size_t n_methods = ARRAY_SIZE(methods);

const struct method *method_find(const char *name)
{
	for (size_t i = 0; i < n_methods; i++)
		if (message_json_same_name(methods[i].name, name))
			return &methods[i];
	return NULL;
}
