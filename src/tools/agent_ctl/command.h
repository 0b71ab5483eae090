/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What one --cmd, or the words of the command line, ask for: a call, or something about the run. */
#include "tools/agent_ctl/process.h"

enum command_kind {
	COMMAND_CALL,
	COMMAND_ECHO,	/* "echo TEXT" */
	COMMAND_SLEEP,	/* "sleep 10ms" */
	COMMAND_REPEAT, /* "repeat N": the next command N times */
	COMMAND_LIST,	/* "list", "help" */
	COMMAND_HELP,	/* "help NAME" */
	COMMAND_RUN,	/* "run ...": process.h */
	COMMAND_EXEC,	/* "exec ..." */
	COMMAND_QUIT,	/* "quit": what follows is not run */
	COMMAND_COUNT,
};

enum { COMMAND_MAX_REPEAT = 1000000 };

struct command {
	enum command_kind kind;
	const struct method *method; /* of a call, run, exec; of help, or NULL */
	ProtobufCMessage *request;   /* owned; of a call, run, exec */
	char *text;		     /* owned; of echo; of help: the name */
	int64_t sleep_ns;
	unsigned n_times; /* of repeat */
};

/*
 * From one line: blanks part its words (words.h), but JSON and file:// behind the first word reach
 * to the end of the line as they are.
 */
int command_parse(const char *line, struct request_defaults *defaults, struct command *ret,
	struct err *err) must_check;
/* From words. n >= 1. */
int command_parse_words(char *const *words, size_t n, struct request_defaults *defaults,
	struct command *ret, struct err *err) must_check;
/* 1 to COMMAND_MAX_REPEAT, or -EINVAL. */
int command_parse_repeat(const char *text, unsigned *ret) must_check;
/* A zeroed one is fine. */
void command_fini(struct command *command);

/* "list": every name, one per line. */
void command_print_list(void);

struct builtin {
	const char *name, *arguments, *what;
	enum command_kind kind;
};
extern const struct builtin builtins[];
extern const size_t n_builtins;
/* NULL: there is none. */
const struct builtin *builtin_find(const char *name);
