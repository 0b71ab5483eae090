/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a program: makes its n-th allocation or its n-th system call fail, once (fail.h).
 *
 * Left alone are the calls that do not fail for who uses them rightly (close, munmap, wait, kill,
 * ...), and those that libc makes within itself, as for opendir().
 */
#include "fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { N_FRAMES = 12 };

static struct fail_plan *plan;
static pid_t program;

__attribute__((constructor)) static void load(void)
{
	const char *path = getenv("KIHON_FAIL");
	void *frames[N_FRAMES], *p;
	int fd;

	backtrace(frames, N_FRAMES); /* the first one allocates */
	fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	program = getpid();
	plan = p;
}

/* Addresses in the program's file, as addr2line takes them. */
static void note(const char *name)
{
	void *frames[N_FRAMES];
	int n = backtrace(frames, N_FRAMES);
	size_t len = (size_t)snprintf(plan->where, sizeof(plan->where), "%s:", name);

	for (int i = 2; i < n && len < sizeof(plan->where); i++) {
		Dl_info info;

		if (dladdr(frames[i], &info) && info.dli_fname && info.dli_fname[0])
			len += (size_t)snprintf(plan->where + len, sizeof(plan->where) - len,
				" %#tx", (char *)frames[i] - (char *)info.dli_fbase - 1);
	}
}

static bool strikes(enum fail_kind kind, const char *name, int error)
{
	if (!plan || atomic_load(&plan->kind) != (int)kind || atomic_fetch_sub(&plan->left, 1) != 1)
		return false;
	note(name);
	atomic_store(&plan->struck, 1);
	errno = error;
	return true;
}

/* ---- Allocations; what libc allocates for strdup, asprintf and so on comes here too. ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

/* by 0 only looks. A child's copies are not the program's. */
static void *count(void *p, int by)
{
	if (p && plan && getpid() == program)
		atomic_fetch_add(&plan->live, by);
	return p;
}

EXPORT void *malloc(size_t size)
{
	return strikes(FAIL_ALLOCATION, "malloc", ENOMEM) ? NULL : count(__libc_malloc(size), 1);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return strikes(FAIL_ALLOCATION, "calloc", ENOMEM) ? NULL : count(__libc_calloc(n, size), 1);
}

EXPORT void *realloc(void *p, size_t size)
{
	if (strikes(FAIL_ALLOCATION, "realloc", ENOMEM))
		return NULL;
	return p ? __libc_realloc(p, size) : count(__libc_malloc(size), 1);
}

EXPORT void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

EXPORT void free(void *p)
{
	int saved = errno;

	count(p, -1);
	__libc_free(p);
	errno = saved;
}

/* ---- System calls ---- */

