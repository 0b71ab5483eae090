/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's console: whatever it prints, the kept lines are short, printable and not blank. */
#include <stdlib.h>
#include <string.h>

#include "hypervisor/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *line)
{
	size_t len = strlen(line);

	if (len >= LINES_WIDTH || (len > 0 && strspn(line, " ") == len))
		abort();
	for (size_t i = 0; i < len; i++)
		if (line[i] < 0x20 || line[i] == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines = LINES_INIT("fuzz"), pieces = LINES_INIT("fuzz");

	lines_feed(&lines, slice_of(data, size));
	for (size_t i = 0; i < size; i++)
		lines_feed(&pieces, slice_of(data + i, 1));
	check(lines.last);
	check(lines.panic);
	/* How the bytes were cut into reads must not matter. */
	if (strcmp(lines.last, pieces.last) != 0 || strcmp(lines.panic, pieces.panic) != 0)
		abort();
	return 0;
}
