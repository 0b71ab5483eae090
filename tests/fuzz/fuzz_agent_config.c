/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's configuration file. */
#include <assert.h>
#include <string.h>

#include "agent/config_file.h"
#include "agent/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct options o;

	options_init(&o);
	if (config_file_parse(&o, "agent.toml", slice_of(data, size), &err) < 0)
		assert(err.code != 0 && strstr(err.msg, "agent.toml"));
	else
		assert(err.code == 0);
	assert(o.server_addr[0] &&
		strnlen(o.server_addr, sizeof(o.server_addr)) < sizeof(o.server_addr));
	assert(o.log_level < LOG_LEVEL_COUNT);
	assert(o.container_pipe_size <= INT32_MAX && o.log_port <= INT32_MAX);
	assert(o.endpoints.is_limited || o.endpoints.allowed == 0);
	assert(o.endpoints.allowed >> (rpc_n_methods - 1) <= 1);
	return 0;
}