#define CALL(type, name, error, params, args)                      \
	EXPORT type name params                                    \
	{                                                          \
		static type(*next) params;                         \
                                                                   \
		if (strikes(FAIL_CALL, #name, error))              \
			return (type)-1;                           \
		if (!next)                                         \
			*(void **)&next = dlsym(RTLD_NEXT, #name); \
		return next args;                                  \
	}

CALL(int, accept4, EMFILE, (int fd, __SOCKADDR_ARG a, socklen_t *len, int flags),
	(fd, a, len, flags))
CALL(int, chdir, EIO, (const char *path), (path))
CALL(int, chmod, EIO, (const char *path, mode_t mode), (path, mode))
CALL(int, chown, EIO, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
CALL(int, chroot, EIO, (const char *path), (path))
CALL(int, bind, ENOMEM, (int fd, __CONST_SOCKADDR_ARG a, socklen_t len), (fd, a, len))
CALL(int, connect, ECONNREFUSED, (int fd, __CONST_SOCKADDR_ARG a, socklen_t len), (fd, a, len))
CALL(int, dup2, EBUSY, (int from, int to), (from, to))
CALL(int, dup3, EBUSY, (int from, int to, int flags), (from, to, flags))
CALL(int, epoll_create1, EMFILE, (int flags), (flags))
CALL(int, epoll_ctl, ENOMEM, (int epoll, int op, int fd, struct epoll_event *event),
	(epoll, op, fd, event))
CALL(int, eventfd, EMFILE, (unsigned int value, int flags), (value, flags))
CALL(int, execve, ENOMEM, (const char *path, char *const args[], char *const env[]),
	(path, args, env))
CALL(int, fchdir, EIO, (int fd), (fd))
CALL(int, fchmod, EIO, (int fd, mode_t mode), (fd, mode))
CALL(int, fchown, EIO, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
CALL(int, fchownat, EIO, (int fd, const char *path, uid_t uid, gid_t gid, int flags),
	(fd, path, uid, gid, flags))
CALL(int, flock, ENOLCK, (int fd, int operation), (fd, operation))
CALL(pid_t, fork, EAGAIN, (void), ())
CALL(int, fstat64, EIO, (int fd, struct stat64 *st), (fd, st))
CALL(int, fstatat64, EIO, (int fd, const char *path, struct stat64 *st, int flags),
	(fd, path, st, flags))
CALL(int, fstatfs64, EIO, (int fd, struct statfs64 *st), (fd, st))
CALL(int, listen, EADDRINUSE, (int fd, int backlog), (fd, backlog))
CALL(int, lstat64, EIO, (const char *path, struct stat64 *st), (path, st))
CALL(int, memfd_create, EMFILE, (const char *name, unsigned int flags), (name, flags))
CALL(int, mkdir, ENOSPC, (const char *path, mode_t mode), (path, mode))
CALL(int, mkdirat, ENOSPC, (int fd, const char *path, mode_t mode), (fd, path, mode))
CALL(int, mknodat, ENOSPC, (int fd, const char *path, mode_t mode, dev_t device),
	(fd, path, mode, device))
CALL(int, mount, ENOMEM,
	(const char *from, const char *to, const char *type, unsigned long flags, const void *data),
	(from, to, type, flags, data))
CALL(int, pipe2, EMFILE, (int fds[2], int flags), (fds, flags))
CALL(int, posix_openpt, ENOSPC, (int flags), (flags))
CALL(ssize_t, pread64, EIO, (int fd, void *data, size_t len, off64_t at), (fd, data, len, at))
CALL(ssize_t, read, EIO, (int fd, void *data, size_t len), (fd, data, len))
CALL(ssize_t, readlink, EIO, (const char *path, char *to, size_t size), (path, to, size))
CALL(ssize_t, recv, ECONNRESET, (int fd, void *data, size_t len, int flags), (fd, data, len, flags))
CALL(ssize_t, recvmsg, ENOMEM, (int fd, struct msghdr *m, int flags), (fd, m, flags))
CALL(int, renameat, ENOSPC, (int from_fd, const char *from, int to_fd, const char *to),
	(from_fd, from, to_fd, to))
CALL(int, renameat2, ENOSPC,
	(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags),
	(from_fd, from, to_fd, to, flags))
CALL(int, rmdir, EBUSY, (const char *path), (path))
CALL(ssize_t, send, ENOBUFS, (int fd, const void *data, size_t len, int flags),
	(fd, data, len, flags))
CALL(ssize_t, sendmsg, ENOBUFS, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
CALL(int, sethostname, EPERM, (const char *name, size_t len), (name, len))
CALL(int, setns, ENOMEM, (int fd, int type), (fd, type))
CALL(int, setrlimit64, EPERM, (__rlimit_resource_t which, const struct rlimit64 *limit),
	(which, limit))
CALL(pid_t, setsid, EPERM, (void), ())
CALL(int, signalfd, EMFILE, (int fd, const sigset_t *set, int flags), (fd, set, flags))
CALL(int, socket, EMFILE, (int domain, int type, int protocol), (domain, type, protocol))
CALL(int, socketpair, EMFILE, (int domain, int type, int protocol, int fds[2]),
	(domain, type, protocol, fds))
CALL(int, stat64, EIO, (const char *path, struct stat64 *st), (path, st))
CALL(int, statfs64, EIO, (const char *path, struct statfs64 *st), (path, st))
CALL(int, symlink, ENOSPC, (const char *to, const char *path), (to, path))
CALL(int, symlinkat, ENOSPC, (const char *to, int fd, const char *path), (to, fd, path))
CALL(int, umount2, EBUSY, (const char *path, int flags), (path, flags))
CALL(int, unlink, EIO, (const char *path), (path))
CALL(int, unlinkat, EBUSY, (int fd, const char *path, int flags), (fd, path, flags))
CALL(int, unshare, ENOMEM, (int flags), (flags))
CALL(ssize_t, write, EIO, (int fd, const void *data, size_t len), (fd, data, len))

EXPORT void *mmap64(void *at, size_t len, int protection, int flags, int fd, off64_t offset)
{
	static void *(*next)(void *, size_t, int, int, int, off64_t);

	if (strikes(FAIL_CALL, "mmap64", ENOMEM))
		return MAP_FAILED;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "mmap64");
	return next(at, len, protection, flags, fd, offset);
}

EXPORT int open64(const char *path, int flags, ...)
{
	static int (*next)(const char *, int, ...);
	va_list ap;
	mode_t mode;

	if (strikes(FAIL_CALL, "open64", EMFILE))
		return -1;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "open64");
	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return next(path, flags, mode);
}

EXPORT int openat64(int fd, const char *path, int flags, ...)
{
	static int (*next)(int, const char *, int, ...);
	va_list ap;
	mode_t mode;

	if (strikes(FAIL_CALL, "openat64", EMFILE))
		return -1;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "openat64");
	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return next(fd, path, flags, mode);
}

/* Those of three and six arguments that are declared with "...": all are passed on as long. */
#define VARIADIC(type, name, first, second, error)                 \
	EXPORT type name(first a, second b, ...)                   \
	{                                                          \
		static type (*next)(first, second, ...);           \
		va_list ap;                                        \
		long c;                                            \
                                                                   \
		if (strikes(FAIL_CALL, #name, error))              \
			return (type)-1;                           \
		if (!next)                                         \
			*(void **)&next = dlsym(RTLD_NEXT, #name); \
		va_start(ap, b);                                   \
		c = va_arg(ap, long);                              \
		va_end(ap);                                        \
		return next(a, b, c);                              \
	}
VARIADIC(int, fcntl64, int, int, EMFILE)
VARIADIC(int, ioctl, int, unsigned long, EIO)

/* For calls that libc does not know: mounts by descriptor, clone3, pidfds, openat2, seccomp, bpf. */
EXPORT long syscall(long number, ...)
{
	static long (*next)(long, ...);
	char name[32];
	va_list ap;
	long a[6];

	snprintf(name, sizeof(name), "syscall %ld", number);
	if (strikes(FAIL_CALL, name, number == SYS_clone3 ? EAGAIN : ENOMEM))
		return -1;
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
