/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/uevent.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/utf8.h"

enum { KERNEL_GROUP = 1 };

static bool is_utf8(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = utf8_sequence(text + at, len - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

static bool has_dot_dot(const char *path)
{
	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (len == 2 && strncmp(path, "..", 2) == 0)
			return true;
		path += len;
	}
	return false;
}

static int take_text(const char *value, const char **to)
{
	if (*to || !*value)
		return -EINVAL;
	*to = value;
	return 0;
}

static int take_number(const char *value, int64_t *to)
{
	int64_t n = 0;

	if (*to >= 0 || !*value)
		return -EINVAL;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return -EINVAL;
		n = n * 10 + *value - '0';
		if (n > UINT32_MAX)
			return -EINVAL;
	}
	*to = n;
	return 0;
}

static int take_variable(const char *name, const char *value, struct uevent *e)
{
	if (strcmp(name, "ACTION") == 0)
		return take_text(value, &e->action);
	if (strcmp(name, "SUBSYSTEM") == 0)
		return take_text(value, &e->subsystem);
	if (strcmp(name, "INTERFACE") == 0)
		return take_text(value, &e->interface);
	if (strcmp(name, "MAJOR") == 0)
		return take_number(value, &e->major);
	if (strcmp(name, "MINOR") == 0)
		return take_number(value, &e->minor);
	if (strcmp(name, "DEVPATH") == 0)
		return *value != '/' || has_dot_dot(value) ? -EINVAL
							   : take_text(value, &e->devpath);
	if (strcmp(name, "DEVNAME") == 0)
		return *value == '/' || has_dot_dot(value) ? -EINVAL
							   : take_text(value, &e->devname);
	return 0;
}

int uevent_parse_variables(char *text, size_t len, char separator, struct uevent *ret)
{
	struct uevent e = {.major = -1, .minor = -1};

	text[len] = '\0';
	for (size_t at = 0; at < len;) {
		char *line = text + at, *end = memchr(line, separator, len - at), *equals;
		size_t n = end ? (size_t)(end - line) : len - at;
		int r;

		line[n] = '\0';
		at += n + 1;
		if (strlen(line) < n || !is_utf8(line, n))
			return -EINVAL;
		equals = strchr(line, '=');
		if (!equals)
			continue;
		*equals = '\0';
		r = take_variable(line, equals + 1, &e);
		if (r < 0)
			return r;
	}
	*ret = e;
	return 0;
}

int uevent_parse_message(char *text, size_t len, struct uevent *ret)
{
	char *end = memchr(text, '\0', len);
	struct uevent e;
	size_t head;
	int r;

	if (!end)
		return -EINVAL;
	head = (size_t)(end - text) + 1;
	r = uevent_parse_variables(text + head, len - head, '\0', &e);
	if (r < 0)
		return r;
	if (!e.action || !e.devpath)
		return -EINVAL;
	*ret = e;
	return 0;
}

int uevent_open(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	auto_fd int fd = socket(
		AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* The kernel's messages carry pid 0, which no process can claim in our pid namespace without being
 * outside of it; the port tells those apart. */
static bool is_from_kernel(struct msghdr *msg, const struct sockaddr_nl *from)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct ucred who;

	if (msg->msg_namelen != sizeof(*from) || from->nl_pid != 0 || !c ||
		c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
		c->cmsg_len != CMSG_LEN(sizeof(who)))
		return false;
	memcpy(&who, CMSG_DATA(c), sizeof(who));
	return who.pid == 0 && who.uid == 0;
}

int uevent_receive(int fd, char buf[static UEVENT_MAX + 1], struct uevent *ret)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = buf, .iov_len = UEVENT_MAX};
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || !is_from_kernel(&msg, &from))
		return 0;
	return uevent_parse_message(buf, (size_t)n, ret) == 0;
}
