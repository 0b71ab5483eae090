/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/passfd.h"

#include <inttypes.h>
#include <string.h>

#include "agent/port.h"
#include "agent/rpc.h"
#include "base/list.h"
#include "base/log.h"
#include "wire/status.h"

/* A connection that no request has asked for yet. */
struct unclaimed {
	struct list link; /* oldest first */
	uint32_t port;
	int fd; /* owned */
	int64_t deadline_ns;
};

struct passfd {
	struct loop *loop;
	struct port *port;
	struct source *expiry;
	struct list unclaimed, claims;
	size_t n_unclaimed;
};

/* A request that waits for connections. */
struct claim {
	struct list link;
	struct ttrpc_call *call;
	uint32_t ports[PASSFD_STREAMS];
	struct passfd_streams streams;
	struct source *timer;
	passfd_claimed_fn *fn;
	void *user;
};

static const char *const names[PASSFD_STREAMS] = {"stdin_port", "stdout_port", "stderr_port"};

static void close_streams(struct passfd_streams *streams)
{
	for (size_t i = 0; i < PASSFD_STREAMS; i++)
		close_fd(take_fd(&streams->fds[i]));
}

/* Forgets the connection; its descriptor is the caller's. */
static int take_unclaimed(struct passfd *passfd, struct unclaimed *u)
{
	int fd = u->fd;

	list_remove(&u->link);
	passfd->n_unclaimed--;
	free(u);
	return fd;
}

/* The descriptor, or -1. */
static int find(struct passfd *passfd, uint32_t port)
{
	LIST_FOREACH (u, &passfd->unclaimed, struct unclaimed, link)
		if (u->port == port)
			return take_unclaimed(passfd, u);
	return -1;
}

static void set_expiry(struct passfd *passfd)
{
	const struct unclaimed *oldest;

	if (list_is_empty(&passfd->unclaimed)) {
		source_set_deadline(passfd->expiry, INT64_MAX);
		return;
	}
	oldest = container_of(passfd->unclaimed.next, struct unclaimed, link);
	source_set_deadline(passfd->expiry, oldest->deadline_ns);
}

static void on_expired(void *data)
{
	struct passfd *passfd = data;
	int64_t now_ns = clock_now_ns();

	LIST_FOREACH_SAFE (u, &passfd->unclaimed, struct unclaimed, link) {
		if (u->deadline_ns > now_ns)
			break;
		log_printf(LOG_WARN, "passfd",
			"the connection from port %" PRIu32
			" was closed: no request has asked for it",
			u->port);
		close_fd(take_unclaimed(passfd, u));
	}
	set_expiry(passfd);
}

/* The first stream that is named and not there, or PASSFD_STREAMS. */
static size_t find_missing(const struct claim *claim)
{
	for (size_t i = 0; i < PASSFD_STREAMS; i++)
		if (claim->ports[i] > 0 && claim->streams.fds[i] < 0)
			return i;
	return PASSFD_STREAMS;
}

static void free_claim(struct claim *claim)
{
	list_remove(&claim->link);
	source_free(claim->timer);
	close_streams(&claim->streams);
	free(claim);
}

static void hand_over(struct claim *claim)
{
	struct passfd_streams streams = claim->streams;
	struct ttrpc_call *call = claim->call;
	passfd_claimed_fn *fn = claim->fn;
	void *user = claim->user;

	for (size_t i = 0; i < PASSFD_STREAMS; i++)
		claim->streams.fds[i] = -1;
	ttrpc_call_on_cancel(call, NULL, NULL);
	free_claim(claim);
	fn(call, &streams, user);
	close_streams(&streams);
}

static void on_cancel(void *data)
{
	struct claim *claim = data;
	struct ttrpc_call *call = claim->call;

	free_claim(claim);
	ttrpc_call_drop(call);
}

static void on_waited_enough(void *data)
{
	struct claim *claim = data;
	struct ttrpc_call *call = claim->call;
	struct err err = ERR_INIT;
	size_t i = find_missing(claim);

	err_status(&err, ETIMEDOUT, WIRE_DEADLINE_EXCEEDED,
		"%s %" PRIu32 ": nothing has connected from that port", names[i], claim->ports[i]);
	ttrpc_call_on_cancel(call, NULL, NULL);
	free_claim(claim);
	rpc_fail(call, &err);
}

/* True if a request was waiting for it. */
static bool give(struct passfd *passfd, int fd, uint32_t port)
{
	LIST_FOREACH (claim, &passfd->claims, struct claim, link) {
		for (size_t i = 0; i < PASSFD_STREAMS; i++) {
			if (claim->ports[i] != port || claim->streams.fds[i] >= 0)
				continue;
			claim->streams.fds[i] = fd;
			if (find_missing(claim) == PASSFD_STREAMS)
				hand_over(claim);
			return true;
		}
	}
	return false;
}

