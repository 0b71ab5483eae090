/* SPDX-License-Identifier: Apache-2.0 */
/* Each line is a command. A request that was made of one can be sent. */
#include "tools/agent_ctl/command.h"
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
	if ((command.kind == COMMAND_CALL) != (command.request != NULL))
		abort();
	if (command.request && message_encode(command.request, &bytes) < 0)
		abort();
	command_fini(&command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request_defaults defaults = {0};
	char *text = strndup((const char *)data, size), *at = text;

	if (!text)
		abort();
	for (char *line; (line = strsep(&at, "\n"));)
		try_line(line, &defaults);
	request_defaults_fini(&defaults);
	free(text);
	return 0;
}
