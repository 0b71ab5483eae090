/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/virtiofsd.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

struct cache_mode {
	const char *config, *qemus, *rusts;
};

/* The configuration's words and each daemon's; NULL: it has no such mode. */
static const struct cache_mode cache_modes[] = {
	{"never", "none", "never"},
	{"none", "none", "never"},
	{"auto", "auto", "auto"},
	{"always", "always", "always"},
	{"metadata", NULL, "metadata"},
};

bool virtiofsd_is_qemus(const char *program)
{
	static const char end[] = "/qemu/virtiofsd";
	size_t len = strlen(program);

	return len >= strlen(end) && strcmp(program + len - strlen(end), end) == 0;
}

static const struct cache_mode *find_cache(const char *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(cache_modes); i++)
		if (strcmp(cache_modes[i].config, config) == 0)
			return &cache_modes[i];
	return NULL;
}

static void add(struct virtiofsd_args *args, const char *arg)
{
	args->argv[args->n++] = arg;
}

/* "<prefix><value>", with a backslash before what would end the value in -o. */
static int add_value(
	struct virtiofsd_args *args, const char *prefix, const char *value, bool escape)
{
	auto_buf struct buf b = BUF_INIT;
	int r = buf_append_str(&b, prefix);

	for (; *value && r == 0; value++) {
		if (escape && (*value == ',' || *value == '\\'))
			r = buf_append_str(&b, "\\");
		if (r == 0)
			r = buf_append(&b, value, 1);
	}
	if (r < 0)
		return r;
	args->text[args->n] = buf_take_str(&b);
	if (!args->text[args->n])
		return -ENOMEM;
	add(args, args->text[args->n]);
	return 0;
}

/*
 * Both make the share their root, in their own mount, pid and network namespaces, where what is
 * mounted below it later arrives through slave propagation. Submounts are announced, because two
 * file systems below one share may use the same inode numbers; xattrs carry file capabilities.
 */
static int add_qemus(struct virtiofsd_args *args, const char *dir, const char *cache)
{
	int r;

	add(args, "--fd=3");
	add(args, "-o");
	r = add_value(args, "source=", dir, true);
	if (r < 0)
		return r;
	add(args, "-o");
	r = add_value(args, "cache=", cache, false);
	if (r < 0)
		return r;
	add(args, "-o");
	add(args, "sandbox=namespace,announce_submounts,xattr,log_level=warn");
	return 0;
}

static int add_rusts(struct virtiofsd_args *args, const char *dir, const char *cache)
{
	int r;

	add(args, "--fd=3");
	r = add_value(args, "--shared-dir=", dir, false);
	if (r == 0)
		r = add_value(args, "--cache=", cache, false);
	if (r < 0)
		return r;
	add(args, "--sandbox=namespace");
	add(args, "--announce-submounts");
	add(args, "--xattr");
	add(args, "--log-level=warn");
	return 0;
}

int virtiofsd_args_init(struct virtiofsd_args *args, const char *program, const char *dir,
	const char *cache, struct err *err)
{
	const struct cache_mode *mode = find_cache(cache);
	bool qemus = virtiofsd_is_qemus(program);
	const char *word = !mode ? NULL : qemus ? mode->qemus : mode->rusts;
	int r;

	_Static_assert(VIRTIOFSD_LISTEN_FD == 3, "--fd= below");
	if (!word)
		return err_set(err, EINVAL,
			"hypervisor.qemu.virtio_fs_cache: %s does not know \"%s\"", program, cache);
	*args = (struct virtiofsd_args){0};
	add(args, program);
	r = qemus ? add_qemus(args, dir, word) : add_rusts(args, dir, word);
	if (r < 0) {
		virtiofsd_args_fini(args);
		return err_sys(err, -r, "virtiofsd");
	}
	return 0;
}

void virtiofsd_args_fini(struct virtiofsd_args *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(args->text); i++)
		free(args->text[i]);
	*args = (struct virtiofsd_args){0};
}
