/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>

#include "agent/container/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report report = {.pid = 0};
	int r = report_decode(slice_of(data, size), &report);

	assert(r == 0 || r == -EBADMSG);
	assert(r < 0 || strlen(report.text) < ERR_MSG_SIZE);
	return 0;
}
