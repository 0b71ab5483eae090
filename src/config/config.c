/* SPDX-License-Identifier: Apache-2.0 */
/* Where the configuration is found, and its files. */
#include "config/config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "config/layers.h"
#include "text/toml.h"

/* Upstream's longest file has 40 kB; kata-deploy writes six drop-ins. */
enum { MAX_SIZE = 1 << 20, MAX_DROP_INS = 64 };

#define TWO_IN(dir) dir "/runtime-rs/configuration.toml", dir "/configuration.toml"

static const char *const search_paths[] = {
	TWO_IN("/etc/kata-containers"),
	TWO_IN(KIHON_PREFIX "/share/defaults/kata-containers"),
	TWO_IN("/usr/share/defaults/kata-containers"),
	TWO_IN("/opt/kata/share/defaults/kata-containers"),
	NULL,
};

const char *const *config_search_paths(void)
{
	return search_paths;
}

struct files {
	struct document *docs[1 + MAX_DROP_INS]; /* owned */
	size_t n;
};

static void files_fini(struct files *f)
{
	for (size_t i = 0; i < f->n; i++)
		document_free(f->docs[i]);
}

static int read_file(
	struct files *f, int dir_fd, const char *name, const char *path, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int e = io_read_file(dir_fd, name, MAX_SIZE, &text);

	if (e < 0)
		return err_sys(err, -e, "read %s", path);
	e = toml_parse(path, buf_slice(&text), MAX_SIZE, &f->docs[f->n], err);
	f->n += e == 0;
	return e;
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_drop_in(
	struct files *f, int dir_fd, const char *dir, const char *name, struct err *err)
{
	auto_free char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return err_sys(err, ENOMEM, "read %s", dir);
	}
	if (fstatat(dir_fd, name, &st, 0) < 0)
		return err_sys(err, errno, "read %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: not a regular file", path);
	if (f->n == ARRAY_SIZE(f->docs))
		return err_set(err, E2BIG, "%s: more than %d files", dir, MAX_DROP_INS);
	return read_file(f, dir_fd, name, path, err);
}

/* Of the directory config.d beside the file, if there is one. */
static int read_drop_ins(struct files *f, const char *file, struct err *err)
{
	size_t dir_len = (size_t)(strrchr(file, '/') - file);
	auto_free char *dir = NULL;
	auto_fd int dir_fd = -1;
	struct dirent **names;
	int n, e = 0;

	if (asprintf(&dir, "%.*s/config.d", (int)dir_len, file) < 0) {
		dir = NULL;
		return err_sys(err, ENOMEM, "read %s", file);
	}
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "read %s", dir);
	n = scandirat(dir_fd, ".", &names, is_entry, compare_names);
	if (n < 0)
		return err_sys(err, errno, "read %s", dir);
	for (int i = 0; i < n; i++) {
		if (e == 0)
			e = read_drop_in(f, dir_fd, dir, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	return e;
}

static int load_file(const char *path, struct config **ret, struct err *err)
{
	auto_free char *resolved = realpath(path, NULL);
	struct files files = {.n = 0};
	int e;

	if (!resolved)
		return err_sys(err, errno, "read %s", path);
	e = read_file(&files, AT_FDCWD, resolved, resolved, err);
	if (e == 0)
		e = read_drop_ins(&files, resolved, err);
	if (e == 0)
		e = config_from_layers(resolved,
			&(struct config_layers){.docs = files.docs, .n = files.n}, ret, err);
	files_fini(&files);
	return e;
}

static int fail_not_found(struct err *err)
{
	auto_buf struct buf list = BUF_INIT;

	for (const char *const *path = search_paths; *path; path++)
		if (buf_printf(&list, "%s %s", buf_len(&list) ? "," : "", *path) < 0)
			return err_sys(err, ENOMEM, "look for configuration.toml");
	return err_set(err, ENOENT, "no configuration found; looked for%s", buf_str(&list));
}

int config_load(const char *options_path, struct config **ret, struct err *err)
{
	const char *named = getenv("KATA_CONF_FILE");
	int e;

	if (named && *named) {
		e = load_file(named, ret, err);
		return e < 0 ? err_wrap(err, "KATA_CONF_FILE"), e : 0;
	}
	if (options_path && *options_path)
		return load_file(options_path, ret, err);
	for (const char *const *path = search_paths; *path; path++)
		if (access(*path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
			return load_file(*path, ret, err);
	return fail_not_found(err);
}

int config_parse(
	const char *file, const char *text, size_t len, struct config **ret, struct err *err)
{
	struct document *doc = NULL;
	int e = toml_parse(file, slice_of(text, len), MAX_SIZE, &doc, err);

	if (e == 0)
		e = config_from_layers(
			file, &(struct config_layers){.docs = &doc, .n = 1}, ret, err);
	document_free(doc);
	return e;
}
