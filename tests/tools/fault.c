/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into containerd and so into the shims it starts: holds a shim right after it has written
 * the span that a test waits for, so that the test can kill whatever it likes at that very step.
 *
 *	KIHON_FAULT=DIRECTORY
 *	DIRECTORY/POD/step	what to wait for in this pod: "WHO\nWHAT\n", and "ID\n" if it has to be
 *				that container's or process's; absent: nothing
 *	DIRECTORY/POD/hit	a fifo: the pid of the process that waits now is written to it
 *	DIRECTORY/POD/go	a fifo: it goes on when this has been opened for writing
 *
 * Spans are the lines of KIHON_TIMELINE (docs/timeline.md).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How a span's line begins; its pod's name follows. */
#define BEGIN "{\"pod\":\""

static bool holds(const char *line, size_t len, const char *key, const char *value)
{
	char wanted[256];
	int n = snprintf(wanted, sizeof(wanted), "\"%s\":\"%s\"", key, value);

	return n > 0 && (size_t)n < sizeof(wanted) && memmem(line, len, wanted, (size_t)n);
}

/* The directory of the pod whose line this is: it begins with its name. */
static bool find_pod(
	const char *directory, const char *line, size_t len, char path[static PATH_MAX])
{
	const char *name = line + strlen(BEGIN), *end = memchr(name, '"', len - strlen(BEGIN));
	int n = end ? snprintf(path, PATH_MAX, "%s/%.*s", directory, (int)(end - name), name) : -1;

	return n > 0 && n < PATH_MAX && access(path, F_OK) == 0;
}

static bool is_wanted(const char *pod, const char *line, size_t len)
{
	char path[PATH_MAX + 8], who[64] = "", what[64] = "", id[128] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/step", pod);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%63[^\n]\n%63[^\n]\n%127[^\n]", who, what, id) < 2)
		what[0] = '\0';
	fclose(f);
	return what[0] && holds(line, len, "who", who) && holds(line, len, "what", what) &&
	       (!id[0] || holds(line, len, "id", id));
}

/* Once per step: the file is gone when the shim goes on. Opening a fifo waits for its other end. */
static void stop(const char *pod)
{
	char path[PATH_MAX + 8];
	int fd;

	snprintf(path, sizeof(path), "%s/step", pod);
	unlink(path);
	snprintf(path, sizeof(path), "%s/hit", pod);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "%d\n", getpid()) < 0)
		abort();
	close(fd);
	snprintf(path, sizeof(path), "%s/go", pod);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
}

__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t len)
{
	static ssize_t (*next)(int, const void *, size_t);
	const char *directory = getenv("KIHON_FAULT");
	char pod[PATH_MAX];
	ssize_t r;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "write");
	r = next(fd, data, len);
	if (directory && len > strlen(BEGIN) && memcmp(data, BEGIN, strlen(BEGIN)) == 0 &&
		find_pod(directory, data, len, pod) && is_wanted(pod, data, len))
		stop(pod);
	return r;
}
