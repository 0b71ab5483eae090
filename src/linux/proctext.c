/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/proctext.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct slice skip(struct slice s, size_t n)
{
	return slice_of(n ? s.p + n : s.p, s.len - n);
}

static struct slice skip_blanks(struct slice s)
{
	size_t n = 0;

	while (n < s.len && is_blank(s.p[n]))
		n++;
	return skip(s, n);
}

bool proctext_next_line(struct slice *text, struct slice *ret)
{
	size_t n = 0;

	if (text->len == 0)
		return false;
	while (n < text->len && text->p[n] != '\n')
		n++;
	*ret = slice_of(text->p, n);
	*text = skip(*text, n < text->len ? n + 1 : n);
	return true;
}

bool proctext_next_word(struct slice *line, struct slice *ret)
{
	struct slice s = skip_blanks(*line);
	size_t n = 0;

	while (n < s.len && !is_blank(s.p[n]))
		n++;
	*line = skip(s, n);
	if (n == 0)
		return false;
	*ret = slice_of(s.p, n);
	return true;
}

bool proctext_cut_key(struct slice line, struct slice *ret_key, struct slice *ret_rest)
{
	struct slice s = skip_blanks(line);
	size_t n = 0;

	while (n < s.len && !is_blank(s.p[n]) && s.p[n] != ':')
		n++;
	if (n == 0)
		return false;
	*ret_key = slice_of(s.p, n);
	*ret_rest = skip(s, n < s.len && s.p[n] == ':' ? n + 1 : n);
	return true;
}

bool proctext_parse_u64(struct slice word, uint64_t *ret)
{
	uint64_t n = 0;

	if (word.len == 0)
		return false;
	for (size_t i = 0; i < word.len; i++)
		if (word.p[i] < '0' || word.p[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, (uint64_t)(word.p[i] - '0'), &n))
			return false;
	*ret = n;
	return true;
}

bool proctext_next_u64(struct slice *line, uint64_t *ret)
{
	struct slice word;

	return proctext_next_word(line, &word) && proctext_parse_u64(word, ret);
}
