/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/process.h"

#include <stdio.h>
#include <string.h>

#include "agent.pb-c.h"

/* What a process gets of which nothing but its arguments is said; users and namespaces are its
 * container's. */
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct {
	const char *name, *method;
} kinds[] = {
	[PROCESS_RUN] = {"run", "CreateContainer"},
	[PROCESS_EXEC] = {"exec", "ExecProcess"},
};

struct words_of {
	char **arguments; /* owned array; what it points to is borrowed */
	size_t n_arguments;
	char *const *program; /* borrowed */
	size_t n_program;
	bool says_terminal, terminal;
};

const struct method *process_method(enum process_kind kind)
{
	return method_find(kinds[kind].method);
}

/* NULL: it has none. */
static Grpc__Process *find_process(enum process_kind kind, const ProtobufCMessage *request)
{
	const Grpc__CreateContainerRequest *create = (const Grpc__CreateContainerRequest *)request;

	if (kind == PROCESS_EXEC)
		return ((const Grpc__ExecProcessRequest *)request)->process;
	return create->oci ? create->oci->process : NULL;
}

bool process_has_terminal(enum process_kind kind, const ProtobufCMessage *request)
{
	const Grpc__Process *process = find_process(kind, request);

	return process && process->terminal;
}

static int add_word(enum process_kind kind, char *word, struct words_of *w, struct err *err)
{
	static const char terminal[] = "terminal=";
	const char *value = word + strlen(terminal);

	if (strncmp(word, terminal, strlen(terminal)) != 0) {
		w->arguments[w->n_arguments++] = word;
		return 0;
	}
	w->says_terminal = true;
	w->terminal = strcmp(value, "true") == 0;
	if (!w->terminal && strcmp(value, "false") != 0)
		return err_set(
			err, EINVAL, "%s: %s: neither true nor false", kinds[kind].name, word);
	return 0;
}

static int split(
	enum process_kind kind, char *const *words, size_t n, struct words_of *w, struct err *err)
{
	size_t i = 0;

	w->arguments = calloc(n + 1, sizeof(*w->arguments));
	if (!w->arguments)
		return err_sys(err, ENOMEM, "%s", kinds[kind].name);
	for (; i < n && strcmp(words[i], "--") != 0; i++) {
		int r = add_word(kind, words[i], w, err);

		if (r < 0)
			return r;
	}
	if (i < n) {
		w->program = words + i + 1;
		w->n_program = n - i - 1;
	}
	return 0;
}

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

/* Frees what *list was. */
static int set_list(char ***list, size_t *n_list, char *const *words, size_t n)
{
	char **copy = calloc(n + 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(words[i]);
		if (!copy[i]) {
			free_list(copy, i);
			return -ENOMEM;
		}
	}
	free_list(*list, *n_list);
	*list = copy;
	*n_list = n;
	return 0;
}

static Grpc__User *new_user(void)
{
	Grpc__User *user = malloc(sizeof(*user));

	if (user)
		grpc__user__init(user);
	return user;
}

/* A process that exec is not given. */
static int make_process(Grpc__Process **ret)
{
	static char path[] = DEFAULT_PATH;
	auto_free char *term = NULL;
	char *env[] = {path, NULL};
	const char *name = getenv("TERM");
	Grpc__Process *process;
	int r;

	if (name && asprintf(&term, "TERM=%s", name) < 0) {
		term = NULL;
		return -ENOMEM;
	}
	env[1] = term;
	process = malloc(sizeof(*process));
	if (!process)
		return -ENOMEM;
	grpc__process__init(process);
	r = set_list(&process->env, &process->n_env, env, term ? 2 : 1);
	process->cwd = strdup("/");
	process->user = new_user();
	if (r < 0 || !process->cwd || !process->user) {
		grpc__process__free_unpacked(process, NULL);
		return -ENOMEM;
	}
	*ret = process;
	return 0;
}

static int settle_exec_id(Grpc__ExecProcessRequest *request)
{
	char id[REQUEST_ID_SIZE];
	int r;

	if (request->exec_id && *request->exec_id)
		return 0;
	r = request_make_id(id);
	if (r < 0)
		return r;
	free(request->exec_id);
	request->exec_id = strndup(id, 16);
	return request->exec_id ? 0 : -ENOMEM;
}

static int settle(enum process_kind kind, const struct words_of *w, ProtobufCMessage *request)
{
	Grpc__ExecProcessRequest *exec = (Grpc__ExecProcessRequest *)request;
	Grpc__Process *process;
	int r = kind == PROCESS_EXEC ? settle_exec_id(exec) : 0;

	if (r == 0 && kind == PROCESS_EXEC && !exec->process)
		r = make_process(&exec->process);
	process = find_process(kind, request);
	if (r < 0 || !process)
		return r;
	if (w->says_terminal) {
		process->has_terminal = 1;
		process->terminal = w->terminal;
	}
	return w->n_program ? set_list(&process->args, &process->n_args, w->program, w->n_program)
			    : 0;
}

static int check(enum process_kind kind, const ProtobufCMessage *request, struct err *err)
{
	const Grpc__Process *process = find_process(kind, request);

	if (!process)
		return err_set(err, EINVAL,
			"run: no process: bundle=DIR names a directory with a "
			"config.json that has one");
	if (process->n_args == 0)
		return err_set(
			err, EINVAL, "%s: no program: -- PROGRAM [ARGUMENT...]", kinds[kind].name);
	return 0;
}

int process_parse(enum process_kind kind, char *const *words, size_t n,
	struct request_defaults *defaults, ProtobufCMessage **ret, struct err *err)
{
	struct words_of w = {0};
	ProtobufCMessage *request = NULL;
	int r = split(kind, words, n, &w, err);

	if (r == 0)
		r = request_parse(
			process_method(kind), w.arguments, w.n_arguments, defaults, &request, err);
	if (r == 0) {
		r = settle(kind, &w, request);
		r = r < 0 ? err_sys(err, -r, "%s", kinds[kind].name) : check(kind, request, err);
	}
	free(w.arguments);
	if (r < 0) {
		if (request)
			protobuf_c_message_free_unpacked(request, NULL);
		return r;
	}
	*ret = request;
	return 0;
}