static int keep(struct passfd *passfd, int fd, uint32_t port)
{
	struct unclaimed *u;

	if (passfd->n_unclaimed >= PASSFD_MAX_UNCLAIMED)
		return -EBUSY;
	u = malloc(sizeof(*u));
	if (!u)
		return -ENOMEM;
	*u = (struct unclaimed){
		.port = port, .fd = fd, .deadline_ns = clock_now_ns() + PASSFD_KEEP_NS};
	list_add(&passfd->unclaimed, &u->link);
	passfd->n_unclaimed++;
	set_expiry(passfd);
	return 0;
}

static void on_accepted(void *data, int fd, uint32_t peer_port)
{
	struct passfd *passfd = data;
	int r = peer_port == 0 ? -EINVAL : 0;

	/* The port is free again for the peer, so the connection that had it is no more. */
	if (r == 0)
		close_fd(find(passfd, peer_port));
	if (r == 0 && give(passfd, fd, peer_port))
		return;
	if (r == 0)
		r = keep(passfd, fd, peer_port);
	if (r == 0)
		return;
	log_printf(LOG_WARN, "passfd", "the connection from port %" PRIu32 " was closed: %s",
		peer_port, strerror(-r));
	close_fd(fd);
}

int passfd_open(
	struct loop *loop, const struct options *options, struct passfd **ret, struct err *err)
{
	struct passfd *passfd = calloc(1, sizeof(*passfd));
	int r;

	if (!passfd)
		return err_sys(err, ENOMEM, "streams over ports");
	passfd->loop = loop;
	list_init(&passfd->unclaimed);
	list_init(&passfd->claims);
	r = loop_add_timer(loop, INT64_MAX, on_expired, passfd, &passfd->expiry);
	if (r < 0)
		err_sys(err, -r, "start");
	else
		r = port_listen(loop, options, options->passfd_port, on_accepted, passfd,
			&passfd->port, err);
	if (r < 0) {
		passfd_close(passfd);
		return err_wrap(err, "streams over ports");
	}
	*ret = passfd;
	return 0;
}

void passfd_close(struct passfd *passfd)
{
	if (!passfd)
		return;
	port_close(passfd->port);
	while (!list_is_empty(&passfd->unclaimed))
		close_fd(take_unclaimed(
			passfd, container_of(passfd->unclaimed.next, struct unclaimed, link)));
	source_free(passfd->expiry);
	free(passfd);
}

static int check(const struct passfd *passfd, const uint32_t ports[PASSFD_STREAMS], struct err *err)
{
	for (size_t i = 0; i < PASSFD_STREAMS; i++) {
		if (ports[i] > 0 && !passfd)
			return err_status(err, EOPNOTSUPP, WIRE_FAILED_PRECONDITION,
				"%s %" PRIu32 ": the agent was started without "
				"agent.passfd_listener_port",
				names[i], ports[i]);
		for (size_t j = 0; j < i; j++)
			if (ports[i] > 0 && ports[i] == ports[j])
				return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
					"%s and %s are both %" PRIu32, names[j], names[i],
					ports[i]);
	}
	return 0;
}

/* NULL: no memory. */
static struct claim *new_claim(
	struct passfd *passfd, struct ttrpc_call *call, const uint32_t ports[PASSFD_STREAMS])
{
	struct claim *claim = calloc(1, sizeof(*claim));

	if (!claim)
		return NULL;
	*claim = (struct claim){.call = call, .streams = {.used = true, .fds = {-1, -1, -1}}};
	list_init(&claim->link);
	if (loop_add_timer(passfd->loop, clock_now_ns() + PASSFD_WAIT_NS, on_waited_enough, claim,
		    &claim->timer) < 0) {
		free_claim(claim);
		return NULL;
	}
	for (size_t i = 0; i < PASSFD_STREAMS; i++) {
		claim->ports[i] = ports[i];
		if (ports[i] > 0)
			claim->streams.fds[i] = find(passfd, ports[i]);
	}
	set_expiry(passfd);
	list_add(&passfd->claims, &claim->link);
	return claim;
}

void passfd_claim(struct passfd *passfd, struct ttrpc_call *call,
	const uint32_t ports[PASSFD_STREAMS], passfd_claimed_fn *fn, void *user)
{
	struct passfd_streams none = {.used = false, .fds = {-1, -1, -1}};
	struct err err = ERR_INIT;
	struct claim *claim;

	if (check(passfd, ports, &err) < 0) {
		rpc_fail(call, &err);
		return;
	}
	if (!passfd) {
		fn(call, &none, user);
		return;
	}
	claim = new_claim(passfd, call, ports);
	if (!claim) {
		err_sys(&err, ENOMEM, "streams over ports");
		rpc_fail(call, &err);
		return;
	}
	claim->fn = fn;
	claim->user = user;
	if (find_missing(claim) == PASSFD_STREAMS)
		hand_over(claim);
	else
		ttrpc_call_on_cancel(call, on_cancel, claim);
}
