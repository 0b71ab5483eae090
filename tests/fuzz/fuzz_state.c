/* SPDX-License-Identifier: Apache-2.0 */
/* The state file of a sandbox, which `delete` reads after any crash. */
#include <stdlib.h>

#include "runtime/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct state *state = NULL;

	if (state_parse(slice_of(data, size), &state, &err) < 0) {
		if (state || !err_is_set(&err))
			abort();
		return 0;
	}
	/* What is accepted is safe to act on. */
	for (size_t i = 0; i < state->n_processes; i++)
		if (state->processes[i].pid < 2)
			abort();
	for (size_t i = 0; i < state->mounts.n; i++)
		if (state->mounts.items[i][0] != '/')
			abort();
	for (size_t i = 0; i < state->files.n; i++)
		if (state->files.items[i][0] != '/' || strstr(state->files.items[i], "/../"))
			abort();
	state_free(state);
	return 0;
}
