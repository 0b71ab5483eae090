/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's methods. One table names every method of grpc.AgentService and grpc.Health; what has
 * no handler yet is answered UNIMPLEMENTED by name. Handlers are grouped by what they work on, one
 * file per group; each gets the struct agent as its user.
 */
#include "wire/ttrpc_server.h"

extern const struct ttrpc_method rpc_methods[];
extern const size_t rpc_n_methods;

/* rpc_guest.c */
ttrpc_handler_fn rpc_check;
ttrpc_handler_fn rpc_version;
ttrpc_handler_fn rpc_get_guest_details;
ttrpc_handler_fn rpc_set_policy;
ttrpc_handler_fn rpc_mem_agent;
ttrpc_handler_fn rpc_set_guest_date_time;
ttrpc_handler_fn rpc_reseed_random_dev;

/* rpc_files.c */
ttrpc_handler_fn rpc_copy_file;
ttrpc_handler_fn rpc_get_volume_stats;
ttrpc_handler_fn rpc_get_diagnostic_data;

/* rpc_hotplug.c */
ttrpc_handler_fn rpc_online_cpu_mem;
ttrpc_handler_fn rpc_mem_hotplug_by_probe;
ttrpc_handler_fn rpc_add_swap_path;
/* rpc_swap.c */
ttrpc_handler_fn rpc_add_swap;

/* rpc_metrics.c */
ttrpc_handler_fn rpc_get_metrics;

/* create.c */
ttrpc_handler_fn rpc_create_container;
/* exec.c */
ttrpc_handler_fn rpc_exec_process;
/* rpc_container.c */
ttrpc_handler_fn rpc_start_container;
ttrpc_handler_fn rpc_remove_container;
/* rpc_resources.c */
ttrpc_handler_fn rpc_pause_container;
ttrpc_handler_fn rpc_resume_container;
ttrpc_handler_fn rpc_update_container;
ttrpc_handler_fn rpc_stats_container;
/* oom.c */
ttrpc_handler_fn rpc_get_oom_event;
/* rpc_process.c */
ttrpc_handler_fn rpc_signal_process;
ttrpc_handler_fn rpc_wait_process;
ttrpc_handler_fn rpc_tty_win_resize;
ttrpc_handler_fn rpc_write_stdin;
ttrpc_handler_fn rpc_read_stdout;
ttrpc_handler_fn rpc_read_stderr;
ttrpc_handler_fn rpc_close_stdin;
/* rpc_storage.c */
ttrpc_handler_fn rpc_update_ephemeral_mounts;
/* rpc_stale_mounts.c */
ttrpc_handler_fn rpc_remove_stale_mounts;
/* network/rpc_network.c */
ttrpc_handler_fn rpc_update_interface;
ttrpc_handler_fn rpc_list_interfaces;
ttrpc_handler_fn rpc_update_routes;
ttrpc_handler_fn rpc_list_routes;
ttrpc_handler_fn rpc_add_arp_neighbors;
ttrpc_handler_fn rpc_get_iptables;
ttrpc_handler_fn rpc_set_iptables;
/* rpc_sandbox.c */
ttrpc_handler_fn rpc_create_sandbox;
ttrpc_handler_fn rpc_destroy_sandbox;

/*
 * Fails the call. Hosts branch on a few status codes (spec of upstream's agent: NOT_FOUND is "has
 * ended", UNIMPLEMENTED is "old agent"), so an errno from deep inside must not become one of them:
 * what has no status of its own is INTERNAL, or RESOURCE_EXHAUSTED without memory.
 */
void rpc_fail(struct ttrpc_call *call, const struct err *err);

/* An absent string is an empty one. */
static inline const char *rpc_str(const char *s)
{
	return s ? s : "";
}
