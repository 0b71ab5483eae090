/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/rtnl.h"

#include <stdio.h>
#include <sys/socket.h>

enum {
	/* What the kernel fills at most in a dump; a single message is far below it. */
	BUFFER_SIZE = 32 << 10,
	MAX_DUMP = 8 << 20,
	MAX_DUMP_TRIES = 8,
};

static int open_socket(int type, uint32_t groups)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_groups = groups};
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | type, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		return -errno;
	return take_fd(&fd);
}

int rtnl_open(struct rtnl *ret)
{
	int on = 1, fd = open_socket(0, 0);

	if (fd < 0)
		return fd;
	*ret = (struct rtnl){.fd = fd, .buffer = malloc(BUFFER_SIZE)};
	if (!ret->buffer) {
		rtnl_close(ret);
		return -ENOMEM;
	}
	/* Without them (Linux before 4.12) errors are numbers only. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

void rtnl_close(struct rtnl *nl)
{
	close_fd(take_fd(&nl->fd));
	free(take_ptr(&nl->buffer));
}

int rtnl_error(const struct rtnl *nl, int r, struct err *err, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!nl->why[0])
		return err_sys(err, -r, "%s", what);
	return err_set(err, -r, "%s: %s (%s)", what, strerror(-r), nl->why);
}

int rtnl_open_link_monitor(void)
{
	return open_socket(SOCK_NONBLOCK, RTMGRP_LINK);
}

int rtnl_receive(int fd, void *buffer, size_t size)
{
	struct sockaddr_nl from = {.nl_pid = UINT32_MAX};
	struct iovec part = {.iov_base = buffer, .iov_len = size};
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	do
		n = recvmsg(fd, &message, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (message.msg_namelen < sizeof(from) || from.nl_pid != 0)
		return 0;
	return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : (int)n;
}

/* bytes: one message, whose header is filled in but for the sequence number. */
static int send_message(struct rtnl *nl, uint8_t *bytes, size_t len)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	nl->why[0] = '\0';
	nl->sequence++;
	memcpy(bytes + offsetof(struct nlmsghdr, nlmsg_seq), &nl->sequence, sizeof(nl->sequence));
	do
		n = sendto(nl->fd, bytes, len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Receives until fn says that the answer is complete (1), or failed (-errno). */
typedef int message_fn(struct rtnl *nl, const struct rtnl_message *m, void *data);

static int read_answer(struct rtnl *nl, message_fn *fn, void *data)
{
	for (;;) {
		int n = rtnl_receive(nl->fd, nl->buffer, BUFFER_SIZE), r;
		struct slice bytes = slice_of(nl->buffer, n < 0 ? 0 : (size_t)n);
		struct rtnl_message m;

		if (n < 0)
			return n;
		while ((r = rtnl_next_message(&bytes, &m)) > 0) {
			/* An earlier request may have been given up. */
			if (m.sequence != nl->sequence)
				continue;
			r = fn(nl, &m, data);
			if (r != 0)
				return r < 0 ? r : 0;
		}
		if (r < 0)
			return r;
	}
}

static int on_acknowledgement(struct rtnl *nl, const struct rtnl_message *m, void *data)
{
	int code, r;

	(void)data;
	if (m->type != NLMSG_ERROR)
		return 0;
	r = rtnl_decode_error(m, &code, nl->why);
	if (r == 0)
		r = code;
	return r < 0 ? r : 1;
}

int rtnl_call(struct rtnl *nl, struct rtnl_request *request)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)request->bytes;
	int r;

	header->nlmsg_flags |= NLM_F_ACK;
	r = send_message(nl, request->bytes, request->len);
	return r < 0 ? r : read_answer(nl, on_acknowledgement, NULL);
}

/* What the kernel says about the state of a route, and refuses to be told. */
#define STATE_FLAGS (RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_OFFLOAD | RTNH_F_TRAP | RTM_F_CLONED)

static void clear_state(uint8_t *message)
{
	struct rtmsg route;

	memcpy(&route, message + NLMSG_HDRLEN, sizeof(route));
	route.rtm_flags &= ~(unsigned int)STATE_FLAGS;
	memcpy(message + NLMSG_HDRLEN, &route, sizeof(route));
}

int rtnl_call_again(struct rtnl *nl, const struct rtnl_message *m)
{
	auto_free uint8_t *copy = malloc(m->whole.len);
	struct nlmsghdr header = {.nlmsg_len = (uint32_t)m->whole.len,
		.nlmsg_type = m->type,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE};
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, m->whole.p, m->whole.len);
	memcpy(copy, &header, sizeof(header));
	if (m->type == RTM_NEWROUTE && m->body.len >= sizeof(struct rtmsg))
		clear_state(copy);
	r = send_message(nl, copy, m->whole.len);
	return r < 0 ? r : read_answer(nl, on_acknowledgement, NULL);
}

struct dump {
	struct buf list;
	bool is_inconsistent;
};

/* What kept the kernel from going on comes in the last message. */
static int end_of_dump(const struct rtnl_message *m)
{
	int code = 0;

	if (m->body.len >= sizeof(code))
		memcpy(&code, m->body.p, sizeof(code));
	return code < 0 ? code : 1;
}

static int on_dumped(struct rtnl *nl, const struct rtnl_message *m, void *data)
{
	static const uint8_t padding[NLMSG_ALIGNTO];
	struct dump *dump = data;
	size_t rest = -m->whole.len % NLMSG_ALIGNTO;

	if (m->type == NLMSG_ERROR)
		return on_acknowledgement(nl, m, NULL);
	if (m->flags & NLM_F_DUMP_INTR)
		dump->is_inconsistent = true;
	if (m->type == NLMSG_DONE)
		return end_of_dump(m);
	if (buf_len(&dump->list) + m->whole.len + rest > MAX_DUMP)
		return -E2BIG;
	if (buf_append(&dump->list, m->whole.p, m->whole.len) < 0 ||
		buf_append(&dump->list, padding, rest) < 0)
		return -ENOMEM;
	return 0;
}

static int dump_once(struct rtnl *nl, uint16_t type, uint8_t family, struct dump *dump)
{
	struct rtnl_request request;
	int r;

	dump->is_inconsistent = false;
	buf_clear(&dump->list);
	rtnl_encode_dump(type, family, &request);
	r = send_message(nl, request.bytes, request.len);
	return r < 0 ? r : read_answer(nl, on_dumped, dump);
}

int rtnl_dump(struct rtnl *nl, uint16_t type, uint8_t family, struct buf *list)
{
	struct dump dump = {.list = BUF_INIT};
	int r, n_tries = 0;

	/* Who changes something all the time does not keep others from an answer. */
	do
		r = dump_once(nl, type, family, &dump);
	while (r == 0 && dump.is_inconsistent && ++n_tries < MAX_DUMP_TRIES);
	if (r == 0 && buf_len(&dump.list) > 0)
		r = buf_append(list, buf_slice(&dump.list).p, buf_len(&dump.list));
	buf_fini(&dump.list);
	return r;
}
