/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <limits.h>
#include <string.h>

#include "runtime/stdio_uri.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct stdio_uri uri;

	if (stdio_uri_parse(text, &uri, NULL) == 0) {
		assert((uri.kind == STDIO_NONE) == (text[0] == '\0'));
		assert(uri.kind == STDIO_NONE || uri.path[0] == '/');
		assert(uri.kind == STDIO_NONE || strlen(uri.path) <= strlen(text));
		assert(uri.n_args <= STDIO_ARGS_MAX && uri.n_args % 2 == 0);
		assert((uri.kind == STDIO_BINARY) == (uri.args != NULL));
		for (size_t i = 0; i < uri.n_args; i++)
			assert(uri.args[i] && strlen(uri.args[i]) < size);
		stdio_uri_fini(&uri);
	}
	free(text);
	return 0;
}
