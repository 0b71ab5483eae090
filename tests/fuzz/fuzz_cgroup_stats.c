/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a cgroup, by every decoder. */
#include <assert.h>
#include <string.h>

#include "linux/cgroup_text.h"
#include "text.h"

static void decode_keys(const char *text, size_t size)
{
	const char *at = text;
	struct cgroup_key key;
	size_t n = 0;

	while (cgroup_text_next_key(&at, &key)) {
		assert(key.name[0] != '\0' && memchr(key.name, '\0', sizeof(key.name)));
		n++;
	}
	assert(at <= text + size && n <= size);
	(void)cgroup_text_find_key(text, "oom_kill");
}

static void decode_numbers(const char *text, size_t size)
{
	const char *at = text;
	uint64_t value = 0;
	size_t n = 0;

	while (cgroup_text_next_number(&at, &value))
		n++;
	assert(at <= text + size && n <= size);
	(void)cgroup_text_number(text, &value);
}

static void decode_io(const char *text, size_t size)
{
	struct cgroup_io_line line = {.inside = false};
	const char *at = text;
	struct cgroup_io io;
	size_t n = 0;

	while (cgroup_text_next_io(&at, &io)) {
		assert(memchr(io.op, '\0', sizeof(io.op)));
		n++;
	}
	assert(at <= text + size && n <= size);
	at = text;
	n = 0;
	while (cgroup_text_next_io_pair(&at, &line, &io)) {
		assert(io.op[0] != '\0' && memchr(io.op, '\0', sizeof(io.op)));
		n++;
	}
	assert(at <= text + size && n <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	decode_keys(text, size);
	decode_numbers(text, size);
	decode_io(text, size);
	free(text);
	return 0;
}
