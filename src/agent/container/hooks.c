/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/hooks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/container/hook.h"
#include "base/clock.h"
#include "text/json.h"
#include "wire/status.h"

/* What the reference agent gives a hook that names no time-out; a hook that hangs must not hold a
 * removal for ever. */
#define DEFAULT_TIMEOUT_S 10
/* Far above any; keeps nanoseconds in their 64 bits. */
#define MAX_TIMEOUT_S (366LL * 24 * 3600)

static const struct {
	char name[16], status[10];
	bool in_bundle, in_guest_dir, keeps_going;
} kinds[] = {
	[HOOKS_PRESTART] = {"prestart", "creating", true, true, false},
	[HOOKS_CREATE_RUNTIME] = {"createRuntime", "creating", true, false, false},
	[HOOKS_CREATE_CONTAINER] = {"createContainer", "creating", true, false, false},
	[HOOKS_START_CONTAINER] = {"startContainer", "created", false, false, false},
	[HOOKS_POSTSTART] = {"poststart", "running", true, true, true},
	[HOOKS_POSTSTOP] = {"poststop", "stopped", false, true, true},
};
static_assert(ARRAY_SIZE(kinds) == HOOKS_COUNT, "one line for each kind");

struct list {
	Grpc__Hook *const *hooks; /* borrowed */
	size_t n;
};

static struct list list_of(const Grpc__Hooks *h, enum hooks_kind kind)
{
	if (!h)
		return (struct list){NULL, 0};
	switch (kind) {
	case HOOKS_PRESTART:
		return (struct list){h->prestart, h->n_prestart};
	case HOOKS_CREATE_RUNTIME:
		return (struct list){h->createruntime, h->n_createruntime};
	case HOOKS_CREATE_CONTAINER:
		return (struct list){h->createcontainer, h->n_createcontainer};
	case HOOKS_START_CONTAINER:
		return (struct list){h->startcontainer, h->n_startcontainer};
	case HOOKS_POSTSTART:
		return (struct list){h->poststart, h->n_poststart};
	case HOOKS_POSTSTOP:
		return (struct list){h->poststop, h->n_poststop};
	case HOOKS_COUNT:
		break;
	}
	return (struct list){NULL, 0};
}

int hooks_check(const Grpc__Hooks *hooks, struct err *err)
{
	for (int kind = 0; kind < HOOKS_COUNT; kind++) {
		struct list list = list_of(hooks, (enum hooks_kind)kind);

		for (size_t i = 0; i < list.n; i++) {
			const Grpc__Hook *h = list.hooks[i];
			const char *path = h->path ? h->path : "";

			if (*path != '/')
				return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
					"the path of a %s hook, \"%.256s\", is not absolute",
					kinds[kind].name, path);
			if (h->timeout < 0 || h->timeout > MAX_TIMEOUT_S)
				return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
					"the time-out of %s hook %.256s, %lld s, is out of range",
					kinds[kind].name, path, (long long)h->timeout);
		}
	}
	return 0;
}

bool hooks_any(const struct hooks *hooks, enum hooks_kind kind)
{
	return list_of(hooks->spec->hooks, kind).n > 0 ||
	       (hooks->guest_dir && kinds[kind].in_guest_dir);
}

int hooks_format_state(const struct hooks *hooks, enum hooks_kind kind, pid_t pid, struct buf *ret)
{
	const Grpc__Spec *spec = hooks->spec;
	struct json_writer w = {.out = ret};
	const char *version = spec->ociversion;

	json_begin_object(&w, NULL);
	json_put_string(&w, "ociVersion", version && *version ? version : "1.0.2");
	json_put_string(&w, "id", hooks->container_id);
	json_put_string(&w, "status", kinds[kind].status);
	if (pid > 0)
		json_put_i64(&w, "pid", pid);
	json_put_string(&w, "bundle", hooks->bundle ? hooks->bundle : "");
	json_begin_object(&w, "annotations");
	for (size_t i = 0; i < spec->n_annotations; i++) {
		const char *key = spec->annotations[i]->key, *value = spec->annotations[i]->value;

		json_put_string(&w, key ? key : "", value ? value : "");
	}
	json_end_object(&w);
	json_end_object(&w);
	return json_finish(&w);
}

static void log_failure(const struct hooks *hooks, enum hooks_kind kind, const struct err *err)
{
	char text[ERR_MSG_SIZE + 192];

	snprintf(text, sizeof(text), "container %s: %s hook %s", hooks->container_id,
		kinds[kind].name, err->msg);
	hooks->log(hooks->data, text);
}

