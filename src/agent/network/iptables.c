/* SPDX-License-Identifier: Apache-2.0 */
/* GetIPTables and SetIPTables. */
#include <string.h>

#include "agent.pb-c.h"
#include "agent/network/methods.h"
#include "base/clock.h"
#include "linux/command.h"

/* An answer that fits into a frame with what goes around it. */
enum { MAX_RULES = (4 << 20) - (64 << 10) };

/* Restoring waits up to 5 s for whoever changes the rules (--wait), as upstream's; the rest is work. */
#define TIMEOUT_NS (10 * NS_PER_S)

/* Borrowed, from static memory. NULL: the guest has neither. */
static const char *find_program(bool is_ipv6, bool restore)
{
	static const char *const paths[2][2][2] = {
		{{"/usr/sbin/iptables-save", "/sbin/iptables-save"},
			{"/usr/sbin/iptables-restore", "/sbin/iptables-restore"}},
		{{"/usr/sbin/ip6tables-save", "/sbin/ip6tables-save"},
			{"/usr/sbin/ip6tables-restore", "/sbin/ip6tables-restore"}},
	};

	for (size_t i = 0; i < 2; i++)
		if (access(paths[is_ipv6][restore][i], X_OK) == 0)
			return paths[is_ipv6][restore][i];
	return NULL;
}

static int run(bool is_ipv6, bool restore, struct slice input, struct buf *output, struct err *err)
{
	const char *program = find_program(is_ipv6, restore);
	const char *const argv[] = {program, restore ? "--wait" : NULL, restore ? "5" : NULL, NULL};
	struct command command = {
		.argv = argv, .input = input, .max_output = MAX_RULES, .timeout_ns = TIMEOUT_NS};

	if (!program)
		return err_set(err, ENOENT, "ip%stables-%s: this guest has none (/usr/sbin, /sbin)",
			is_ipv6 ? "6" : "", restore ? "restore" : "save");
	return command_run(&command, output, err);
}

static int run_get(const ProtobufCMessage *message, struct network_reply *reply, struct err *err)
{
	const Grpc__GetIPTablesRequest *request = (const Grpc__GetIPTablesRequest *)message;
	Grpc__GetIPTablesResponse response = GRPC__GET_IPTABLES_RESPONSE__INIT;
	auto_buf struct buf output = BUF_INIT;
	int r = run(request->is_ipv6, false, slice_of(NULL, 0), &output, err);

	if (r < 0)
		return r;
	response.has_data = 1;
	response.data.data = output.data;
	response.data.len = buf_len(&output);
	return network_reply_set(reply, &response.base, err);
}

static int run_set(const ProtobufCMessage *message, struct network_reply *reply, struct err *err)
{
	const Grpc__SetIPTablesRequest *request = (const Grpc__SetIPTablesRequest *)message;
	Grpc__SetIPTablesResponse response = GRPC__SET_IPTABLES_RESPONSE__INIT;
	auto_buf struct buf output = BUF_INIT;
	int r = run(request->is_ipv6, true, slice_of(request->data.data, request->data.len),
		&output, err);

	if (r < 0)
		return r;
	response.has_data = 1;
	response.data.data = output.data;
	response.data.len = buf_len(&output);
	return network_reply_set(reply, &response.base, err);
}

const struct network_method network_get_iptables = {
	.name = "get iptables",
	.lane = NETWORK_LANE_IPTABLES,
	.run = run_get,
	.reply = &grpc__get_iptables_response__descriptor,
};

const struct network_method network_set_iptables = {
	.name = "set iptables",
	.lane = NETWORK_LANE_IPTABLES,
	.run = run_set,
	.reply = &grpc__set_iptables_response__descriptor,
};
