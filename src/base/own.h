/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ownership of locals: a variable marked auto_* releases what it holds when it leaves scope, and
 * take_* moves the value out of it so that it does not.
 *
 *	auto_fd int fd = open(...);
 *	auto_free char *copy = strdup(s);
 *	...
 *	*ret_fd = take_fd(&fd);
 *
 * Initialise where declared (fds to -1, pointers to NULL). Cleanup preserves errno. Never jump with
 * goto over such a declaration.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Closes fd if it is not negative. Never retried: on Linux EINTR has already freed the number. */
static inline void close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

static inline void own_close_fd(int *fd)
{
	close_fd(*fd);
}

/* The argument is the address of a pointer of any object type. */
static inline void own_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

#define auto_fd __attribute__((cleanup(own_close_fd)))
#define auto_free __attribute__((cleanup(own_free)))

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void *own_take(void *p)
{
	void *taken = *(void **)p;

	*(void **)p = NULL;
	return taken;
}
/* Moves the pointer out of *pp, keeping its type. */
#define take_ptr(pp) ((__typeof__(*(pp)))own_take(pp))
