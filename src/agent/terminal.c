/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/io.h"

/* The slave's number may be another file's by the time it is opened by name: TIOCGPTPEER is not
 * fooled (Linux 4.13). */
int terminal_open(int *ret_master, int *ret_slave)
{
	auto_fd int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;
	int r;

	if (master < 0 || unlockpt(master) < 0)
		return -errno;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	r = io_set_nonblock(master, true);
	if (r < 0)
		return r;
	*ret_master = take_fd(&master);
	*ret_slave = take_fd(&slave);
	return 0;
}
