/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Every key of upstream's configuration.toml, as data: where it stands, its type, what we do. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_kind {
	KEY_BOOL,
	KEY_STRING,
	KEY_INTEGER,
	KEY_NUMBER,  /* with or without a fraction */
	KEY_STRINGS, /* array of strings */
	KEY_TABLES,  /* array of tables */
};

enum key_use {
	KEY_USED,    /* goes to the struct config */
	KEY_IDLE,    /* nothing hangs on it here */
	KEY_WARNED,  /* has no effect yet: a warning, unless it asks for what is the case anyway */
	KEY_REFUSED, /* the same, but an error: going on would be unsafe or do something else */
};

struct key {
	const char *name;
	enum key_kind kind;
	enum key_use use;
	/* KEY_WARNED, KEY_REFUSED: the values that ask for nothing special, apart from false, 0, ""
	 * and []: as text, with "|" between them. For a string that is KEY_USED: all it may be. */
	const char *plain;
	/* KEY_USED only. */
	size_t offset;	   /* in struct config: bool, char *, uint32_t or double */
	uint64_t min, max; /* KEY_INTEGER; max 0: UINT32_MAX */
	bool is_path;	   /* KEY_USED strings: must be absolute */
};

enum { SECTION_DEPTH = 3 };

struct key_section {
	const char *path[SECTION_DEPTH]; /* {"hypervisor", "qemu"}; unused ones NULL */
	const struct key *keys;
	size_t n_keys;
};

enum key_section_id {
	SECTION_HYPERVISOR,
	SECTION_HYPERVISOR_FACTORY,
	SECTION_FACTORY,
	SECTION_AGENT,
	SECTION_MEM_AGENT,
	SECTION_RUNTIME,
	SECTION_COUNT,
};

extern const struct key_section key_sections[SECTION_COUNT];
