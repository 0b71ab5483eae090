/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/online.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "linux/uevent.h"

#define CPU_DIR "/sys/devices/system/cpu"
#define MEMORY_DIR "/sys/devices/system/memory"

enum { MAX_SWITCH = 64 };

enum state { STATE_ON, STATE_OFF, STATE_UNKNOWN };

static enum state read_switch(int dir_fd, const char *path)
{
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(dir_fd, path, MAX_SWITCH, &b);

	if (r == -ENOENT)
		return STATE_ON;
	if (r < 0)
		return STATE_UNKNOWN;
	return *buf_str(&b) == '0' ? STATE_OFF : STATE_ON;
}

/* "cpu12", "memory3" */
static bool is_unit(const char *name, const char *kind)
{
	size_t len = strlen(kind);

	return strncmp(name, kind, len) == 0 && isdigit((unsigned char)name[len]) &&
	       !name[len + strspn(name + len, "0123456789")];
}

/* Counts those that are on, after switching on as many as want more. */
static int switch_on(
	const char *path, const char *kind, size_t want, size_t *ret_n_on, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n_on = 0;

	if (!dir)
		return err_sys(err, errno, "open %s", path);
	for (int pass = 0; pass < 2; pass++, rewinddir(dir))
		while ((entry = readdir(dir))) {
			char file[sizeof(entry->d_name) + sizeof("/online")];
			enum state state;

			if (!is_unit(entry->d_name, kind))
				continue;
			snprintf(file, sizeof(file), "%s/online", entry->d_name);
			state = read_switch(dirfd(dir), file);
			if (pass == 0)
				n_on += state == STATE_ON;
			else if (state == STATE_OFF && n_on < want &&
				 io_write_file(dirfd(dir), file, "1") == 0)
				n_on++;
		}
	closedir(dir);
	*ret_n_on = n_on;
	return 0;
}

/* Only that something has come is of interest: what it is, is looked up. */
static void drain(int fd)
{
	char buf[UEVENT_MAX + 1];
	struct uevent event;

	while (uevent_receive(fd, buf, &event) >= 0)
		;
}

static int wait_for_event(int fd, int64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left_ns = deadline_ns - clock_now_ns();
	int n;

	if (left_ns <= 0)
		return -ETIMEDOUT;
	/* Rounded up, not to wake too early. */
	n = poll(&p, 1, (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n > 0)
		drain(fd);
	return n == 0 ? -ETIMEDOUT : 0;
}

int online_cpus(uint32_t n_cpus, int64_t deadline_ns, struct err *err)
{
	/* Before the first look, so that nothing falls in between. */
	auto_fd int events_fd = uevent_open();
	size_t n_on = 0;
	int r;

	if (events_fd < 0)
		return err_sys(err, -events_fd, "listen to the kernel's events");
	for (;;) {
		r = switch_on(CPU_DIR, "cpu", n_cpus, &n_on, err);
		if (r < 0 || n_on >= n_cpus)
			return r;
		r = wait_for_event(events_fd, deadline_ns);
		if (r < 0)
			return err_sys(
				err, -r, "%zu of %" PRIu32 " processors are online", n_on, n_cpus);
	}
}

int online_memory(struct err *err)
{
	size_t n_on;
	int r = switch_on(MEMORY_DIR, "memory", SIZE_MAX, &n_on, err);

	return r == -ENOENT ? 0 : r;
}

int online_probe_memory(const uint64_t *addresses, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		char text[sizeof("0x") + 16];
		int r;

		snprintf(text, sizeof(text), "0x%" PRIX64, addresses[i]);
		r = io_write_file(AT_FDCWD, MEMORY_DIR "/probe", text);
		if (r < 0)
			return err_sys(err, -r, "probe memory at %s", text);
	}
	return 0;
}
