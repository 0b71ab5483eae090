/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/vhost_user_message.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static_assert(sizeof(struct vhost_user_header) == 12 &&
		      sizeof(struct vhost_user_vring_addr) == 40 &&
		      sizeof(struct vhost_user_region) == 32 &&
		      sizeof(struct vhost_user_mem_table) == 264 &&
		      sizeof(struct vhost_user_config) == 268,
	"as on the wire");

/* clang-format off */
const struct jail_rule vhost_user_message_rules[] = {
	{.nr = SYS_recvmsg},
	{.nr = SYS_sendto},
	JAIL_RULES_END,
};
/* clang-format on */

struct rule {
	const char *name;
	uint16_t min_size, max_size;
	uint8_t max_fds;
	bool has_reply;
};

enum {
	U64 = sizeof(uint64_t),
	STATE = sizeof(struct vhost_user_vring_state),
	ADDR = sizeof(struct vhost_user_vring_addr),
	MEM_MIN = offsetof(struct vhost_user_mem_table, regions),
	MEM_MAX = sizeof(struct vhost_user_mem_table),
	CONFIG_MIN = offsetof(struct vhost_user_config, bytes),
	CONFIG_MAX = sizeof(struct vhost_user_config),
};

static const struct rule rules[] = {
	[VHOST_USER_GET_FEATURES] = {"GET_FEATURES", 0, 0, 0, true},
	[VHOST_USER_SET_FEATURES] = {"SET_FEATURES", U64, U64, 0, false},
	[VHOST_USER_SET_OWNER] = {"SET_OWNER", 0, 0, 0, false},
	[VHOST_USER_RESET_OWNER] = {"RESET_OWNER", 0, 0, 0, false},
	[VHOST_USER_SET_MEM_TABLE] = {"SET_MEM_TABLE", MEM_MIN, MEM_MAX, VHOST_USER_FDS_MAX, false},
	[VHOST_USER_SET_VRING_NUM] = {"SET_VRING_NUM", STATE, STATE, 0, false},
	[VHOST_USER_SET_VRING_ADDR] = {"SET_VRING_ADDR", ADDR, ADDR, 0, false},
	[VHOST_USER_SET_VRING_BASE] = {"SET_VRING_BASE", STATE, STATE, 0, false},
	[VHOST_USER_GET_VRING_BASE] = {"GET_VRING_BASE", STATE, STATE, 0, true},
	[VHOST_USER_SET_VRING_KICK] = {"SET_VRING_KICK", U64, U64, 1, false},
	[VHOST_USER_SET_VRING_CALL] = {"SET_VRING_CALL", U64, U64, 1, false},
	[VHOST_USER_SET_VRING_ERR] = {"SET_VRING_ERR", U64, U64, 1, false},
	[VHOST_USER_GET_PROTOCOL_FEATURES] = {"GET_PROTOCOL_FEATURES", 0, 0, 0, true},
	[VHOST_USER_SET_PROTOCOL_FEATURES] = {"SET_PROTOCOL_FEATURES", U64, U64, 0, false},
	[VHOST_USER_GET_QUEUE_NUM] = {"GET_QUEUE_NUM", 0, 0, 0, true},
	[VHOST_USER_SET_VRING_ENABLE] = {"SET_VRING_ENABLE", STATE, STATE, 0, false},
	[VHOST_USER_GET_CONFIG] = {"GET_CONFIG", CONFIG_MIN, CONFIG_MAX, 0, true},
};

static const struct rule unknown = {.name = "unknown request"};

static const struct rule *rule_of(uint32_t request)
{
	return request < ARRAY_SIZE(rules) && rules[request].name ? &rules[request] : &unknown;
}

const char *vhost_user_request_name(uint32_t request)
{
	return rule_of(request)->name;
}

bool vhost_user_has_reply(uint32_t request)
{
	return rule_of(request)->has_reply;
}

