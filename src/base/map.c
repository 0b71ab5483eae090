/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdbool.h>
#include <string.h>

void map_fini(struct map *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_entries; i++)
		free(m->entries[i].key);
	free(m->entries);
	*m = (struct map){0};
}

/* Where key is, or where it would go. */
static size_t position_of(const struct map *m, const char *key, bool *ret_found)
{
	size_t lo = 0, hi = m->n_entries;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(m->entries[mid].key, key);

		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = false;
	return lo;
}

static int grow(struct map *m)
{
	size_t cap = m->cap ? m->cap * 2 : 8;
	struct map_entry *entries;

	if (m->n_entries < m->cap)
		return 0;
	entries = reallocarray(m->entries, cap, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	m->entries = entries;
	m->cap = cap;
	return 0;
}

int map_add(struct map *m, const char *key, void *value)
{
	auto_free char *copy = NULL;
	bool found;
	size_t at = position_of(m, key, &found);

	if (found)
		return -EEXIST;
	if (grow(m) < 0)
		return -ENOMEM;
	copy = strdup(key);
	if (!copy)
		return -ENOMEM;
	memmove(m->entries + at + 1, m->entries + at, (m->n_entries - at) * sizeof(*m->entries));
	m->entries[at] = (struct map_entry){.key = take_ptr(&copy), .value = value};
	m->n_entries++;
	return 0;
}

void *map_find(const struct map *m, const char *key)
{
	bool found;
	size_t at = position_of(m, key, &found);

	return found ? m->entries[at].value : NULL;
}

void *map_remove(struct map *m, const char *key)
{
	bool found;
	size_t at = position_of(m, key, &found);
	void *value;

	if (!found)
		return NULL;
	value = m->entries[at].value;
	free(m->entries[at].key);
	m->n_entries--;
	memmove(m->entries + at, m->entries + at + 1, (m->n_entries - at) * sizeof(*m->entries));
	return value;
}
