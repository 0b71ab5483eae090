/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/command.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "tools/agent_ctl/duration.h"
#include "tools/agent_ctl/words.h"

const struct builtin builtins[] = {
	{"echo", "TEXT", "print it", COMMAND_ECHO},
	{"exec", "[NAME=VALUE...] [-- PROGRAM [ARGUMENT...]]",
		"ExecProcess, with our standard input, output and error", COMMAND_EXEC},
	{"help", "[NAME]", "list, or what a command takes", COMMAND_LIST},
	{"list", "", "print this list", COMMAND_LIST},
	{"quit", "", "end here", COMMAND_QUIT},
	{"repeat", "N", "do the next command N times", COMMAND_REPEAT},
	{"run", "[NAME=VALUE...] [-- PROGRAM [ARGUMENT...]]",
		"a container from CreateContainer to RemoveContainer, likewise", COMMAND_RUN},
	{"sleep", "TIME", "wait: 10ms, 5s, a number of nanoseconds", COMMAND_SLEEP},
};
const size_t n_builtins = ARRAY_SIZE(builtins);

const struct builtin *builtin_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		if (strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

void command_print_list(void)
{
	puts("Built-in commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		printf("  %-8s %s\n", builtins[i].name, builtins[i].what);
	puts("\nAgent API commands:\n");
	for (size_t i = 0; i < n_methods; i++)
		printf("  %s\n", methods[i].name);
}

int command_parse_repeat(const char *text, unsigned *ret)
{
	size_t len = strlen(text);
	unsigned long n;

	if (len == 0 || len > 7 || strspn(text, "0123456789") != len)
		return -EINVAL;
	n = strtoul(text, NULL, 10);
	if (n < 1 || n > COMMAND_MAX_REPEAT)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

static int join(char *const *words, size_t n, char **ret, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = buf_printf(&text, "%s%s", i ? " " : "", words[i]);
	if (r == 0)
		*ret = buf_take_str(&text);
	return r == 0 && *ret ? 0 : err_sys(err, ENOMEM, "echo");
}

static int unknown(const char *name, struct err *err)
{
	return err_set(err, EINVAL, "unknown command \"%s\": \"list\" names all", name);
}

/* "help NAME" */
static int parse_help(const char *name, struct command *command, struct err *err)
{
	command->method = method_find(name);
	if (!command->method && !builtin_find(name))
		return unknown(name, err);
	command->kind = COMMAND_HELP;
	command->text = strdup(name);
	return command->text ? 0 : err_sys(err, ENOMEM, "help");
}

static int parse_process(char *const *words, size_t n, struct request_defaults *defaults,
	struct command *command, struct err *err)
{
	enum process_kind kind = command->kind == COMMAND_RUN ? PROCESS_RUN : PROCESS_EXEC;

	command->method = process_method(kind);
	return process_parse(kind, words + 1, n - 1, defaults, &command->request, err);
}

static int parse_builtin(char *const *words, size_t n, struct request_defaults *defaults,
	struct command *command, struct err *err)
{
	const char *argument = n > 1 ? words[1] : "";

	switch (command->kind) {
	case COMMAND_ECHO:
		return join(words + 1, n - 1, &command->text, err);
	case COMMAND_SLEEP:
		if (n != 2 || duration_parse(argument, &command->sleep_ns) < 0)
			return err_set(err, EINVAL, "sleep \"%s\": not a time", argument);
		return 0;
	case COMMAND_REPEAT:
		if (n != 2 || command_parse_repeat(argument, &command->n_times) < 0)
			return err_set(err, EINVAL, "repeat \"%s\": not a number from 1 to %d",
				argument, COMMAND_MAX_REPEAT);
		return 0;
	case COMMAND_RUN:
	case COMMAND_EXEC:
		return parse_process(words, n, defaults, command, err);
	case COMMAND_LIST:
		return n > 1 ? parse_help(argument, command, err) : 0;
	case COMMAND_HELP:
	case COMMAND_QUIT:
	case COMMAND_CALL:
	case COMMAND_COUNT:
		break;
	}
	return 0;
}

int command_parse_words(char *const *words, size_t n, struct request_defaults *defaults,
	struct command *ret, struct err *err)
{
	const struct builtin *builtin = builtin_find(words[0]);
	struct command command = {.kind = builtin ? builtin->kind : COMMAND_CALL};
	int r;

	if (builtin) {
		r = parse_builtin(words, n, defaults, &command, err);
	} else {
		command.method = method_find(words[0]);
		r = command.method ? request_parse(command.method, words + 1, n - 1, defaults,
					     &command.request, err)
				   : unknown(words[0], err);
	}
	if (r == 0)
		*ret = command;
	return r;
}

/* Whether the rest of a line is one argument, whatever it holds. */
static bool is_verbatim(const char *rest)
{
	return *rest == '{' || strncmp(rest, "json://", strlen("json://")) == 0 ||
	       strncmp(rest, "file://", strlen("file://")) == 0;
}

int command_parse(
	const char *line, struct request_defaults *defaults, struct command *ret, struct err *err)
{
	const char *name = line + strspn(line, " \t\n");
	const char *rest = name + strcspn(name, " \t\n");
	auto_words struct words words = {0};
	auto_free char *first = NULL, *copy = NULL;
	int r;

	if (!*name)
		return err_set(err, EINVAL, "an empty command");
	first = strndup(name, (size_t)(rest - name));
	copy = strdup(rest + strspn(rest, " \t\n"));
	if (!first || !copy)
		return err_sys(err, ENOMEM, "read \"%s\"", line);
	if (is_verbatim(copy))
		return command_parse_words((char *const[]){first, copy}, 2, defaults, ret, err);
	r = words_split(line, &words, err);
	return r < 0 ? r : command_parse_words(words.at, words.n, defaults, ret, err);
}

void command_fini(struct command *command)
{
	if (command->request)
		protobuf_c_message_free_unpacked(command->request, NULL);
	free(command->text);
	*command = (struct command){0};
}
