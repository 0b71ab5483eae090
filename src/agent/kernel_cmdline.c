/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kernel_cmdline.h"

#include <string.h>

/* A word without "=". */
static int parse_flag(struct options *o, const char *name, struct err *err)
{
	const struct option_key *key = options_find_cmdline(name);

	/* "agent.log" alone is no word of ours. */
	if (!key || (key->rule != RULE_FLAG && key->rule != RULE_FLAG_OR_BOOL))
		return 0;
	return options_set(o, key, "true", err);
}

static int parse_pair(struct options *o, const char *name, const char *value, struct err *err)
{
	const struct option_key *key = options_find_cmdline(name);

	if (!key || key->rule == RULE_FLAG)
		return 0;
	if (options_set(o, key, value, err) < 0)
		return err_wrap(err, "kernel command line: %s", name);
	return 0;
}

static int parse_word(struct options *o, char *word, char **ret_config_file, struct err *err)
{
	char *equals = strchr(word, '=');

	if (!equals)
		return parse_flag(o, word, err);
	*equals = '\0';
	if (strcmp(word, "agent.config_file") != 0)
		return parse_pair(o, word, equals + 1, err);
	*ret_config_file = strdup(equals + 1);
	return *ret_config_file ? 0 : err_sys(err, ENOMEM, "kernel command line");
}

int kernel_cmdline_parse(
	struct options *o, struct slice text, char **ret_config_file, struct err *err)
{
	static const char blanks[] = " \t\n\r\f\v";
	auto_free char *copy = NULL;
	int r = slice_to_cstr(text, KERNEL_CMDLINE_MAX, &copy);

	*ret_config_file = NULL;
	if (r < 0)
		return err_sys(err, -r, "kernel command line");
	for (char *at = copy; r == 0 && !*ret_config_file && *(at += strspn(at, blanks));) {
		char *word = at;

		at += strcspn(at, blanks);
		if (*at)
			*at++ = '\0';
		r = parse_word(o, word, ret_config_file, err);
	}
	return r;
}
