/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/state.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/path.h"
#include "text/json.h"

static int paths_add(struct state_paths *paths, const char *path)
{
	char **items;

	if (paths->n == STATE_MAX_PATHS)
		return -E2BIG;
	items = reallocarray(paths->items, paths->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	paths->items = items;
	items[paths->n] = strdup(path);
	if (!items[paths->n])
		return -ENOMEM;
	paths->n++;
	return 0;
}

static void paths_drop_last(struct state_paths *paths)
{
	free(paths->items[--paths->n]);
}

static void paths_fini(struct state_paths *paths)
{
	while (paths->n > 0)
		paths_drop_last(paths);
	free(paths->items);
}

void state_free(struct state *state)
{
	if (!state)
		return;
	paths_fini(&state->mounts);
	paths_fini(&state->files);
	state_network_fini(&state->network);
	free(state->file);
	free(state->id);
	free(state->owner);
	free(state);
}

static void own_state_free(struct state **state)
{
	state_free(*state);
}
#define auto_state __attribute__((cleanup(own_state_free)))

int state_new(const char *run_dir, const char *id, const char *owner, struct state **ret)
{
	auto_state struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	if (asprintf(&state->file, "%s/state.json", run_dir) < 0) {
		state->file = NULL;
		return -ENOMEM;
	}
	state->id = strdup(id);
	state->owner = strdup(owner);
	if (!state->id || !state->owner)
		return -ENOMEM;
	*ret = take_ptr(&state);
	return 0;
}

static void put_paths(struct json_writer *w, const char *key, const struct state_paths *paths)
{
	json_begin_array(w, key);
	for (size_t i = 0; i < paths->n; i++)
		json_put_string(w, NULL, paths->items[i]);
	json_end_array(w);
}

int state_save(const struct state *state)
{
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = {.out = &b};
	int r;

	json_begin_object(&w, NULL);
	json_put_u64(&w, "version", STATE_VERSION);
	json_put_string(&w, "id", state->id);
	json_put_string(&w, "owner", state->owner);
	json_put_bool(&w, "keep_abnormal", state->keep_abnormal);
	json_begin_array(&w, "processes");
	for (size_t i = 0; i < state->n_processes; i++) {
		json_begin_object(&w, NULL);
		json_put_string(&w, "role", state->processes[i].role);
		json_put_i64(&w, "pid", state->processes[i].pid);
		json_put_u64(&w, "start_time", state->processes[i].start_time);
		json_end_object(&w);
	}
	json_end_array(&w);
	put_paths(&w, "mounts", &state->mounts);
	put_paths(&w, "files", &state->files);
	state_network_put(&state->network, &w);
	json_end_object(&w);
	r = json_finish(&w);
	if (r < 0)
		return r;
	return io_replace_file(AT_FDCWD, state->file, 0600, b.data + b.start, buf_len(&b));
}

int state_note_process(struct state *state, const char *role, pid_t pid, uint64_t start_time)
{
	struct state_process *p = &state->processes[state->n_processes];
	int r;

	if (state->n_processes == STATE_MAX_PROCESSES)
		return -E2BIG;
	if (strlen(role) >= sizeof(p->role) || pid <= 0)
		return -EINVAL;
	snprintf(p->role, sizeof(p->role), "%s", role);
	p->pid = pid;
	p->start_time = start_time;
	state->n_processes++;
	r = state_save(state);
	if (r < 0)
		state->n_processes--;
	return r;
}

int state_forget_process(struct state *state, pid_t pid, uint64_t start_time)
{
	for (size_t i = 0; i < state->n_processes; i++) {
		struct state_process *p = &state->processes[i];

		if (p->pid != pid || p->start_time != start_time)
			continue;
		memmove(p, p + 1, (state->n_processes - i - 1) * sizeof(*p));
		state->n_processes--;
		return state_save(state);
	}
	return 0;
}

static int note_path(struct state *state, struct state_paths *paths, const char *path)
{
	int r = paths_add(paths, path);

	if (r < 0)
		return r;
	r = state_save(state);
	if (r < 0)
		paths_drop_last(paths);
	return r;
}

int state_note_mount(struct state *state, const char *path)
{
	return note_path(state, &state->mounts, path);
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

int state_forget_mounts(struct state *state, const char *dir)
{
	struct state_paths *mounts = &state->mounts;
	size_t n = 0;

	for (size_t i = 0; i < mounts->n; i++) {
		if (is_below(mounts->items[i], dir))
			free(mounts->items[i]);
		else
			mounts->items[n++] = mounts->items[i];
	}
	mounts->n = n;
	return state_save(state);
}

int state_note_file(struct state *state, const char *path)
{
	return note_path(state, &state->files, path);
}

int state_note_network(struct state *state, const struct state_network *network)
{
	int r;

	state->network = *network;
	state->network.netns = strdup(network->netns);
	r = state->network.netns ? state_save(state) : -ENOMEM;
	if (r < 0)
		state_network_fini(&state->network);
	return r;
}

/* Absolute, and every component a real name. */
static bool is_plain_path(const char *path)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return false;
	for (const char *p = path; *p;) {
		size_t len = strcspn(++p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && memcmp(p, "..", 2) == 0))
			return false;
		p += len;
	}
	return true;
}

