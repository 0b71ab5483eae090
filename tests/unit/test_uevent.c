/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "linux/uevent.h"

#define MESSAGE(variables) \
	"add@/devices/x\0" \
	"ACTION=add\0DEVPATH=/devices/x\0" variables

struct row {
	const char *text;
	size_t len;
	int r;
	struct uevent e;
};

/* What the literal's own NUL adds belongs to it: the last variable's end. */
#define ROW(literal, ...)                             \
	{                                             \
		literal, sizeof(literal), __VA_ARGS__ \
	}

static void assert_text(const char *is, const char *should_be)
{
	if (should_be)
		assert_string_equal(is, should_be);
	else
		assert_null(is);
}

static void assert_same(const struct uevent *is, const struct uevent *e)
{
	assert_text(is->action, e->action);
	assert_text(is->devpath, e->devpath);
	assert_text(is->subsystem, e->subsystem);
	assert_text(is->devname, e->devname);
	assert_text(is->interface, e->interface);
	assert_int_equal(is->major, e->major);
	assert_int_equal(is->minor, e->minor);
}

static void messages_are_read(void **state)
{
	static const struct row rows[] = {
		ROW(MESSAGE("SUBSYSTEM=block\0MAJOR=254\0MINOR=16\0DEVNAME=vdb\0SEQNUM=7"), 0,
			{"add", "/devices/x", "block", "vdb", NULL, 254, 16}),
		ROW(MESSAGE("SUBSYSTEM=net\0INTERFACE=eth0"), 0,
			{"add", "/devices/x", "net", NULL, "eth0", -1, -1}),
		ROW(MESSAGE("DEVNAME=vfio/3\0MAJOR=0\0MINOR=4294967295"), 0,
			{"add", "/devices/x", NULL, "vfio/3", NULL, 0, UINT32_MAX}),
		ROW(MESSAGE("NOT A VARIABLE\0=\0X=\0DEVNAME=a=b"), 0,
			{"add", "/devices/x", NULL, "a=b", NULL, -1, -1}),
		/* The last one lacks its NUL. */
		{MESSAGE("DEVNAME=vda"), sizeof(MESSAGE("DEVNAME=vda")) - 1, 0,
			{"add", "/devices/x", NULL, "vda", NULL, -1, -1}},
		{"", 0, -EINVAL, {0}},
		{"add@/devices/x", 14, -EINVAL, {0}},
		ROW("add@/devices/x", -EINVAL, {0}),
		ROW("x\0ACTION=add", -EINVAL, {0}),
		ROW("x\0DEVPATH=/devices/x", -EINVAL, {0}),
		ROW("x\0ACTION=\0DEVPATH=/devices/x", -EINVAL, {0}),
		ROW("x\0ACTION=add\0DEVPATH=devices/x", -EINVAL, {0}),
		ROW("x\0ACTION=add\0DEVPATH=/devices/../x", -EINVAL, {0}),
		ROW("x\0ACTION=add\0DEVPATH=/devices/..", -EINVAL, {0}),
		ROW("x\0ACTION=add\0DEVPATH=/devices/..x", 0,
			{"add", "/devices/..x", NULL, NULL, NULL, -1, -1}),
		ROW(MESSAGE("DEVPATH=/devices/y"), -EINVAL, {0}),
		ROW(MESSAGE("DEVNAME=/etc/passwd"), -EINVAL, {0}),
		ROW(MESSAGE("DEVNAME=../etc/passwd"), -EINVAL, {0}),
		ROW(MESSAGE("DEVNAME="), -EINVAL, {0}),
		ROW(MESSAGE("MAJOR=4294967296"), -EINVAL, {0}),
		ROW(MESSAGE("MAJOR=-1"), -EINVAL, {0}),
		ROW(MESSAGE("MAJOR="), -EINVAL, {0}),
		ROW(MESSAGE("MINOR=1\0MINOR=1"), -EINVAL, {0}),
		ROW(MESSAGE("X=\xff"), -EINVAL, {0}),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = malloc(rows[i].len + 1);
		struct uevent e;

		memcpy(text, rows[i].text, rows[i].len);
		if (uevent_parse_message(text, rows[i].len, &e) != rows[i].r)
			fail_msg("row %zu", i);
		if (rows[i].r == 0)
			assert_same(&e, &rows[i].e);
		free(text);
	}
}

static void files_of_sysfs_are_read(void **state)
{
	char text[] = "MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\n", nul[] = "DEVNAME=v\0a\n";
	struct uevent e;

	(void)state;
	assert_int_equal(uevent_parse_variables(text, strlen(text), '\n', &e), 0);
	assert_same(&e, &(struct uevent){.devname = "vda", .major = 254});
	assert_int_equal(uevent_parse_variables(nul, sizeof(nul) - 1, '\n', &e), -EINVAL);
	assert_int_equal(uevent_parse_variables(nul, 0, '\n', &e), 0);
	assert_same(&e, &(struct uevent){.major = -1, .minor = -1});
}

static int wait_for(int fd, const char *devpath, struct uevent *e, char buf[UEVENT_MAX + 1])
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, 2000) == 1) {
		int r = uevent_receive(fd, buf, e);

		if (r < 0 && r != -EAGAIN)
			return r;
		if (r == 1 && strcmp(e->devpath, devpath) == 0)
			return 0;
	}
	return -ETIMEDOUT;
}

static void the_kernel_is_heard(void **state)
{
	auto_fd int fd = uevent_open();
	char buf[UEVENT_MAX + 1];
	struct uevent e;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(uevent_receive(fd, buf, &e), -EAGAIN);
	if (io_write_file(AT_FDCWD, "/sys/devices/virtual/mem/null/uevent", "change") < 0) {
		print_message("no events can be asked for: sysfs is read-only\n");
		skip();
	}
	assert_int_equal(wait_for(fd, "/devices/virtual/mem/null", &e, buf), 0);
	assert_string_equal(e.action, "change");
	assert_string_equal(e.devname, "null");
	assert_int_equal(e.major, 1);
	assert_int_equal(e.minor, 3);
}

/* A process may send to whoever listens. */
static void others_are_not_heard(void **state)
{
	static const char message[] = MESSAGE("SUBSYSTEM=block");
	auto_fd int fd = uevent_open(),
		    sender = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(to);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[UEVENT_MAX + 1];
	struct uevent e;

	(void)state;
	/* To its port, for which no privilege is needed. */
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	to.nl_groups = 0;
	if (sendto(sender, message, sizeof(message), 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
		print_message("no process can send to others here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(poll(&p, 1, 2000), 1);
	assert_int_equal(uevent_receive(fd, buf, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_read),
		cmocka_unit_test(files_of_sysfs_are_read),
		cmocka_unit_test(the_kernel_is_heard),
		cmocka_unit_test(others_are_not_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
