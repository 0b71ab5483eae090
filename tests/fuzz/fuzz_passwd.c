/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>

#include "agent/container/passwd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t uids[] = {0, 1000, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
		char *home = NULL;
		int r = passwd_find_home(slice_of(data, size), uids[i], &home);

		assert(r == 0 || r == -ENOENT);
		assert(r < 0 || (home[0] == '/' && strlen(home) < PASSWD_HOME_MAX));
		free(home);
	}
	return 0;
}
