/* SPDX-License-Identifier: Apache-2.0 */
/* Each line is a command, or the beginning of one. A request that was made of one can be sent. */
#include <string.h>

#include "tools/agent_ctl/command.h"
#include "tools/agent_ctl/complete.h"
#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_line(const char *line, struct request_defaults *defaults)
{
	auto_buf struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct command command;
	int r;

	/* No files but the corpus. */
	if (strstr(line, "file:") || strcasestr(line, "bundle") || strcasestr(line, "spec"))
		return;
	r = command_parse(line, defaults, &command, &err);
	if ((r < 0) != err_is_set(&err))
		abort();
	if (r < 0)
		return;
	if ((command.kind == COMMAND_CALL || command.kind == COMMAND_RUN ||
		    command.kind == COMMAND_EXEC) != (command.request != NULL))
		abort();
	if (command.request && message_encode(command.request, &bytes) < 0)
		abort();
	command_fini(&command);
}

/* Each candidate begins with what was typed. */
static void complete(const char *line)
{
	struct completion completion;

	if (complete_line(line, &completion) < 0 || completion.len > strlen(line))
		abort();
	for (size_t i = 0; i < completion.n; i++)
		if (strncasecmp(completion.words[i], line + strlen(line) - completion.len,
			    completion.len) != 0)
			abort();
	if (completion.n && completion_common(&completion) < completion.len)
		abort();
	completion_fini(&completion);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request_defaults defaults = {0};
	char *text = strndup((const char *)data, size), *at = text;

	if (!text)
		abort();
	for (char *line; (line = strsep(&at, "\n"));) {
		complete(line);
		try_line(line, &defaults);
	}
	request_defaults_fini(&defaults);
	free(text);
	return 0;
}
