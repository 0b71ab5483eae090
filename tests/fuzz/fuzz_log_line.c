/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the guest's log. */
#include <stdlib.h>

#include "runtime/agent_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The clocks are taken as they come: guest_timeline is what bounds them. */
static void check_span(const struct agent_log_record *record)
{
	const struct guest_span *span = &record->span;
	struct guest_timeline timeline = {.vm_ns = 1, .up_ns = 2};

	if (!record->is_span)
		return;
	if (!memchr(span->who, '\0', sizeof(span->who)) ||
		!memchr(span->what, '\0', sizeof(span->what)) ||
		!memchr(span->id, '\0', sizeof(span->id)) || span->from_ns < 0 ||
		span->from_ns > span->to_ns)
		abort();
	guest_timeline_add(&timeline, span);
	guest_timeline_set_exchange(&timeline, 3, 4);
	guest_timeline_fini(&timeline);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_log_record record;

	agent_log_decode(slice_of(data, size), &record);
	if ((unsigned)record.level >= LOG_LEVEL_COUNT ||
		!memchr(record.msg, '\0', sizeof(record.msg)) ||
		!memchr(record.subsystem, '\0', sizeof(record.subsystem)) ||
		!memchr(record.fields, '\0', sizeof(record.fields)))
		abort();
	check_span(&record);
	return 0;
}
