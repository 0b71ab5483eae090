/* SPDX-License-Identifier: Apache-2.0 */
#include "text/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct slice bytes, struct buf *out)
{
	size_t room;
	uint8_t *to;

	if (bytes.len > SIZE_MAX / 2)
		return -ENOMEM;
	room = (bytes.len + 2) / 3 * 4;
	to = buf_reserve(out, room);
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i;
		uint32_t group = (uint32_t)bytes.p[i] << 16;

		if (n > 1)
			group |= (uint32_t)bytes.p[i + 1] << 8;
		if (n > 2)
			group |= bytes.p[i + 2];
		*to++ = (uint8_t)alphabet[group >> 18];
		*to++ = (uint8_t)alphabet[group >> 12 & 63];
		*to++ = n > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=';
		*to++ = n > 2 ? (uint8_t)alphabet[group & 63] : '=';
	}
	buf_commit(out, room);
	return 0;
}

static int digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* Without padding; -EINVAL if there is some, and it does not fill the last group. */
static int unpadded(struct slice text, size_t *ret_len)
{
	size_t len = text.len;

	while (len > 0 && text.len - len < 2 && text.p[len - 1] == '=')
		len--;
	if (len < text.len && text.len % 4 != 0)
		return -EINVAL;
	*ret_len = len;
	return len % 4 == 1 ? -EINVAL : 0;
}

int base64_decode(struct slice text, struct buf *out)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t len, n = 0;
	uint8_t *to;

	if (unpadded(text, &len) < 0)
		return -EINVAL;
	to = buf_reserve(out, len / 4 * 3 + 2);
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		int d = digit(text.p[i]);

		if (d < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)d;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			to[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	if (bits & ((1U << n_bits) - 1))
		return -EINVAL;
	buf_commit(out, n);
	return 0;
}
