/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the guest's log. */
#include <stdlib.h>

#include "runtime/agent_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_log_record record;

	agent_log_decode(slice_of(data, size), &record);
	if ((unsigned)record.level >= LOG_LEVEL_COUNT ||
		!memchr(record.msg, '\0', sizeof(record.msg)) ||
		!memchr(record.subsystem, '\0', sizeof(record.subsystem)) ||
		!memchr(record.fields, '\0', sizeof(record.fields)))
		abort();
	return 0;
}
