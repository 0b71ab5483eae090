/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's ports: unix sockets, or vsock's loopback. */
#include "ports.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define LIMIT_NS (20 * NS_PER_S)

static bool over_vsock;

union name {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

static socklen_t unix_name(union name *name, const char *dir, const char *sub, uint32_t number)
{
	*name = (union name){.un = {.sun_family = AF_UNIX}};
	snprintf(name->un.sun_path, sizeof(name->un.sun_path), "%.64s%s/%u", dir, sub, number);
	return sizeof(name->un);
}

static socklen_t vsock_name(union name *name, uint32_t cid, uint32_t number)
{
	*name = (union name){.vm = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = number}};
	return sizeof(name->vm);
}

static int make_socket(void)
{
	return socket(over_vsock ? AF_VSOCK : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void bind_to(int fd, const struct fixture *f, uint32_t own)
{
	union name name;
	socklen_t len = over_vsock ? vsock_name(&name, VMADDR_CID_ANY, own)
				   : unix_name(&name, f->dir, "/own", own);

	if (!over_vsock)
		(void)unlink(name.un.sun_path);
	assert_int_equal(bind(fd, &name.any, len), 0);
}

int fixture_connect_port(const struct fixture *f, uint32_t number, uint32_t own)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_NS;
	union name name;
	socklen_t len = over_vsock ? vsock_name(&name, VMADDR_CID_LOCAL, number)
				   : unix_name(&name, f->ports, "", number);

	for (;;) {
		int fd = make_socket();

		if (own > 0)
			bind_to(fd, f, own);
		if (connect(fd, &name.any, len) == 0)
			return fd;
		close(fd);
		/* vsock resets what does not fit into the backlog, and unix sockets wait. */
		assert_true(over_vsock && errno == ECONNRESET && clock_now_ns() < deadline_ns);
		usleep(2000);
	}
}

int fixture_listen_port(const struct fixture *f, uint32_t number)
{
	union name name;
	socklen_t len = over_vsock ? vsock_name(&name, VMADDR_CID_ANY, number)
				   : unix_name(&name, f->ports, "", number);
	int fd = make_socket();

	assert_int_equal(bind(fd, &name.any, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

void fixture_make_ports(struct fixture *f)
{
	char own[2 * PATH_SIZE];

	if (over_vsock) {
		snprintf(f->ports, sizeof(f->ports), "local");
		return;
	}
	snprintf(f->ports, sizeof(f->ports), "%.32s/ports", f->dir);
	snprintf(own, sizeof(own), "%.32s/own", f->dir);
	assert_int_equal(mkdir(f->ports, 0700), 0);
	assert_int_equal(mkdir(own, 0700), 0);
}

void fixture_require_vsock(void)
{
	union name name;
	socklen_t len;
	int server, client, r = -1;

	over_vsock = true;
	server = make_socket();
	client = make_socket();
	len = vsock_name(&name, VMADDR_CID_ANY, VMADDR_PORT_ANY);
	if (server >= 0 && client >= 0 && bind(server, &name.any, len) == 0 &&
		listen(server, 1) == 0 && getsockname(server, &name.any, &len) == 0) {
		len = vsock_name(&name, VMADDR_CID_LOCAL, name.vm.svm_port);
		r = connect(client, &name.any, len);
	}
	close(server);
	close(client);
	if (r == 0)
		return;
	fprintf(stderr, "skipped: needs a loopback of vsock (the lab has it)\n");
	exit(77);
}
