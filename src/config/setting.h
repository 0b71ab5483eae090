/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The value of one key, from wherever it comes: a configuration file, an annotation, or the table's
 * default. What is told about a value that cannot be begins without its place: "63 is out of range
 * (64 to 67108864)"; those who know the place put it in front.
 */
#include "config/keys.h"
#include "text/value.h"

struct setting {
	bool boolean;
	int64_t integer;
	double number;
	char *string;		       /* owned */
	struct config_strings strings; /* owned */
	bool has_tables;
};

void setting_fini(struct setting *s);
#define auto_setting __attribute__((cleanup(setting_fini)))

/* ret is a zeroed one. A wrong type is told with its place. */
int setting_read_value(const struct key *key, const struct value *v, struct setting *ret,
	struct err *err) must_check;
/* Numbers are decimal, booleans "true" or "false", lists split at key->separators. */
int setting_read_text(
	const struct key *key, const char *text, struct setting *ret, struct err *err) must_check;

/* Against the bounds and values of the table; "" is how upstream's files say "the default". */
int setting_check(const struct key *key, const struct setting *s, struct err *err) must_check;
/* Whether it asks for nothing special (struct key, plain). -ENOMEM. */
int setting_is_plain(const struct key *key, const struct setting *s, bool *ret) must_check;
/* Moves it into the struct config, where the key has a place there and the value is not "". */
void setting_store(const struct key *key, struct setting *s, struct config *config);

/* The member of a key that is stored. */
void *setting_member(const struct key *key, struct config *config);
/* Frees what the members of a struct config hold. */
void setting_free_members(struct config *config);

/* At the end of the list; takes the string over on success. */
int config_strings_add(struct config_strings *list, char *s) must_check;
void config_strings_fini(struct config_strings *list);
