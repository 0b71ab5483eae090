/* SPDX-License-Identifier: Apache-2.0 */
/* What is looked at in a storage before anything is done. Lines: driver, source, type, mount point,
 * driver option, options. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "agent/storage.h"
#include "agent/storage/options.h"
#include "text.h"

enum { MAX_LINES = 16, N_FIXED = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct storage_owner owners[] = {{.run_dir = "/run/kata-containers"},
		{.run_dir = "/run/kata-containers", .container_id = "c1"}};
	auto_free char *text = fuzz_text(data, size);
	Grpc__Storage s = GRPC__STORAGE__INIT;
	char *lines[MAX_LINES] = {NULL}, *rest = text;
	const struct storage_driver *driver;
	struct mount_options options;
	size_t n = 0;

	while (n < MAX_LINES && (lines[n] = strsep(&rest, "\n")))
		n++;
	s.driver = lines[0];
	s.source = lines[1];
	s.fstype = lines[2];
	s.mount_point = lines[3];
	s.driver_options = &lines[4];
	s.n_driver_options = lines[4] ? 1 : 0;
	s.options = lines + N_FIXED;
	s.n_options = n > N_FIXED ? n - N_FIXED : 0;
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		struct err err = ERR_INIT;

		if (storage_check(&s, &owners[i], &driver, &err) < 0)
			assert(err_is_set(&err));
		else
			assert(strcmp(driver->name, s.driver) == 0 && *s.mount_point == '/');
	}
	if (storage_parse_options(&s, &options, NULL) == 0) {
		assert(buf_len(&options.data) <= STORAGE_MAX_DATA);
		mount_options_fini(&options);
	}
	return 0;
}
