/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/cgroup_freezer.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "linux/cgroup_dir.h"

enum { FILE_MAX = 4096 };

static int find_freezer(const struct cgroup *c, bool *ret_unified)
{
	int fd = cgroup_fd_of_unified(c);

	*ret_unified = true;
	if (fd >= 0 && faccessat(fd, "cgroup.freeze", F_OK, 0) == 0)
		return fd;
	fd = cgroup_fd_of(c, CGROUP_FREEZER, ret_unified);
	return fd < 0 || *ret_unified ? -EOPNOTSUPP : fd;
}

static int read_state(int dir_fd, struct buf *b)
{
	buf_clear(b);
	return io_read_file(dir_fd, "freezer.state", FILE_MAX, b);
}

/* Nothing tells: v1's state changes to FROZEN when somebody looks. */
static int wait_v1(int dir_fd, int64_t deadline_ns)
{
	struct timespec pause = {.tv_nsec = NS_PER_MS / 4};
	auto_buf struct buf b = BUF_INIT;
	int r;

	while ((r = read_state(dir_fd, &b)) == 0 && strcmp(buf_str(&b), "FROZEN\n") != 0) {
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < 16 * NS_PER_MS)
			pause.tv_nsec *= 2;
	}
	return r;
}

int cgroup_freeze(const struct cgroup *c, int64_t deadline_ns)
{
	bool unified;
	int fd = find_freezer(c, &unified), r;

	if (fd < 0)
		return fd;
	r = unified ? io_write_file(fd, "cgroup.freeze", "1")
		    : io_write_file(fd, "freezer.state", "FROZEN");
	if (r < 0)
		return r;
	r = unified ? cgroup_dir_wait_flag(fd, "frozen", true, deadline_ns)
		    : wait_v1(fd, deadline_ns);
	if (r < 0)
		(void)!cgroup_thaw(c);
	return r;
}

int cgroup_thaw(const struct cgroup *c)
{
	bool unified;
	int fd = find_freezer(c, &unified);

	if (fd < 0)
		return fd;
	return unified ? io_write_file(fd, "cgroup.freeze", "0")
		       : io_write_file(fd, "freezer.state", "THAWED");
}

int cgroup_is_frozen(const struct cgroup *c, bool *ret)
{
	auto_buf struct buf b = BUF_INIT;
	bool unified;
	int fd = find_freezer(c, &unified), r;

	if (fd < 0)
		return fd;
	r = unified ? io_read_file(fd, "cgroup.freeze", FILE_MAX, &b) : read_state(fd, &b);
	if (r == 0)
		*ret = unified ? *buf_str(&b) == '1' : strcmp(buf_str(&b), "THAWED\n") != 0;
	return r;
}
