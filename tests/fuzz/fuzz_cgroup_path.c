/* SPDX-License-Identifier: Apache-2.0 */
/* A host's cgroupsPath: what it becomes stays below the hierarchies. */
#include <assert.h>
#include <limits.h>
#include <string.h>

#include "agent/cgroup_path.h"
#include "text.h"

static void try(const char *text, bool systemd)
{
	char *path, *again;
	bool is_unit;

	if (cgroup_path_parse(text, "c1", systemd, &path, &is_unit, NULL) == 0) {
		assert(path[0] == '/' && path[1] && path[strlen(path) - 1] != '/');
		assert(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
		assert(strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0);
		if (cgroup_path_parse(path, "c1", systemd, &again, &is_unit, NULL) < 0 ||
			strcmp(path, again) != 0)
			abort();
		free(again);
		free(path);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	try(text, false);
	try(text, true);
	free(text);
	return 0;
}
