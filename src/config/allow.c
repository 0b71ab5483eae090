/* SPDX-License-Identifier: Apache-2.0 */
#include "config/allow.h"

#include <errno.h>
#include <glob.h>
#include <regex.h>
#include <string.h>

/* Regular expressions */

static int compile(const char *pattern, regex_t *ret, struct err *err)
{
	char text[128];
	int code;

	if (strlen(pattern) > ALLOW_MAX_PATTERN)
		return err_set(err, EINVAL, "longer than %d bytes", ALLOW_MAX_PATTERN);
	code = regcomp(ret, pattern, REG_EXTENDED | REG_NOSUB);
	if (code == REG_ESPACE)
		return err_sys(err, ENOMEM, "read \"%s\"", pattern);
	if (code == 0)
		return 0;
	regerror(code, ret, text, sizeof(text));
	return err_set(err, EINVAL, "\"%s\" is not a regular expression: %s", pattern, text);
}

int allow_check_pattern(const char *pattern, struct err *err)
{
	regex_t regex;
	int r = compile(pattern, &regex, err);

	if (r == 0)
		regfree(&regex);
	return r;
}

int allow_find_name(const struct config_strings *patterns, const char *name, bool *ret)
{
	bool found = false;

	for (size_t i = 0; i < patterns->n && !found && strlen(name) <= ALLOW_MAX_NAME; i++) {
		regex_t regex;
		int r = compile(patterns->items[i], &regex, NULL);

		if (r == -ENOMEM)
			return r;
		if (r < 0)
			continue; /* config_load() refuses those */
		found = regexec(&regex, name, 0, NULL, 0) == 0;
		regfree(&regex);
	}
	*ret = found;
	return 0;
}

/* Paths */

static int is_same(const char *path, const char *resolved, bool *ret)
{
	auto_free char *real = realpath(path, NULL);

	if (!real && errno == ENOMEM)
		return -ENOMEM;
	*ret = real && strcmp(real, resolved) == 0;
	return 0;
}

static int find_in_glob(const char *pattern, const char *resolved, bool *ret)
{
	glob_t g;
	int r = glob(pattern, GLOB_NOSORT, NULL, &g);

	*ret = false;
	if (r == GLOB_NOSPACE)
		return -ENOMEM;
	if (r != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc && r == 0 && !*ret; i++)
		r = is_same(g.gl_pathv[i], resolved, ret);
	globfree(&g);
	return r;
}

int allow_find_path(const struct config_strings *globs, const char *resolved, bool *ret)
{
	bool found = false;
	int r = 0;

	for (size_t i = 0; i < globs->n && r == 0 && !found; i++)
		if (globs->items[i][0] == '/')
			r = find_in_glob(globs->items[i], resolved, &found);
	if (r == 0)
		*ret = found;
	return r;
}

/* path's directory: path is absolute. */
static int find_directory(const char *path, char **ret)
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	*ret = strndup(path, len ? len : 1);
	return *ret ? 0 : -ENOMEM;
}

int allow_is_beside(const char *file, const char *resolved, bool *ret)
{
	auto_free char *real = realpath(file, NULL), *ours = NULL, *theirs = NULL;
	int r;

	if (!real && errno == ENOMEM)
		return -ENOMEM;
	*ret = false;
	if (!real)
		return 0;
	r = find_directory(real, &ours);
	if (r == 0)
		r = find_directory(resolved, &theirs);
	if (r == 0)
		*ret = strcmp(ours, theirs) == 0;
	return r;
}
