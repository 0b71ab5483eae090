/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into containerd and so into the shims it starts: holds a shim right after it has written
 * the span that a test waits for, so that the test can kill whatever it likes at that very step.
 *
 *	KIHON_FAULT=DIRECTORY
 *	DIRECTORY/step	what to wait for: "POD\nWHO\nWHAT\n"; absent: nothing
 *	DIRECTORY/hit	a fifo: the pid of the process that waits now is written to it
 *	DIRECTORY/go	a fifo: it goes on when this has been opened for writing
 *
 * Spans are the lines of KIHON_TIMELINE (docs/timeline.md).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool holds(const char *line, size_t len, const char *key, const char *value)
{
	char wanted[256];
	int n = snprintf(wanted, sizeof(wanted), "\"%s\":\"%s\"", key, value);

	return n > 0 && (size_t)n < sizeof(wanted) && memmem(line, len, wanted, (size_t)n);
}

static bool is_wanted(const char *directory, const char *line, size_t len)
{
	char path[256], pod[128] = "", who[64] = "", what[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/step", directory);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%127[^\n]\n%63[^\n]\n%63[^\n]", pod, who, what) != 3)
		what[0] = '\0';
	fclose(f);
	return what[0] && holds(line, len, "pod", pod) && holds(line, len, "who", who) &&
	       holds(line, len, "what", what);
}

/* Once per step: the file is gone when the shim goes on. Opening a fifo waits for its other end. */
static void stop(const char *directory)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/step", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/hit", directory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "%d\n", getpid()) < 0)
		abort();
	close(fd);
	snprintf(path, sizeof(path), "%s/go", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
}

__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t len)
{
	static ssize_t (*next)(int, const void *, size_t);
	const char *directory = getenv("KIHON_FAULT");
	ssize_t r;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "write");
	r = next(fd, data, len);
	if (directory && len > 8 && memcmp(data, "{\"pod\":\"", 8) == 0 &&
		is_wanted(directory, data, len))
		stop(directory);
	return r;
}
