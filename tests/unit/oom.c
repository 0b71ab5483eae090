/* SPDX-License-Identifier: Apache-2.0 */
#include "oom.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

static unsigned until_failure; /* 0: nothing fails */
static bool struck;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);

void oom_arm(unsigned n)
{
	until_failure = n;
	struck = false;
}

void oom_disarm(void)
{
	until_failure = 0;
}

bool oom_has_struck(void)
{
	return struck;
}

static bool fails(void)
{
	if (until_failure == 0 || --until_failure != 0)
		return false;
	struck = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

/* A failed asprintf leaves its pointer undefined: poisoned here, so that using it shows. */
static int print(char **ret, const char *fmt, va_list ap) printf_like(2, 0);
static int print(char **ret, const char *fmt, va_list ap)
{
	if (!fails())
		return vasprintf(ret, fmt, ap);
	*ret = (char *)(uintptr_t)1;
	return -1;
}

int __wrap_asprintf(char **ret, const char *fmt, ...) printf_like(2, 3);
int __wrap_asprintf(char **ret, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = print(ret, fmt, ap);
	va_end(ap);
	return n;
}

/* What _FORTIFY_SOURCE makes of it. */
int __wrap___asprintf_chk(char **ret, int flag, const char *fmt, ...) printf_like(3, 4);
int __wrap___asprintf_chk(char **ret, int flag, const char *fmt, ...)
{
	va_list ap;
	int n;

	(void)flag;
	va_start(ap, fmt);
	n = print(ret, fmt, ap);
	va_end(ap);
	return n;
}
