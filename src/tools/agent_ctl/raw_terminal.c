/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/raw_terminal.h"

#include <errno.h>

int raw_terminal_enter(struct raw_terminal *terminal, int fd)
{
	struct termios raw;

	if (tcgetattr(fd, &terminal->before) < 0)
		return -errno;
	raw = terminal->before;
	cfmakeraw(&raw);
	/* What has been typed so far stays. */
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return -errno;
	terminal->fd = fd;
	terminal->is_raw = true;
	return 0;
}

void raw_terminal_leave(struct raw_terminal *terminal)
{
	if (terminal->is_raw)
		(void)tcsetattr(terminal->fd, TCSADRAIN, &terminal->before);
	terminal->is_raw = false;
}
