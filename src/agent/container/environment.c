/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/environment.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/container/passwd.h"
#include "agent/container/report.h"
#include "base/buf.h"
#include "base/map.h"

static int put(struct environment *env, struct map *places, char *entry, const char *equals)
{
	auto_free char *name = strndup(entry, (size_t)(equals - entry));
	char **place;
	int r;

	if (!name)
		return -ENOMEM;
	place = map_find(places, name);
	if (place) {
		*place = entry;
		return 0;
	}
	r = map_add(places, name, &env->vars[env->n_vars]);
	if (r == 0)
		env->vars[env->n_vars++] = entry;
	return r;
}

int environment_build(
	char *const *entries, size_t n_entries, int report_fd, struct environment *ret)
{
	/* One more for HOME, one for the NULL. */
	struct environment env = {.vars = calloc(n_entries + 2, sizeof(char *))};
	struct map places = {.entries = NULL};
	int r = env.vars ? 0 : -ENOMEM;

	for (size_t i = 0; i < n_entries && r == 0; i++) {
		const char *equals = strchr(entries[i], '=');

		if (!equals || equals == entries[i])
			report_log(report_fd, LOG_WARN,
				"environment entry \"%.128s\" has no %s: skipped", entries[i],
				equals ? "name" : "\"=\"");
		else
			r = put(&env, &places, entries[i], equals);
	}
	map_fini(&places);
	if (r < 0) {
		environment_fini(&env);
		return r;
	}
	*ret = env;
	return 0;
}

void environment_fini(struct environment *env)
{
	own_free(&env->vars);
	own_free(&env->home_var);
	env->vars = NULL;
	env->home_var = NULL;
	env->n_vars = 0;
}

const char *environment_find(const struct environment *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->n_vars; i++)
		if (strncmp(env->vars[i], name, len) == 0 && env->vars[i][len] == '=')
			return env->vars[i] + len + 1;
	return NULL;
}

static int read_passwd(struct buf *b)
{
	enum { CHUNK = 4096 };
	auto_fd int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* A fifo would never answer, a device never end. */
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	do {
		uint8_t *to = buf_reserve(b, CHUNK);

		if (!to)
			return -ENOMEM;
		n = read(fd, to, CHUNK);
		if (n < 0)
			return -errno;
		buf_commit(b, (size_t)n);
	} while (n > 0 && buf_len(b) <= PASSWD_MAX);
	return n > 0 ? -EFBIG : 0;
}

int environment_add_home(struct environment *env, uint32_t uid)
{
	auto_buf struct buf passwd = BUF_INIT;
	auto_free char *home = NULL;
	int r;

	if (environment_find(env, "HOME"))
		return 0;
	r = read_passwd(&passwd);
	if (r == 0)
		r = passwd_find_home(buf_slice(&passwd), uid, &home);
	if (r == -ENOMEM)
		return r;
	if (asprintf(&env->home_var, "HOME=%s", home ? home : "/") < 0) {
		env->home_var = NULL;
		return -ENOMEM;
	}
	env->vars[env->n_vars++] = env->home_var;
	return 0;
}
