/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/procstat.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/io.h"

/* Fields of proc(5), counted from the one behind the name: 3 is the state. */
enum { FIELD_STATE = 3, FIELD_START_TIME = 22, FIELD_RSS = 24, FIELD_COUNT, STAT_MAX = 4096 };

/* Decimal digits with an optional sign; -EINVAL for anything else. */
static int parse_number(struct slice field, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	if (field.len > 0 && field.p[0] == '-')
		i = 1;
	if (i == field.len)
		return -EINVAL;
	for (; i < field.len; i++) {
		if (field.p[i] < '0' || field.p[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, (uint64_t)(field.p[i] - '0'), &n))
			return -EINVAL;
	}
	*ret = field.p[0] == '-' ? -n : n;
	return 0;
}

/* Cuts the next run without blanks from the front of rest. */
static struct slice next_field(struct slice *rest)
{
	size_t start = 0, end;

	while (start < rest->len && (rest->p[start] == ' ' || rest->p[start] == '\n'))
		start++;
	end = start;
	while (end < rest->len && rest->p[end] != ' ' && rest->p[end] != '\n')
		end++;
	if (end == 0)
		return slice_of(NULL, 0);

	struct slice field = slice_of(rest->p + start, end - start);

	*rest = slice_of(rest->p + end, rest->len - end);
	return field;
}

int procstat_parse(struct slice text, struct procstat *ret)
{
	uint64_t fields[FIELD_COUNT] = {0};
	struct slice rest, state;
	size_t i = text.len;

	/* The name ends at the last ')': every field behind it is a number or a letter. */
	while (i > 0 && text.p[i - 1] != ')')
		i--;
	if (i == 0)
		return -EINVAL;
	rest = slice_of(text.p + i, text.len - i);
	state = next_field(&rest);
	if (state.len != 1)
		return -EINVAL;
	for (int field = FIELD_STATE + 1; field <= FIELD_RSS; field++) {
		struct slice f = next_field(&rest);

		if (f.len == 0 && field > FIELD_START_TIME)
			break;
		if (parse_number(f, &fields[field]) < 0)
			return -EINVAL;
	}
	*ret = (struct procstat){
		.state = (char)state.p[0],
		.ppid = (pid_t)fields[4],
		.utime = fields[14],
		.stime = fields[15],
		.cutime = fields[16],
		.cstime = fields[17],
		.n_threads = fields[20],
		.start_time = fields[FIELD_START_TIME],
		.vsize = fields[23],
		.rss_pages = fields[FIELD_RSS],
	};
	return 0;
}

int procstat_read(pid_t pid, struct procstat *ret)
{
	auto_buf struct buf text = BUF_INIT;
	char path[sizeof("/proc/2147483647/stat")];
	int r;

	if (pid <= 0)
		return -ESRCH;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = io_read_file(AT_FDCWD, path, STAT_MAX, &text);
	if (r == -ENOENT)
		return -ESRCH;
	if (r < 0)
		return r;
	return procstat_parse(buf_slice(&text), ret);
}

int procstat_open(pid_t pid, uint64_t start_time)
{
	struct procstat stat;
	auto_fd int fd = -1;
	int r;

	if (pid <= 0)
		return -ESRCH;
	/* First the pidfd, then the check: the other way round the pid could change owner between.
	 */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -errno;
	r = procstat_read(pid, &stat);
	if (r < 0)
		return r;
	if (stat.start_time != start_time)
		return -ESRCH;
	return take_fd(&fd);
}
