/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "agent/port.h"
#include "base/clock.h"

enum { NUMBER = 1027 };

struct fixture {
	struct loop *loop;
	struct port *port;
	struct options options;
	uint32_t peer_port;
	int n_accepted;
};

static void on_accepted(void *data, int fd, uint32_t peer_port)
{
	struct fixture *f = data;

	f->n_accepted++;
	f->peer_port = peer_port;
	close_fd(fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	options_init(&f->options);
	snprintf(f->options.ports_dir, sizeof(f->options.ports_dir), "/tmp/kihon-port.XXXXXX");
	assert_non_null(mkdtemp(f->options.ports_dir));
	f->options.has_local_host = true;
	assert_int_equal(loop_new(&f->loop), 0);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	port_close(f->port);
	loop_free(f->loop);
	/* The socket's name has gone with it. */
	assert_int_equal(rmdir(f->options.ports_dir), 0);
	free(f);
	return 0;
}

static void start(struct fixture *f)
{
	struct err err = ERR_INIT;

	assert_int_equal(
		port_listen(f->loop, &f->options, NUMBER, on_accepted, f, &f->port, &err), 0);
}

/* name NULL: none; "@x" an abstract one. */
static int connect_as(const struct fixture *f, const char *name)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX}, addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (name) {
		socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));

		memcpy(own.sun_path, name, strlen(name));
		own.sun_path[0] = '\0';
		assert_int_equal(bind(fd, (struct sockaddr *)&own, len), 0);
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%d", f->options.ports_dir, NUMBER);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void addresses_are_those_of_vsock_unless_something_stands_in(void **state)
{
	char address[PORT_ADDRESS_SIZE];
	struct options o;

	(void)state;
	options_init(&o);
	port_format_own(&o, 1025, address);
	assert_string_equal(address, "vsock://-1:1025");
	port_format_host(&o, 10240, address);
	assert_string_equal(address, "vsock://2:10240");
	o.has_local_host = true;
	port_format_own(&o, 1025, address);
	assert_string_equal(address, "vsock://-1:1025");
	port_format_host(&o, 10240, address);
	assert_string_equal(address, "vsock://1:10240");
	memset(o.ports_dir, 'd', sizeof(o.ports_dir) - 1);
	o.ports_dir[0] = '/';
	port_format_own(&o, UINT32_MAX, address);
	assert_int_equal(strlen(address), strlen("unix://") + OPTIONS_PATH_SIZE - 1 + 11);
	snprintf(o.ports_dir, sizeof(o.ports_dir), "/x");
	port_format_host(&o, 10240, address);
	assert_string_equal(address, "unix:///x/10240");
}

static void a_peers_port_is_the_end_of_its_name(void **state)
{
	static const struct {
		const char *name;
		uint32_t port;
	} rows[] = {
		{NULL, 0},
		{"@kihon-port-test/77", 77},
		{"@kihon/port/test/4294967295", UINT32_MAX},
		{"@kihon-port-test/4294967296", 0},
		{"@kihon-port-test/99999999999999999999", 0},
		{"@kihon-port-test/", 0},
		{"@kihon-port-test/7x", 0},
		{"@kihon-port-test/-7", 0},
		{"@kihon-port-test/ 7", 0},
		{"@77", 0},
	};
	struct fixture *f = *state;

	start(f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = connect_as(f, rows[i].name);

		f->peer_port = 12345;
		assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
		assert_int_equal(f->n_accepted, i + 1);
		if (f->peer_port != rows[i].port)
			fail_msg("%s: %u", rows[i].name, f->peer_port);
		close_fd(fd);
	}
}

static void without_descriptors_it_waits_and_comes_back(void **state)
{
	struct rlimit old, few;
	struct fixture *f = *state;
	int64_t from_ns;
	int fd;

	start(f);
	fd = connect_as(f, NULL);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){.rlim_cur = 3, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
	/* It does not turn round and round meanwhile. */
	from_ns = clock_now_ns();
	assert_int_equal(loop_run_once(f->loop, 200 * NS_PER_MS), 0);
	assert_true(clock_now_ns() - from_ns >= 190 * NS_PER_MS);
	assert_int_equal(f->n_accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (f->n_accepted == 0) {
		assert_true(clock_now_ns() - from_ns < 10 * NS_PER_S);
		assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
	}
	close_fd(fd);
}

static void a_port_that_is_taken_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct port *second = NULL;
	struct err err = ERR_INIT;

	start(f);
	assert_int_equal(port_listen(f->loop, &f->options, NUMBER, on_accepted, f, &second, &err),
		-EADDRINUSE);
	assert_null(second);
	assert_non_null(strstr(err.msg, "/1027: Address already in use"));
	/* The first one's name is still there. */
	close_fd(connect_as(f, NULL));
}

/* The loopback of vsock: the lab has it. */
static int connect_vsock(uint32_t cid, uint32_t number)
{
	struct sockaddr_vm addr = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = number};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int code = errno;

		close_fd(fd);
		errno = code;
		return -1;
	}
	return fd;
}

static void on_vsock_only_the_host_is_let_in(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int fd;

	f->options.has_local_host = false;
	f->options.ports_dir[0] = '\0';
	if (port_listen(f->loop, &f->options, NUMBER, on_accepted, f, &f->port, &err) < 0) {
		print_message("no vsock here: %s\n", err.msg);
		skip();
	}
	fd = connect_vsock(VMADDR_CID_LOCAL, NUMBER);
	if (fd < 0) {
		print_message("no loopback of vsock here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
	assert_int_equal(f->n_accepted, 0);
	assert_int_equal(recv(fd, &(char){0}, 1, 0), 0);
	close_fd(fd);
	port_close(take_ptr(&f->port));
	/* Unless this machine is the host. */
	f->options.has_local_host = true;
	assert_int_equal(
		port_listen(f->loop, &f->options, NUMBER, on_accepted, f, &f->port, &err), 0);
	fd = connect_vsock(VMADDR_CID_LOCAL, NUMBER);
	assert_true(fd >= 0);
	assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
	assert_int_equal(f->n_accepted, 1);
	assert_true(f->peer_port > 0);
	close_fd(fd);
}

static int set_up_vsock(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	options_init(&f->options);
	return loop_new(&f->loop);
}

static int tear_down_vsock(void **state)
{
	struct fixture *f = *state;

	port_close(f->port);
	loop_free(f->loop);
	free(f);
	return 0;
}

#define port_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_those_of_vsock_unless_something_stands_in),
		port_test(a_peers_port_is_the_end_of_its_name),
		port_test(without_descriptors_it_waits_and_comes_back),
		port_test(a_port_that_is_taken_is_an_error),
		cmocka_unit_test_setup_teardown(
			on_vsock_only_the_host_is_let_in, set_up_vsock, tear_down_vsock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
