/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "agent/device/pci_env.h"

enum { MAX_VARS = 64 };

static void translate(char **vars, size_t n)
{
	struct pci_pair pairs[] = {
		{{0, 0x81, 0, 1}, {0, 1, 0, 0}},
		{{0, 1, 0, 0}, {0, 0x81, 0, 1}},
		{{0, 0x81, 0, 2}, {0, 2, 0, 0}},
	};
	struct device_set set = {.pairs = pairs, .n_pairs = ARRAY_SIZE(pairs)};
	struct pci_env env;

	if (pci_env_translate(vars, n, &set, &env, NULL) < 0)
		return;
	/* An address is as long as another. */
	for (size_t i = 0; i < n; i++)
		assert(strlen(env.vars[i]) == strlen(vars[i]));
	assert(env.n_changed <= n && !env.vars[n]);
	pci_env_fini(&env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *vars[MAX_VARS];
	size_t n = 0;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && n < MAX_VARS; at += strlen(text + at) + 1)
		vars[n++] = text + at;
	translate(vars, n);
	free(text);
	return 0;
}
