/* SPDX-License-Identifier: Apache-2.0 */
#include "qmp_peer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "loop_until.h"

void qmp_peer_say(struct qmp_peer *p, const char *text)
{
	assert_int_equal(send(p->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	assert_int_equal(loop_run_once(p->loop, 0), 0);
}

/* The next command, without its id, and whether an fd came with it. */
static bool hear(struct qmp_peer *p, char text[static 512])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_len = 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space};
	bool has_fd = false;
	char line[512], *id;
	size_t len = 0;
	int fd;

	for (; len == 0 || line[len - 1] != '\n'; len++) {
		assert_true(len + 1 < sizeof(line));
		iov.iov_base = &line[len];
		m.msg_controllen = sizeof(control.space);
		if (recvmsg(p->fd, &m, MSG_CMSG_CLOEXEC) != 1)
			fail_msg("nothing more was asked");
		if (m.msg_controllen == 0)
			continue;
		assert_int_equal(len, 0); /* with the first byte */
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
		close(fd);
		has_fd = true;
	}
	line[len - 1] = '\0';
	id = strstr(line, ",\"id\":");
	assert_non_null(id);
	p->last_id = strtoull(id + 6, NULL, 10);
	(void)snprintf(text, 512, "%.*s%s", (int)(id - line), line,
		strchr(id + 1, ',') ? strchr(id + 1, ',') : "}");
	return has_fd;
}

void qmp_peer_expect(struct qmp_peer *p, const char *want)
{
	char text[512];

	/* What ends in a plus sign carries a descriptor. */
	bool has_fd = hear(p, text);
	size_t len = strlen(want);

	assert_int_equal(has_fd, want[len - 1] == '+');
	assert_true(strlen(text) >= len - has_fd);
	if (strncmp(text, want, len - has_fd) != 0)
		fail_msg("heard %s, wanted %s", text, want);
}

void qmp_peer_expect_silence(struct qmp_peer *p)
{
	char c;

	assert_int_equal(recv(p->fd, &c, 1, 0), -1);
}

void qmp_peer_reply(struct qmp_peer *p)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "{\"return\": {}, \"id\": %llu}\n",
		(unsigned long long)p->last_id);
	qmp_peer_say(p, text);
}

void qmp_peer_refuse(struct qmp_peer *p, const char *class, const char *desc)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		"{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}, \"id\": %llu}\n", class, desc,
		(unsigned long long)p->last_id);
	qmp_peer_say(p, text);
}

void qmp_peer_open(struct qmp_peer *p, struct loop *loop, int *ret_fd)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	*p = (struct qmp_peer){.loop = loop, .fd = fds[1]};
	*ret_fd = fds[0];
}

void qmp_peer_greet(struct qmp_peer *p)
{
	qmp_peer_say(p, "{\"QMP\": {}}\n");
	qmp_peer_expect(p, "{\"execute\":\"qmp_capabilities\"}");
	qmp_peer_reply(p);
}

void qmp_peer_answer(struct qmp_peer *p, const char *what)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), "{\"return\": %s, \"id\": %llu}\n", what,
		(unsigned long long)p->last_id);

	assert_true(n > 0 && (size_t)n < sizeof(text));
	qmp_peer_say(p, text);
}
