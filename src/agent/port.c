/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/port.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/dial.h"

enum { ACCEPTS_PER_ROUND = 16 };
/* Without descriptors or memory the listener stays readable, and nothing tells when there are some
 * again. */
#define ACCEPT_PAUSE_NS NS_PER_S

struct port {
	struct source *accepting, *again;
	int fd; /* owned */
	bool from_this_machine;
	port_accepted_fn *fn;
	void *data;
	char address[PORT_ADDRESS_SIZE];
};

union peer {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

static void format(const struct options *options, const char *vsock, uint32_t number,
	char address[static PORT_ADDRESS_SIZE])
{
	if (options->ports_dir[0])
		snprintf(address, PORT_ADDRESS_SIZE, "unix://%s/%" PRIu32, options->ports_dir,
			number);
	else
		snprintf(address, PORT_ADDRESS_SIZE, "vsock://%s:%" PRIu32, vsock, number);
}

void port_format_own(
	const struct options *options, uint32_t number, char address[static PORT_ADDRESS_SIZE])
{
	format(options, "-1", number, address);
}

void port_format_host(
	const struct options *options, uint32_t number, char address[static PORT_ADDRESS_SIZE])
{
	format(options, options->has_local_host ? "1" : "2", number, address);
}

/* The number that the name ends with, or 0. */
static uint32_t unix_port(const struct sockaddr_un *un, socklen_t len)
{
	char name[sizeof(un->sun_path) + 1];
	size_t n = len > offsetof(struct sockaddr_un, sun_path)
			   ? len - offsetof(struct sockaddr_un, sun_path)
			   : 0;
	const char *last;
	unsigned long number;
	char *end;

	if (n > sizeof(un->sun_path))
		return 0;
	memcpy(name, un->sun_path, n);
	name[n] = '\0';
	/* An abstract name begins with a NUL. */
	if (n > 0 && !name[0])
		name[0] = '@';
	last = strrchr(name, '/');
	if (!last || strspn(last + 1, "0123456789") != strlen(last + 1) || !last[1])
		return 0;
	errno = 0;
	number = strtoul(last + 1, &end, 10);
	return errno || number > UINT32_MAX ? 0 : (uint32_t)number;
}

/* False: nobody that this port is for. */
static bool identify(
	const struct port *port, const union peer *peer, socklen_t len, uint32_t *ret_port)
{
	if (peer->any.sa_family == AF_UNIX) {
		*ret_port = unix_port(&peer->un, len);
		return true;
	}
	*ret_port = peer->vm.svm_port;
	if (peer->any.sa_family != AF_VSOCK)
		return false;
	return port->from_this_machine || peer->vm.svm_cid == VMADDR_CID_HOST;
}

static void accept_again(void *data)
{
	struct port *port = data;

	if (source_set_events(port->accepting, EPOLLIN) < 0)
		source_set_deadline(port->again, clock_now_ns() + ACCEPT_PAUSE_NS);
}

static void pause_accepting(struct port *port)
{
	log_printf(LOG_WARN, "port", "%s: accept: %s", port->address, strerror(errno));
	if (source_set_events(port->accepting, 0) == 0)
		source_set_deadline(port->again, clock_now_ns() + ACCEPT_PAUSE_NS);
}

static void on_accept(void *data, int listen_fd, uint32_t events)
{
	struct port *port = data;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		union peer peer = {.any.sa_family = AF_UNSPEC};
		socklen_t len = sizeof(peer);
		int fd = accept4(listen_fd, &peer.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		uint32_t peer_port;

		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				pause_accepting(port);
			return;
		}
		if (identify(port, &peer, len, &peer_port)) {
			port->fn(port->data, fd, peer_port);
			continue;
		}
		log_printf(LOG_WARN, "port", "%s: a connection that is not the host's was refused",
			port->address);
		close_fd(fd);
	}
}

int port_listen(struct loop *loop, const struct options *options, uint32_t number,
	port_accepted_fn *fn, void *data, struct port **ret, struct err *err)
{
	struct port *port = calloc(1, sizeof(*port));
	int r;

	if (!port)
		return err_sys(err, ENOMEM, "listen on port %" PRIu32, number);
	port->fn = fn;
	port->data = data;
	port->from_this_machine = options->has_local_host;
	port_format_own(options, number, port->address);
	port->fd = dial_listen(port->address, err);
	r = port->fd;
	if (r >= 0)
		r = loop_add_io(loop, port->fd, EPOLLIN, on_accept, port, &port->accepting);
	if (r >= 0)
		r = loop_add_timer(loop, INT64_MAX, accept_again, port, &port->again);
	if (r < 0) {
		if (!err_is_set(err))
			err_sys(err, -r, "listen on %s", port->address);
		port_close(port);
		return r;
	}
	*ret = port;
	return 0;
}

void port_close(struct port *port)
{
	if (!port)
		return;
	source_free(port->accepting);
	source_free(port->again);
	if (port->fd >= 0)
		dial_unlisten(port->address);
	close_fd(port->fd);
	free(port);
}