static void log_output(
	const struct hooks *hooks, enum hooks_kind kind, const char *path, const char *said)
{
	for (size_t len; *said; said += len + (said[len] == '\n')) {
		char text[768];

		len = strcspn(said, "\n");
		snprintf(text, sizeof(text), "container %s: %s hook %.200s: %.*s",
			hooks->container_id, kinds[kind].name, path, (int)(len < 400 ? len : 400),
			said);
		if (len > 0)
			hooks->log(hooks->data, text);
	}
}

static int run_one(const struct hooks *hooks, enum hooks_kind kind, struct hook *hook,
	struct slice state, struct err *err)
{
	auto_buf struct buf output = BUF_INIT;
	struct err failure = ERR_INIT;
	int r;

	hook->cwd = kinds[kind].in_bundle && hooks->bundle ? hooks->bundle : "/";
	hook->input = state;
	r = hook_run(hook, &output, &failure);
	log_output(hooks, kind, hook->path, buf_str(&output));
	if (r == 0)
		return 0;
	if (kinds[kind].keeps_going) {
		log_failure(hooks, kind, &failure);
		return 0;
	}
	err_copy(err, &failure);
	return err_wrap(err, "%s hook", kinds[kind].name);
}

static int run_listed(
	const struct hooks *hooks, enum hooks_kind kind, struct slice state, struct err *err)
{
	struct list list = list_of(hooks->spec->hooks, kind);
	int r = 0;

	for (size_t i = 0; i < list.n && r == 0; i++) {
		const Grpc__Hook *h = list.hooks[i];
		struct hook hook = {
			.path = h->path,
			.args = h->args,
			.n_args = h->n_args,
			.env = h->env,
			.n_env = h->n_env,
			.timeout_ns = (h->timeout > 0 ? h->timeout : DEFAULT_TIMEOUT_S) * NS_PER_S,
		};

		r = run_one(hooks, kind, &hook, state, err);
	}
	return r;
}

static bool is_program(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & 0111);
}

static int run_file(const struct hooks *hooks, enum hooks_kind kind, const char *name,
	struct slice state, struct err *err)
{
	union {
		const char *in;
		char *out;
	} file = {.in = name}, type = {.in = kinds[kind].name};
	char *const args[] = {file.out, type.out};
	auto_free char *path = NULL;
	struct hook hook = {.args = args, .n_args = 2, .timeout_ns = DEFAULT_TIMEOUT_S * NS_PER_S};

	if (asprintf(&path, "%s/%s/%s", hooks->guest_dir, kinds[kind].name, name) < 0) {
		path = NULL;
		return err_sys(err, ENOMEM, "%s hooks", kinds[kind].name);
	}
	hook.path = path;
	return run_one(hooks, kind, &hook, state, err);
}

/* The image's; that it has none is usual. By name, so that their order is known. */
static int run_guests(
	const struct hooks *hooks, enum hooks_kind kind, struct slice state, struct err *err)
{
	auto_free char *dir = NULL;
	struct dirent **entries;
	int n, r = 0;

	if (!hooks->guest_dir || !kinds[kind].in_guest_dir)
		return 0;
	if (asprintf(&dir, "%s/%s", hooks->guest_dir, kinds[kind].name) < 0) {
		dir = NULL;
		return err_sys(err, ENOMEM, "%s hooks", kinds[kind].name);
	}
	n = scandir(dir, &entries, NULL, alphasort);
	if (n < 0) {
		struct err failure = ERR_INIT;

		if (errno == ENOMEM)
			return err_sys(err, ENOMEM, "%s hooks", kinds[kind].name);
		if (errno == ENOENT)
			return 0;
		err_sys(&failure, errno, "directory %s", dir);
		log_failure(hooks, kind, &failure);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		auto_fd int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (r == 0 && is_program(dir_fd, entries[i]->d_name))
			r = run_file(hooks, kind, entries[i]->d_name, state, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int hooks_run(const struct hooks *hooks, enum hooks_kind kind, pid_t pid, struct err *err)
{
	auto_buf struct buf state = BUF_INIT;
	int r;

	if (!hooks_any(hooks, kind))
		return 0;
	r = hooks_format_state(hooks, kind, pid, &state);
	if (r < 0)
		return err_sys(err, -r, "%s hooks: the state of the container", kinds[kind].name);
	r = run_listed(hooks, kind, buf_slice(&state), err);
	return r < 0 ? r : run_guests(hooks, kind, buf_slice(&state), err);
}
