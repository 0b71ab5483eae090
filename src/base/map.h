/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Strings to pointers. The map owns its keys (copies) and never its values. Meant for the tens of
 * containers and execs of a pod: entries are kept sorted in one array, a lookup is a binary search,
 * and iteration is in key order (so output is stable). A zeroed struct map is a valid empty one.
 */
#include <stddef.h>

#include "base/own.h"

struct map_entry {
	char *key;   /* owned */
	void *value; /* borrowed from the caller */
};

struct map {
	struct map_entry *entries; /* owned */
	size_t n_entries, cap;
};

void map_fini(struct map *m);
/* -EEXIST if the key is there, -ENOMEM. */
int map_add(struct map *m, const char *key, void *value) must_check;
/* NULL if absent. */
void *map_find(const struct map *m, const char *key);
/* Takes the entry out and returns its value; NULL if absent. */
void *map_remove(struct map *m, const char *key);

/* e points to each entry in key order; the body must not add or remove. */
#define MAP_FOREACH(e, m) \
	for (struct map_entry *e = (m)->entries; e && e < (m)->entries + (m)->n_entries; e++)
