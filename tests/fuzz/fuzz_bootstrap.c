/* SPDX-License-Identifier: Apache-2.0 */
/* What stands on the stdin of `start` and of -info. */
#include <assert.h>

#include "shim/bootstrap.h"
#include "shim/roles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size);
	auto_buf struct buf answer = BUF_INIT, info = BUF_INIT;

	assert(bootstrap_answer(input, "2", "unix:///x", &answer) == 0);
	assert(buf_str(&answer)[0] == 'u' || buf_str(&answer)[0] == '{');
	if (info_encode(input, &info, NULL) == 0)
		assert(buf_len(&info) > 0);
	return 0;
}