static int parse_process(const struct value *v, struct state *state, struct err *err)
{
	struct state_process *p = &state->processes[state->n_processes];
	const struct value *role, *pid, *start_time;
	const char *text;
	uint64_t number;

	if (state->n_processes == STATE_MAX_PROCESSES)
		return value_error(v, err, "more than %d processes", STATE_MAX_PROCESSES);
	role = value_need(v, "role", err);
	pid = role ? value_need(v, "pid", err) : NULL;
	start_time = pid ? value_need(v, "start_time", err) : NULL;
	if (!start_time || value_get_string(role, &text, err) < 0)
		return -EINVAL;
	if (strlen(text) >= sizeof(p->role))
		return value_error(role, err, "too long");
	/* Never 1: whatever a file says, it does not make us kill init. */
	if (value_get_u64(pid, 2, INT_MAX, &number, err) < 0 ||
		value_get_u64(start_time, 0, UINT64_MAX, &p->start_time, err) < 0)
		return -EINVAL;
	p->pid = (pid_t)number;
	snprintf(p->role, sizeof(p->role), "%s", text);
	state->n_processes++;
	return 0;
}

static int parse_paths(
	const struct value *root, const char *key, struct state_paths *paths, struct err *err)
{
	const struct value *list = value_need(root, key, err);
	int r;

	if (!list || value_check_type(list, VALUE_ARRAY, err) < 0)
		return -EINVAL;
	VALUE_FOREACH(v, list)
	{
		const char *path;

		if (value_get_string(v, &path, err) < 0)
			return -EINVAL;
		if (!is_plain_path(path))
			return value_error(v, err, "not a plain absolute path");
		r = paths_add(paths, path);
		if (r == -E2BIG)
			return value_error(list, err, "more than %d paths", STATE_MAX_PATHS);
		if (r < 0)
			return err_sys(err, -r, "read the state");
	}
	return 0;
}

static int parse_head(const struct value *root, struct state *state, struct err *err)
{
	const struct value *version = value_need(root, "version", err), *id, *owner, *keep;
	const char *id_text, *owner_text;
	uint64_t number;

	if (!version || value_get_u64(version, STATE_VERSION, STATE_VERSION, &number, err) < 0)
		return -EINVAL;
	id = value_need(root, "id", err);
	owner = id ? value_need(root, "owner", err) : NULL;
	keep = owner ? value_need(root, "keep_abnormal", err) : NULL;
	if (!keep || value_get_string(id, &id_text, err) < 0 ||
		value_get_string(owner, &owner_text, err) < 0 ||
		value_get_bool(keep, &state->keep_abnormal, err) < 0)
		return -EINVAL;
	if (!path_is_valid_id(id_text))
		return value_error(id, err, "not a valid id");
	state->id = strdup(id_text);
	state->owner = strdup(owner_text);
	return state->id && state->owner ? 0 : err_sys(err, ENOMEM, "read the state");
}

int state_parse(struct slice text, struct state **ret, struct err *err)
{
	auto_document struct document *doc = NULL;
	auto_state struct state *state = calloc(1, sizeof(*state));
	const struct value *root, *processes;
	int r;

	if (!state)
		return err_sys(err, ENOMEM, "read the state");
	r = json_parse("state.json", text, STATE_MAX_SIZE, &doc, err);
	if (r < 0)
		return r;
	root = document_root(doc);
	r = value_check_type(root, VALUE_TABLE, err);
	if (r == 0)
		r = parse_head(root, state, err);
	if (r < 0)
		return r;
	processes = value_need(root, "processes", err);
	if (!processes || value_check_type(processes, VALUE_ARRAY, err) < 0)
		return -EINVAL;
	VALUE_FOREACH(v, processes)
	{
		r = parse_process(v, state, err);
		if (r < 0)
			return r;
	}
	r = parse_paths(root, "mounts", &state->mounts, err);
	if (r == 0)
		r = parse_paths(root, "files", &state->files, err);
	if (r == 0)
		r = state_network_parse(value_find(root, "network"), &state->network, err);
	if (r == 0)
		*ret = take_ptr(&state);
	return r;
}

int state_load(const char *run_dir, struct state **ret, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	auto_free char *file = NULL;
	int r;

	if (asprintf(&file, "%s/state.json", run_dir) < 0) {
		file = NULL;
		return err_sys(err, ENOMEM, "read the state");
	}
	r = io_read_file(AT_FDCWD, file, STATE_MAX_SIZE, &b);
	if (r < 0)
		return err_sys(err, -r, "read %s", file);
	return state_parse(buf_slice(&b), ret, err);
}
