/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel command line as the agent reads it. */
#include <assert.h>
#include <string.h>

#include "agent/kernel_cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *config_file = NULL;
	struct err err = ERR_INIT;
	struct options o;

	options_init(&o);
	if (kernel_cmdline_parse(&o, slice_of(data, size), &config_file, &err) < 0)
		assert(err.code != 0 && err.msg[0] && !config_file);
	assert(strnlen(o.server_addr, sizeof(o.server_addr)) < sizeof(o.server_addr));
	assert(o.log_level < LOG_LEVEL_COUNT);
	assert(o.container_pipe_size <= INT32_MAX && o.log_port <= INT32_MAX);
	return 0;
}
