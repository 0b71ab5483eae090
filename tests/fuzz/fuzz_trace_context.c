/* SPDX-License-Identifier: Apache-2.0 */
/* A caller's traceparent, and the span that names it: the length in front is that of what follows. */
#include "agent/trace_span.h"
#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = NULL;
	auto_buf struct buf out = BUF_INIT;
	struct trace_context context;
	uint64_t len = 0;

	if (slice_to_cstr(slice_of(data, size), 4096, &text) < 0)
		return 0;
	if (!trace_context_parse(text, &context))
		return 0;
	if ((context.trace.high == 0 && context.trace.low == 0) || context.parent == 0)
		abort();
	if (trace_span_encode(&(struct trace_span){.trace = context.trace,
				      .id = 1,
				      .parent = context.parent,
				      .kind = "Server",
				      .name = text},
		    &out) < 0)
		return 0;
	for (size_t i = 0; i < 8; i++)
		len = len << 8 | buf_slice(&out).p[i];
	if (len != buf_len(&out) - 8)
		abort();
	return 0;
}
