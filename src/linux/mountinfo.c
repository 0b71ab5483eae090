/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/mountinfo.h"

#include <errno.h>
#include <string.h>

/* Cuts the next word off *at; NULL when there is none. */
static char *take_word(char **at)
{
	char *word = *at + strspn(*at, " ");
	char *end = word + strcspn(word, " ");

	if (end == word)
		return NULL;
	*at = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static bool parse_id(const char *word, uint64_t *ret)
{
	char *end;

	if (!word || *word < '0' || *word > '9')
		return false;
	errno = 0;
	*ret = strtoull(word, &end, 10);
	return *end == '\0' && errno == 0;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Space, tab, newline and backslash are written as three octal digits. */
static void undo_escapes(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && is_octal(s[2]) &&
			is_octal(s[3])) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static bool parse_line(char *line, struct mountinfo *ret)
{
	struct mountinfo m = {.id = 0};
	char *word, *mount_point, *source;

	if (!parse_id(take_word(&line), &m.id) || !parse_id(take_word(&line), &m.parent_id))
		return false;
	m.device = take_word(&line);
	/* The directory within it. */
	if (!m.device || !take_word(&line))
		return false;
	mount_point = take_word(&line);
	if (!mount_point)
		return false;
	/* Options and any number of tags end with a word "-". */
	do
		word = take_word(&line);
	while (word && strcmp(word, "-") != 0);
	m.fs_type = take_word(&line);
	if (!word || !m.fs_type)
		return false;
	source = take_word(&line);
	if (source)
		undo_escapes(source);
	m.source = source ? source : "";
	word = take_word(&line);
	m.super_options = word ? word : "";
	undo_escapes(mount_point);
	m.mount_point = mount_point;
	*ret = m;
	return true;
}

bool mountinfo_next(char **text, struct mountinfo *ret)
{
	while (**text) {
		char *line = *text, *end = line + strcspn(line, "\n");

		*text = *end ? end + 1 : end;
		*end = '\0';
		if (parse_line(line, ret))
			return true;
	}
	return false;
}
