/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/address.h"

#include <string.h>

/* Decimal digits only, up to 2^32 - 1; -1 is 2^32 - 1 where any_allowed. */
static bool parse_u32(const char *s, bool any_allowed, uint32_t *ret)
{
	uint64_t v = 0;

	if (any_allowed && strcmp(s, "-1") == 0) {
		*ret = UINT32_MAX;
		return true;
	}
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)v;
	return true;
}

static const char *after_prefix(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static int invalid(const char *text, const char *why, struct err *err)
{
	return err_set(err, EINVAL, "address \"%s\": %s", text, why);
}

static int parse_vsock(const char *text, const char *rest, struct address *ret, struct err *err)
{
	const char *colon = strchr(rest, ':');
	char cid[sizeof("4294967295")];
	uint32_t cid_number, port;

	if (!colon || (size_t)(colon - rest) >= sizeof(cid))
		return invalid(text, "want vsock://CID:PORT", err);
	memcpy(cid, rest, (size_t)(colon - rest));
	cid[colon - rest] = '\0';
	if (!parse_u32(cid, true, &cid_number) || !parse_u32(colon + 1, false, &port))
		return invalid(text, "want vsock://CID:PORT", err);
	*ret = (struct address){
		.sa.vm = {.svm_family = AF_VSOCK, .svm_cid = cid_number, .svm_port = port},
		.sa_len = sizeof(ret->sa.vm)};
	return 0;
}

/* The path need not be terminated. "@" in front: abstract. */
static int parse_unix(
	const char *text, const char *path, size_t len, struct address *ret, struct err *err)
{
	struct address a = {.sa.un.sun_family = AF_UNIX};
	bool abstract = len > 0 && path[0] == '@';

	if (len < (abstract ? 2 : 1))
		return invalid(text, "no path", err);
	/* A path keeps its NUL; an abstract name has one in front instead. */
	if (len > sizeof(a.sa.un.sun_path) - (abstract ? 0 : 1))
		return invalid(text, "path too long", err);
	if (!abstract && path[0] != '/')
		return invalid(text, "path is not absolute", err);
	memcpy(a.sa.un.sun_path, path, len);
	if (abstract)
		a.sa.un.sun_path[0] = '\0';
	a.sa_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (abstract ? 0 : 1));
	*ret = a;
	return 0;
}

static int parse_hybrid(const char *text, const char *rest, struct address *ret, struct err *err)
{
	const char *colon = strrchr(rest, ':');
	struct address a;
	uint32_t port;
	int r;

	if (!colon || !parse_u32(colon + 1, false, &port))
		return invalid(text, "want hvsock://PATH:PORT", err);
	r = parse_unix(text, rest, (size_t)(colon - rest), &a, err);
	if (r < 0)
		return r;
	a.is_hybrid = true;
	a.hybrid_port = port;
	*ret = a;
	return 0;
}

int address_parse(const char *text, struct address *ret, struct err *err)
{
	const char *rest;

	if ((rest = after_prefix(text, "vsock://")))
		return parse_vsock(text, rest, ret, err);
	if ((rest = after_prefix(text, "hvsock://")))
		return parse_hybrid(text, rest, ret, err);
	if ((rest = after_prefix(text, "unix://")))
		return parse_unix(text, rest, strlen(rest), ret, err);
	return invalid(text, "want vsock://, hvsock:// or unix://", err);
}
