/* SPDX-License-Identifier: Apache-2.0 */
/* The socket, in a network namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "linux/rtnl.h"

static int enter_namespace(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
}

static void a_dump_holds_the_loopback_interface(void **state)
{
	auto_rtnl struct rtnl nl = RTNL_INIT;
	auto_buf struct buf list = BUF_INIT;
	struct rtnl_message m;
	struct rtnl_link link;
	struct slice rest;

	(void)state;
	assert_int_equal(rtnl_open(&nl), 0);
	assert_int_equal(rtnl_dump(&nl, RTM_GETLINK, AF_UNSPEC, &list), 0);
	rest = buf_slice(&list);
	assert_int_equal(rtnl_next_message(&rest, &m), 1);
	assert_int_equal(m.type, RTM_NEWLINK);
	assert_int_equal(rtnl_decode_link(m.body, &link), 0);
	assert_string_equal(link.name, "lo");
	assert_true(link.flags & IFF_LOOPBACK);
	/* Nothing has an address yet. */
	buf_clear(&list);
	assert_int_equal(rtnl_dump(&nl, RTM_GETADDR, AF_UNSPEC, &list), 0);
	assert_int_equal(buf_len(&list), 0);
}

static void errors_carry_the_kernels_words(void **state)
{
	struct rtnl_link_change change = {.index = 1, .mtu = UINT32_MAX};
	auto_rtnl struct rtnl nl = RTNL_INIT;
	struct err err = ERR_INIT;
	struct rtnl_request q;

	(void)state;
	assert_int_equal(rtnl_open(&nl), 0);
	rtnl_encode_link(&change, &q);
	assert_int_equal(rtnl_call(&nl, &q), -EINVAL);
	assert_int_equal(rtnl_error(&nl, -EINVAL, &err, "set %s", "it"), -EINVAL);
	assert_memory_equal(err.msg, "set it: Invalid argument (", 26);
	change = (struct rtnl_link_change){.index = 999, .mtu = 1500};
	rtnl_encode_link(&change, &q);
	assert_int_equal(rtnl_call(&nl, &q), -ENODEV);
	change = (struct rtnl_link_change){.index = 1, .flags = IFF_UP, .flags_mask = IFF_UP};
	rtnl_encode_link(&change, &q);
	assert_int_equal(rtnl_call(&nl, &q), 0);
	assert_string_equal(nl.why, "");
}

/* Tells of a link that there is not, as a container could. */
static int forge(int fd)
{
	struct rtnl_link_change change = {.index = 1, .name = "eth0"};
	struct sockaddr_nl to;
	socklen_t len = sizeof(to);
	struct rtnl_request q;
	auto_fd int liar = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	rtnl_encode_link(&change, &q);
	return sendto(liar, q.bytes, q.len, 0, (struct sockaddr *)&to, len) < 0 ? -errno : 0;
}

static void only_the_kernel_is_believed(void **state)
{
	auto_rtnl struct rtnl nl = RTNL_INIT;
	auto_fd int fd = rtnl_open_link_monitor();
	struct rtnl_link_change change = {.index = 1, .mtu = 1500};
	struct rtnl_request q;
	uint8_t bytes[4096];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(rtnl_open(&nl), 0);
	assert_int_equal(forge(fd), 0);
	assert_int_equal(rtnl_receive(fd, bytes, sizeof(bytes)), 0);
	assert_int_equal(rtnl_receive(fd, bytes, sizeof(bytes)), -EAGAIN);
	/* Nor is it an answer to a request. */
	assert_int_equal(forge(nl.fd), 0);
	rtnl_encode_link(&change, &q);
	assert_int_equal(rtnl_call(&nl, &q), 0);
	assert_true(rtnl_receive(fd, bytes, sizeof(bytes)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_dump_holds_the_loopback_interface, enter_namespace),
		cmocka_unit_test_setup(errors_carry_the_kernels_words, enter_namespace),
		cmocka_unit_test_setup(only_the_kernel_is_believed, enter_namespace),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "skipped: needs root and network namespaces\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
