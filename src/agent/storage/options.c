/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/options.h"

#include <string.h>

#include "wire/status.h"

static bool is_for_agent(const char *option)
{
	static const char *const prefixes[] = {"X-kata.", "io.katacontainers.", "fsgid="};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(option, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

int storage_parse_options(const Grpc__Storage *s, struct mount_options *ret, struct err *err)
{
	auto_free char **words = calloc(s->n_options + 1, sizeof(*words));
	struct mount_options options;
	size_t n = 0;
	int r;

	if (!words)
		return err_sys(err, ENOMEM, "mount options");
	for (size_t i = 0; i < s->n_options; i++) {
		if (strcmp(s->options[i], "loop") == 0)
			return err_set(err, EINVAL, "mount option loop is not supported");
		if (!is_for_agent(s->options[i]))
			words[n++] = s->options[i];
	}
	r = mount_options_parse(words, n, &options);
	if (r < 0)
		return err_sys(err, -r, "mount options");
	if (buf_len(&options.data) > STORAGE_MAX_DATA) {
		mount_options_fini(&options);
		return err_set(err, E2BIG, "more than %d bytes of options", STORAGE_MAX_DATA);
	}
	*ret = options;
	return 0;
}

static bool parse_gid(const char *digits, gid_t *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || errno || *end || n >= UINT32_MAX)
		return false;
	*ret = (gid_t)n;
	return true;
}

int storage_parse_fsgid(const Grpc__Storage *s, bool *ret_has, gid_t *ret, struct err *err)
{
	bool has = false;
	gid_t gid = 0;

	for (size_t i = 0; i < s->n_options; i++) {
		if (strncmp(s->options[i], "fsgid=", strlen("fsgid=")) != 0)
			continue;
		if (!parse_gid(s->options[i] + strlen("fsgid="), &gid))
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "%s: not a group id",
				s->options[i]);
		has = true;
	}
	*ret_has = has;
	*ret = gid;
	return 0;
}

bool storage_has_option(const Grpc__Storage *s, const char *option)
{
	for (size_t i = 0; i < s->n_options; i++)
		if (strcmp(s->options[i], option) == 0)
			return true;
	return false;
}