static int check_header(const struct vhost_user_header *h, struct err *err)
{
	const struct rule *rule = rule_of(h->request);

	if (rule == &unknown)
		return err_set(err, ENOTSUP, "vhost-user request %u is not supported", h->request);
	if ((h->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
		(h->flags & VHOST_USER_FLAG_REPLY) != 0)
		return err_set(err, EPROTO, "%s: flags 0x%x", rule->name, h->flags);
	if (h->size < rule->min_size || h->size > rule->max_size)
		return err_set(err, EPROTO, "%s: a payload of %u bytes", rule->name, h->size);
	return 0;
}

static int check_fds(const struct vhost_user_message *m, struct err *err)
{
	const struct rule *rule = rule_of(m->header.request);

	if (m->n_fds > rule->max_fds)
		return err_set(err, EPROTO, "%s: %zu file descriptors", rule->name, m->n_fds);
	return 0;
}

/* Every fd that arrives is either kept in the message or closed. -EPROTO: more than have a place.
 */
static int keep_fds(struct vhost_user_message *m, struct msghdr *msg)
{
	int r = (msg->msg_flags & MSG_CTRUNC) != 0 ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (m->n_fds < VHOST_USER_FDS_MAX) {
				m->fds[m->n_fds++] = fd;
				continue;
			}
			close_fd(fd);
			r = -EPROTO;
		}
	}
	return r;
}

/* Bytes received, 0 at the end of the stream, or -errno. */
static ssize_t receive_some(int fd, struct vhost_user_message *m, void *to, size_t len)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_FDS_MAX)];
	} control;
	struct iovec iov = {to, len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int r;

	if (n < 0)
		return -errno;
	r = keep_fds(m, &msg);
	return r < 0 ? r : n;
}

/* The next missing bytes of header or payload. */
static ssize_t receive_part(int fd, struct vhost_user_receiver *r)
{
	struct vhost_user_message *m = &r->message;
	const size_t header_size = sizeof(m->header);
	size_t at = r->n_received;
	ssize_t n;

	if (at < header_size)
		n = receive_some(fd, m, (uint8_t *)&m->header + at, header_size - at);
	else
		n = receive_some(fd, m, (uint8_t *)&m->payload + (at - header_size),
			header_size + m->header.size - at);
	if (n > 0)
		r->n_received += (size_t)n;
	return n;
}

int vhost_user_receive(int fd, struct vhost_user_receiver *r, struct err *err)
{
	const struct vhost_user_header *h = &r->message.header;

	for (;;) {
		ssize_t n = receive_part(fd, r);

		if (n == -EAGAIN || n == -EINTR)
			return 0;
		if (n < 0)
			return err_sys(err, (int)-n, "receive a vhost-user message");
		if (n == 0 && r->n_received == 0)
			return -ENODATA;
		if (n == 0)
			return err_set(err, EPROTO, "a vhost-user message that is cut short");
		if (r->n_received < sizeof(*h))
			continue;
		if (r->n_received == sizeof(*h) && check_header(h, err) < 0)
			return -EPROTO;
		if (r->n_received == sizeof(*h) + h->size)
			return check_fds(&r->message, err) < 0 ? -EPROTO : 1;
	}
}

void vhost_user_receiver_next(struct vhost_user_receiver *r)
{
	for (size_t i = 0; i < r->message.n_fds; i++)
		close_fd(r->message.fds[i]);
	*r = (struct vhost_user_receiver){0};
}

int vhost_user_take_fd(struct vhost_user_message *m)
{
	return m->n_fds == 1 ? take_fd(&m->fds[0]) : -1;
}

int vhost_user_reply(int fd, struct vhost_user_message *m, struct err *err)
{
	uint8_t bytes[sizeof(m->header) + sizeof(m->payload)];
	size_t len = sizeof(m->header) + m->header.size;
	ssize_t n;

	assert(m->header.size <= sizeof(m->payload));
	m->header.flags = VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
	memcpy(bytes, &m->header, sizeof(m->header));
	memcpy(bytes + sizeof(m->header), &m->payload, m->header.size);
	n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return err_sys(
			err, errno, "reply to %s", vhost_user_request_name(m->header.request));
	/* The front end waits for each reply, so there is room unless it is no front end. */
	if ((size_t)n < len)
		return err_set(err, EPROTO, "reply to %s: nobody reads",
			vhost_user_request_name(m->header.request));
	return 0;
}
