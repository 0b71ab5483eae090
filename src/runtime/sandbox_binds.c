/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories and files of the host that the configuration shows every guest (sandbox_bind_mounts),
 * read-only unless it says ":rw". The guest finds them below sandbox-mounts in its share; which
 * container mounts them from there is not our affair.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/sandbox_private.h"

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && strcmp(text + len - n, end) == 0;
}

/* The last component of path, which is absolute and does not end in '/'; NULL: it names nothing. */
static const char *name_in(const char *path)
{
	const char *name = strrchr(path, '/');

	if (path[0] != '/' || !name || !name[1] || strcmp(name, "/.") == 0 ||
		strcmp(name, "/..") == 0)
		return NULL;
	return name + 1;
}

static bool is_planned(const struct share_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_items; i++)
		if (strcmp(strrchr(plan->items[i].target, '/') + 1, name) == 0)
			return true;
	return false;
}

static int plan_one(struct sandbox *sb, const char *text, struct err *err)
{
	static char rbind[] = "rbind";
	static char *const options[] = {rbind};
	bool is_writable = ends_in(text, ":rw");
	char *path = strdup(text);
	auto_free char *place = NULL;
	const char *name;
	struct share_mount mount = {.purpose = SHARE_SANDBOX,
		.type = "bind",
		.source = path,
		.options = options,
		.n_options = 1,
		.is_readonly = !is_writable};
	int r;

	if (!path)
		return err_sys(err, ENOMEM, "plan sandbox_bind_mounts");
	sb->bind_sources[sb->binds.n_items] = path;
	if (is_writable || ends_in(path, ":ro"))
		path[strlen(path) - strlen(":ro")] = '\0';
	name = name_in(path);
	if (!name)
		return err_set(err, EINVAL,
			"runtime.sandbox_bind_mounts: \"%s\" is not the absolute path of a file or "
			"directory",
			text);
	if (is_planned(&sb->binds, name))
		return err_set(err, EEXIST, "runtime.sandbox_bind_mounts: two are called %s", name);
	r = asprintf(&place, "sandbox-mounts/%s", name);
	if (r < 0)
		place = NULL;
	r = r < 0 ? -ENOMEM : share_plan_add(&sb->binds, &mount, place);
	return r < 0 ? err_sys(err, -r, "plan sandbox_bind_mounts") : 0;
}

int sandbox_plan_binds(struct sandbox *sb, struct err *err)
{
	const struct config_strings *binds = &sb->config->runtime.sandbox_bind_mounts;
	int r = 0;

	if (binds->n == 0)
		return 0;
	sb->bind_sources = calloc(binds->n, sizeof(*sb->bind_sources));
	if (!sb->bind_sources)
		return err_sys(err, ENOMEM, "plan sandbox_bind_mounts");
	for (size_t i = 0; i < binds->n && r == 0; i++)
		r = plan_one(sb, binds->items[i], err);
	return r;
}

void sandbox_free_binds(struct sandbox *sb)
{
	for (size_t i = 0; sb->bind_sources && i < sb->config->runtime.sandbox_bind_mounts.n; i++)
		free(sb->bind_sources[i]);
	free(sb->bind_sources);
	share_plan_fini(&sb->binds);
}
