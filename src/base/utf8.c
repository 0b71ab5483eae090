/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

size_t utf8_sequence(const void *p, size_t len)
{
	const uint8_t *s = p;
	uint8_t low = 0x80, high = 0xbf; /* what the second byte may be: RFC 3629, section 4 */
	size_t n;

	if (len == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

size_t utf8_encode(uint32_t c, char to[static 4])
{
	uint8_t *out = (uint8_t *)to;

	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c >= 0xd800 && c <= 0xdfff)
		return 0;
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	if (c > 0x10ffff)
		return 0;
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

int utf8_clean(struct slice text, struct buf *out)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t at = 0, from = 0;
	int r = 0;

	while (at < text.len && r == 0) {
		size_t n = text.p[at] ? utf8_sequence(text.p + at, text.len - at) : 0;

		if (n == 0) {
			r = buf_append(out, text.p + from, at - from);
			if (r == 0)
				r = buf_append(out, replacement, sizeof(replacement) - 1);
			from = at + 1;
		}
		at += n ? n : 1;
	}
	return r < 0 ? r : buf_append(out, text.p + from, at - from);
}

/* C0, DEL and C1. */
static bool is_control(const uint8_t *s, size_t n)
{
	return n == 1 ? s[0] < 0x20 || s[0] == 0x7f : n == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

void utf8_make_printable(char *text)
{
	for (size_t left = strlen(text); left > 0;) {
		size_t n = utf8_sequence(text, left);

		if (n == 0) {
			*text = '?';
			n = 1;
		} else if (is_control((const uint8_t *)text, n)) {
			memset(text, ' ', n);
		}
		text += n;
		left -= n;
	}
}
