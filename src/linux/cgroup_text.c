/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup_text.h"

#include <string.h>

/* Decimal digits up to something else; false without one. */
static bool take_number(const char **at, uint64_t *ret)
{
	uint64_t n = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++)
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
			__builtin_add_overflow(n, (uint64_t)(**at - '0'), &n))
			n = UINT64_MAX;
	*ret = n;
	return true;
}

static void skip_line(const char **text)
{
	*text += strcspn(*text, "\n");
	*text += **text == '\n';
}

static bool is_end(char c)
{
	return c == '\n' || c == '\0';
}

/* Copies a word, and moves behind it and the blanks after it; false if it is empty or too long. */
static bool take_word(const char **at, const char *ends, char *word, size_t size)
{
	size_t len = strcspn(*at, ends);

	if (len == 0 || len >= size)
		return false;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at += len;
	*at += strspn(*at, " \t");
	return true;
}

bool cgroup_text_number(const char *text, uint64_t *ret)
{
	uint64_t n = UINT64_MAX;

	if (strncmp(text, "max", 3) == 0)
		text += 3;
	else if (!take_number(&text, &n))
		return false;
	if (!is_end(*text))
		return false;
	*ret = n;
	return true;
}

bool cgroup_text_next_number(const char **text, uint64_t *ret)
{
	while (**text) {
		*text += strspn(*text, " \t\n");
		if (take_number(text, ret) && strchr(" \t\n", **text))
			return true;
		*text += strcspn(*text, " \t\n");
	}
	return false;
}

bool cgroup_text_next_key(const char **text, struct cgroup_key *ret)
{
	while (**text) {
		const char *at = *text;
		struct cgroup_key key;
		bool good = take_word(&at, " \t\n", key.name, sizeof(key.name)) &&
			    take_number(&at, &key.value) && is_end(*at);

		skip_line(text);
		if (good) {
			*ret = key;
			return true;
		}
	}
	return false;
}

uint64_t cgroup_text_find_key(const char *text, const char *name)
{
	struct cgroup_key key;

	while (cgroup_text_next_key(&text, &key))
		if (strcmp(key.name, name) == 0)
			return key.value;
	return 0;
}

static bool take_device(const char **at, uint64_t *ret_major, uint64_t *ret_minor)
{
	if (!take_number(at, ret_major) || **at != ':')
		return false;
	(*at)++;
	if (!take_number(at, ret_minor) || (**at != ' ' && !is_end(**at)))
		return false;
	*at += strspn(*at, " ");
	return true;
}

static bool parse_io(const char *at, struct cgroup_io *ret)
{
	*ret = (struct cgroup_io){.major = 0};
	if (!take_device(&at, &ret->major, &ret->minor))
		return false;
	if ((*at < '0' || *at > '9') && !take_word(&at, " \t\n", ret->op, sizeof(ret->op)))
		return false;
	for (char *c = ret->op; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return take_number(&at, &ret->value) && is_end(*at);
}

bool cgroup_text_next_io(const char **text, struct cgroup_io *ret)
{
	while (**text) {
		struct cgroup_io io;
		bool good = parse_io(*text, &io);

		skip_line(text);
		if (good) {
			*ret = io;
			return true;
		}
	}
	return false;
}

/* "key=123" up to a blank or the end; *at is behind it afterwards, whatever it is. */
static bool take_pair(const char **at, struct cgroup_io *io)
{
	const char *end = *at + strcspn(*at, " \n");
	const char *here = *at;
	bool good = take_word(&here, "= \n", io->op, sizeof(io->op)) && *here == '=';

	here += good;
	good = good && take_number(&here, &io->value) && here == end;
	*at = end + strspn(end, " ");
	return good;
}

bool cgroup_text_next_io_pair(const char **text, struct cgroup_io_line *at, struct cgroup_io *ret)
{
	while (**text) {
		struct cgroup_io io = {.major = at->major, .minor = at->minor};

		if (!at->inside) {
			at->inside = take_device(text, &at->major, &at->minor);
			if (!at->inside)
				skip_line(text);
		} else if (**text == '\n') {
			skip_line(text);
			at->inside = false;
		} else if (take_pair(text, &io)) {
			*ret = io;
			return true;
		}
	}
	return false;
}
