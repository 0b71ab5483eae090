/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/syscall_filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"

int syscall_filter_read(int fd, struct syscall_filter *ret)
{
	off_t size = lseek(fd, 0, SEEK_END);
	auto_free struct sock_filter *insns = NULL;
	int r;

	if (size < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	if (size == 0 || size % (off_t)sizeof(*insns) ||
		size > BPF_MAXINSNS * (off_t)sizeof(*insns))
		return -EINVAL;
	insns = malloc((size_t)size);
	if (!insns)
		return -ENOMEM;
	r = io_read_full(fd, insns, (size_t)size);
	if (r < 0)
		return r;
	ret->n_insns = (size_t)size / sizeof(*insns);
	ret->insns = take_ptr(&insns);
	return 0;
}

int syscall_filter_load(const struct syscall_filter *filter)
{
	struct sock_fprog program = {
		.len = (unsigned short)filter->n_insns,
		.filter = filter->insns,
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program) < 0 ? -errno
											  : 0;
}

void syscall_filter_fini(struct syscall_filter *filter)
{
	own_free(&filter->insns);
	*filter = (struct syscall_filter){.insns = NULL};
}
