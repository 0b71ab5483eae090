/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Every key of upstream's configuration.toml, as data: where it stands, what it may be, what we do
 * with it, and which annotation overrides it. docs/configuration.md and docs/annotations.md are
 * printed from here (src/tools/config_doc).
 *
 * To put a key to use that is KEY_WARNED or KEY_REFUSED: read its member of the struct config and
 * make the row KEY_USED. While only some of its values work, list those in plain instead.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum key_kind {
	KEY_BOOL,
	KEY_STRING,
	KEY_INTEGER,
	KEY_INTEGER64,
	KEY_NUMBER,  /* with or without a fraction */
	KEY_STRINGS, /* array of strings */
	KEY_TABLES,  /* array of tables */
};

enum key_use {
	KEY_USED,    /* in every value it may have */
	KEY_IDLE,    /* nothing hangs on it here */
	KEY_WARNED,  /* has no effect yet: a warning, unless it asks for what is the case anyway */
	KEY_REFUSED, /* the same, but an error: going on would be unsafe or do something else */
};

/* What an annotation of a pod may do (annotations.h). */
enum key_annotation {
	ANNOTATION_NONE,    /* there is none */
	ANNOTATION_ENABLED, /* needs a pattern in enable_annotations */
	ANNOTATION_FREE,    /* of the pod's own guest only, or of no harm: always heeded */
	ANNOTATION_NEVER,   /* upstream has it; it would give the pod's author the host */
};

/* Small, for each process has its own copy of the tables: they hold addresses. */
struct key {
	const char *name;
	enum key_use use : 8;
	enum key_kind kind : 8;
	uint16_t offset;    /* of the member of struct config; 0: not stored */
	const char *def;    /* default, as text; NULL: false, 0, "" or [] */
	int64_t min, max;   /* of numbers that are stored; max 0: what the type holds */
	const char *unit;   /* for the reference: "MiB" */
	const char *values; /* KEY_STRING: all it may be, with "|" between them; NULL: anything */
	/* KEY_WARNED, KEY_REFUSED: the values that ask for nothing special, apart from false, 0, ""
	 * and []: as text, with "|" between them. A boolean that has it is plain when true. */
	const char *plain;
	const char *annotation; /* behind "hypervisor." etc.; NULL: name */
	const char *separators; /* KEY_STRINGS: between the elements in an annotation */
	enum key_annotation annotated : 8;
	bool is_pow2;	  /* or 0 */
	bool is_path;	  /* must be absolute */
	uint16_t allowed; /* paths: offset of the struct config_strings that lists them */
	const char *meaning;
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

extern const struct key_section *const key_sections[SECTION_COUNT];
extern const struct key_section key_hypervisor_section; /* keys_hypervisor.c */

/* NULL if the section has no such key. */
const struct key *key_find(enum key_section_id section, const char *name);

/* What stands behind "io.katacontainers.config.hypervisor." and so on. */
static inline const char *key_annotation(const struct key *key)
{
	return key->annotation ? key->annotation : key->name;
}

/* For the tables: kind and member of a row; a member of another type does not compile. */
#define KEY_AT(type, member)               \
	(offsetof(struct config, member) + \
		0 * sizeof(_Generic(((struct config *)NULL)->member, type : 1)))
#define IN_BOOL(member) KEY_BOOL, KEY_AT(bool, member)
#define IN_STRING(member) KEY_STRING, KEY_AT(char *, member)
#define IN_INTEGER(member) KEY_INTEGER, KEY_AT(uint32_t, member)
#define IN_INTEGER64(member) KEY_INTEGER64, KEY_AT(uint64_t, member)
#define IN_NUMBER(member) KEY_NUMBER, KEY_AT(double, member)
#define IN_STRINGS(member) KEY_STRINGS, KEY_AT(struct config_strings, member)
