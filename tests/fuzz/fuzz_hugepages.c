/* SPDX-License-Identifier: Apache-2.0 */
/* Options of volumes of huge pages: words, each on a line of its own. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "agent/storage/hugepages.h"
#include "text.h"

enum { MAX_WORDS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);
	char *words[MAX_WORDS], *rest = text;
	struct hugepages pages;
	struct err err = ERR_INIT;
	size_t n = 0;

	while (n < MAX_WORDS && (words[n] = strsep(&rest, "\n")))
		n++;
	if (hugepages_parse(words, n, &pages, &err) < 0) {
		assert(err_is_set(&err));
	} else {
		assert(pages.n_pages > 0 && pages.page_size >= 1024);
		assert(pages.n_pages <= UINT64_MAX / pages.page_size);
	}
	return 0;
}
