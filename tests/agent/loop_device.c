/* SPDX-License-Identifier: Apache-2.0 */
#include "loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

enum { FIRST = 1000, TESTS = 1000 };

static int control(unsigned long request, int number)
{
	auto_fd int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	return fd < 0 || ioctl(fd, request, number) < 0 ? -errno : 0;
}

void loop_device_init(struct loop_device *d, int nth)
{
	d->number = FIRST + (int)getpid() % TESTS * LOOP_DEVICES + nth;
	snprintf(d->node, sizeof(d->node), "/dev/loop%d", d->number);
}

bool loop_device_is_possible(void)
{
	struct loop_device d;
	int r;

	loop_device_init(&d, LOOP_DEVICES - 1);
	r = control(LOOP_CTL_ADD, d.number);
	if (r == 0 && access(d.node, F_OK) < 0)
		r = -ENOENT;
	if (r < 0)
		print_message("no loop devices: %s\n", strerror(-r));
	(void)!control(LOOP_CTL_REMOVE, d.number);
	return r == 0;
}

void loop_device_add(struct loop_device *d)
{
	assert_int_equal(control(LOOP_CTL_ADD, d->number), 0);
}

void loop_device_show(struct loop_device *d, const char *path)
{
	auto_fd int file = open(path, O_RDWR | O_CLOEXEC), fd = -1;

	loop_device_add(d);
	fd = open(d->node, O_RDWR | O_CLOEXEC);
	assert_true(file >= 0 && fd >= 0);
	assert_int_equal(ioctl(fd, LOOP_SET_FD, file), 0);
}

/* Who has just unmounted it may hold it for a moment. */
void loop_device_fini(struct loop_device *d)
{
	auto_fd int fd = open(d->node, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		(void)ioctl(fd, LOOP_CLR_FD, 0);
	close_fd(take_fd(&fd));
	for (int i = 0; i < 500 && control(LOOP_CTL_REMOVE, d->number) == -EBUSY; i++)
		usleep(10000);
}

void loop_device_make_ext4(const char *path, const char *directory)
{
	pid_t pid;
	int status, null;

	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, "", 0), 0);
	assert_int_equal(truncate(path, 4 << 20), 0);
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execl("/sbin/mke2fs", "mke2fs", "-F", "-q", "-t", "ext4", "-O", "^has_journal",
			"-d", directory, path, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}
