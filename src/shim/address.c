/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two `start` may race for one path. So the socket is bound under a name of its own, listens, and
 * is then renamed into place without replacing: whoever finds a socket there can rely on it
 * listening, and one that refuses connections is dead for good. Who replaces or removes a dead one
 * holds a lock on the directory.
 */
#include "shim/address.h"

#include <fcntl.h>
#include <poll.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/path.h"

enum { BACKLOG = 128, MAX_ATTEMPTS = 8 };

void address_of(const char *containerd, const char *name_space, const char *id,
	char path[static ADDRESS_PATH_SIZE])
{
	const char *parts[] = {containerd, "/", name_space, "/", id};
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX sha;
	char *p = path + snprintf(path, ADDRESS_PATH_SIZE, "%s/", ADDRESS_DIR);

	SHA256Init(&sha);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		SHA256Update(&sha, (const uint8_t *)parts[i], strlen(parts[i]));
	SHA256Final(digest, &sha);
	for (size_t i = 0; i < sizeof(digest); i++)
		p += snprintf(p, 3, "%02x", digest[i]);
}

static int fill(const char *path, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	memcpy(sun->sun_path, path, strlen(path) + 1);
	return 0;
}

/* EAGAIN in errno: its queue is full, so somebody holds it. */
static int connect_to(const char *path)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;

	if (fd < 0)
		return -1;
	if (fill(path, &sun) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -1;
	return take_fd(&fd);
}

bool address_is_served(const char *path)
{
	auto_fd int fd = connect_to(path);

	return fd >= 0 || errno == EAGAIN;
}

/* Who waits to be accepted is hung up on when the listening socket goes. */
bool address_stays_served(const char *path, int wait_ms)
{
	auto_fd int fd = connect_to(path);
	struct pollfd gone = {.fd = fd, .events = POLLRDHUP};

	if (fd < 0)
		return errno == EAGAIN;
	return poll(&gone, 1, wait_ms) == 0 || address_is_served(path);
}

static int listen_at(const char *path, int *ret_fd)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;
	int r = fd < 0 ? -errno : fill(path, &sun);

	if (r < 0)
		return r;
	/* The mode of the inode is what fchmod sets before bind: no moment with another one. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -errno;
	if (chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		unlink(path);
		return r;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* -EADDRINUSE if somebody serves path; else it is ours. */
static int move_into_place(const char *from, const char *path)
{
	for (int i = 0; i < MAX_ATTEMPTS; i++) {
		if (renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		if (address_is_served(path))
			return -EADDRINUSE;
		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
	}
	return -EBUSY;
}

/* Other shims make it as well: runc's with mode 0600, which only CAP_DAC_OVERRIDE can enter. */
static int close_to_others(int dir_fd)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid())
		return -EPERM;
	return (st.st_mode & 07777) != 0700 && fchmod(dir_fd, 0700) < 0 ? -errno : 0;
}

/*
 * The directory of path, locked until it is closed: between seeing that a socket is dead and
 * removing it nobody else may put a living one there. The lock is held for a moment only, and ends
 * with its holder.
 */
static int lock_directory(const char *directory, int *ret_fd)
{
	auto_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	do
		r = flock(fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static void directory_of(const char *path, char directory[static ADDRESS_PATH_SIZE])
{
	snprintf(directory, ADDRESS_PATH_SIZE, "%.*s", (int)(strrchr(path, '/') - path), path);
}

static int enter_directory(const char *path, int *ret_fd, struct err *err)
{
	auto_fd int fd = -1;
	char directory[ADDRESS_PATH_SIZE];
	int r;

	directory_of(path, directory);
	r = path_mkdir(directory, 0700);
	if (r == 0)
		r = lock_directory(directory, &fd);
	if (r == 0)
		r = close_to_others(fd);
	if (r < 0)
		return err_sys(err, -r, "make %s", directory);
	*ret_fd = take_fd(&fd);
	return 0;
}

int address_listen(const char *path, int *ret_fd, struct err *err)
{
	auto_fd int fd = -1, dir_fd = -1;
	char own[ADDRESS_PATH_SIZE + 16];
	int r = enter_directory(path, &dir_fd, err);

	if (r < 0)
		return r;
	snprintf(own, sizeof(own), "%s.%d", path, (int)getpid());
	unlink(own);
	r = listen_at(own, &fd);
	if (r < 0)
		return err_sys(err, -r, "listen on %s", own);
	r = move_into_place(own, path);
	if (r < 0) {
		unlink(own);
		return r == -EADDRINUSE ? r : err_sys(err, -r, "listen on %s", path);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

void address_remove_dead(const char *path)
{
	auto_fd int dir_fd = -1;
	char directory[ADDRESS_PATH_SIZE];

	directory_of(path, directory);
	if (lock_directory(directory, &dir_fd) == 0 && !address_is_served(path))
		unlink(path);
}
