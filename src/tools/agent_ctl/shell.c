/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/shell.h"

#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/agent_ctl/complete.h"

enum { HISTORY_LINES = 1000, COLUMN = 30 };

struct shell {
	struct session *session;
	struct request_defaults *defaults;
	bool quits, has_failed;
};

static void tell(struct shell *shell, const struct err *err)
{
	shell->has_failed = true;
	fflush(stdout);
	if (err_is_set(err))
		fprintf(stderr, "kata-agent-ctl: %s\n", err->msg);
}

static void run_line(struct shell *shell, const char *line)
{
	const char *text = line + strspn(line, " \t\n");
	struct err err = ERR_INIT;
	struct command command;

	if (!*text || *text == '#')
		return;
	if (command_parse(text, shell->defaults, &command, &err) < 0) {
		tell(shell, &err);
		return;
	}
	if (session_run(shell->session, &command, 1, &err) < 0)
		tell(shell, &err);
	shell->quits = command.kind == COMMAND_QUIT;
	command_fini(&command);
	fflush(stdout);
}

static void run_script(struct shell *shell)
{
	auto_free char *line = NULL;
	size_t size = 0;

	while (!shell->quits && getline(&line, &size, stdin) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		run_line(shell, line);
	}
}

static void print_candidates(const struct completion *completion)
{
	putchar('\n');
	for (size_t i = 0; i < completion->n; i++)
		printf("%-*s%s", COLUMN - 1, completion->words[i],
			i % 2 == 1 || i + 1 == completion->n ? "\n" : " ");
	fflush(stdout);
}

/* One candidate, or what all have in common, takes the place of what was typed; else they are listed. */
static unsigned char complete(EditLine *editor, const struct completion *completion)
{
	size_t common = completion_common(completion);
	auto_free char *text = NULL;

	if (completion->n == 0)
		return CC_ERROR;
	if (completion->n > 1 && common <= completion->len) {
		print_candidates(completion);
		return CC_REDISPLAY;
	}
	text = strndup(completion->words[0], common);
	if (!text)
		return CC_ERROR;
	el_deletestr(editor, (int)completion->len);
	return el_insertstr(editor, text) < 0 ? CC_ERROR : CC_REFRESH;
}

static unsigned char on_tab(EditLine *editor, int key)
{
	const LineInfo *line = el_line(editor);
	auto_free char *text = strndup(line->buffer, (size_t)(line->cursor - line->buffer));
	struct completion completion;
	unsigned char result;

	(void)key;
	if (!text || complete_line(text, &completion) < 0)
		return CC_ERROR;
	result = complete(editor, &completion);
	completion_fini(&completion);
	return result;
}

static char *prompt(EditLine *editor)
{
	static char text[] = "agent> ";

	(void)editor;
	return text;
}

/* The terminal sends no signals while a line is edited: ^C empties it. */
static EditLine *open_editor(History *history_of)
{
	EditLine *editor = el_init("kata-agent-ctl", stdin, stdout, stderr);

	if (!editor)
		return NULL;
	el_set(editor, EL_PROMPT, prompt);
	el_set(editor, EL_EDITOR, "emacs");
	el_set(editor, EL_HIST, history, history_of);
	el_set(editor, EL_SETTY, "-d", "-isig", NULL);
	el_set(editor, EL_BIND, "^C", "em-kill-line", NULL);
	el_set(editor, EL_ADDFN, "complete-command", "complete the word", on_tab);
	el_set(editor, EL_BIND, "^I", "complete-command", NULL);
	el_set(editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
	return editor;
}

static void edit_lines(struct shell *shell, EditLine *editor, History *history_of)
{
	HistEvent event;
	const char *line;
	int n;

	while (!shell->quits && (line = el_gets(editor, &n)) && n > 0) {
		auto_free char *text = strndup(line, strcspn(line, "\n"));

		if (!text)
			continue;
		if (*text)
			history(history_of, &event, H_ENTER, text);
		run_line(shell, text);
		/* Its size may have changed meanwhile. */
		el_resize(editor);
	}
	if (!shell->quits)
		putchar('\n');
}

static int run_on_terminal(struct shell *shell, struct err *err)
{
	History *history_of = history_init();
	EditLine *editor = history_of ? open_editor(history_of) : NULL;
	HistEvent event;

	if (!editor) {
		if (history_of)
			history_end(history_of);
		return err_sys(err, ENOMEM, "line editor");
	}
	history(history_of, &event, H_SETSIZE, HISTORY_LINES);
	history(history_of, &event, H_SETUNIQUE, 1);
	session_set_interruptible(shell->session);
	puts("\"help\" lists the commands, the tab key completes, \"quit\" ends.");
	edit_lines(shell, editor, history_of);
	el_end(editor);
	history_end(history_of);
	return 0;
}

int shell_run(struct session *session, struct request_defaults *defaults, struct err *err)
{
	struct shell shell = {.session = session, .defaults = defaults};

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		run_script(&shell);
		return shell.has_failed ? -ECANCELED : 0;
	}
	(void)setlocale(LC_CTYPE, "");
	return run_on_terminal(&shell, err);
}
