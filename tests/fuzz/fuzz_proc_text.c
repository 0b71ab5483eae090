/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/stat and /proc/net/dev, and the words that other files of procfs are cut into. */
#include <assert.h>
#include <net/if.h>
#include <string.h>

#include "agent/network/statistics.h"
#include "linux/procstat.h"
#include "linux/proctext.h"
#include "text.h"

static void read_stat(struct slice text)
{
	struct procstat stat;

	if (procstat_parse(text, &stat) == 0)
		assert(stat.state && stat.ppid >= 0);
}

static void read_interfaces(struct slice text)
{
	struct network_statistics s;

	if (network_statistics_parse(text, &s) < 0)
		abort();
	assert(s.n <= text.len);
	for (size_t i = 0; i < s.n; i++)
		assert(strlen(s.list[i]->name) < IFNAMSIZ && s.list[i]->has_tx_dropped);
	network_statistics_fini(&s);
}

static void read_words(struct slice text)
{
	struct slice line, word, key, rest;
	size_t n = 0;
	uint64_t value;

	while (proctext_next_line(&text, &line)) {
		assert(!memchr(line.p, '\n', line.len));
		if (proctext_cut_key(line, &key, &rest))
			assert(key.len > 0 && key.len + rest.len <= line.len);
		while (proctext_next_word(&line, &word)) {
			assert(word.len > 0 && !memchr(word.p, ' ', word.len));
			n += proctext_parse_u64(word, &value) ? word.len : 0;
		}
	}
	assert(text.len == 0 && n < SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	read_stat(slice_of(text, size));
	read_interfaces(slice_of(text, size));
	read_words(slice_of(text, size));
	free(text);
	return 0;
}
