/* SPDX-License-Identifier: Apache-2.0 */
/* What other methods say about the network: resolv.conf of CreateSandbox, counts of StatsContainer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "net.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* An empty /etc in the mount namespace that test and agent share. */
static void enter_empty_etc(void)
{
	assert_int_equal(mount("etc", "/etc", "tmpfs", 0, NULL), 0);
}

static void leave_etc(void)
{
	assert_int_equal(umount2("/etc", MNT_DETACH), 0);
}

static int create(struct fixture *f, const char *const *lines, size_t n, struct err *err)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	char *list[4];

	for (size_t i = 0; i < n; i++)
		list[i] = text(lines[i]);
	request.dns = list;
	request.n_dns = n;
	return call(f, "CreateSandbox", &request.base, err);
}

static void destroy(struct fixture *f)
{
	Grpc__DestroySandboxRequest request = GRPC__DESTROY_SANDBOX_REQUEST__INIT;

	assert_int_equal(call(f, "DestroySandbox", &request.base, NULL), 0);
}

static void assert_file(const char *path, const char *content)
{
	struct buf text = BUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, path, 4096, &text), 0);
	assert_string_equal(buf_str(&text), content);
	buf_fini(&text);
}

static void write_file(const char *path, const char *content)
{
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0644, content, strlen(content)), 0);
}

static const char *const lines[] = {
	" nameserver 192.0.2.1\n", "\tsearch a.example b.example ", "options ndots:5"};

static void resolv_conf_is_the_hosts_while_there_is_a_sandbox(void **state)
{
	struct fixture *f = *state;

	enter_empty_etc();
	write_file(RESOLV_CONF, "image's\n");
	assert_int_equal(create(f, lines, ARRAY_SIZE(lines), NULL), 0);
	assert_file(RESOLV_CONF, "nameserver 192.0.2.1\nsearch a.example b.example\n"
				 "options ndots:5");
	destroy(f);
	assert_file(RESOLV_CONF, "image's\n");
	leave_etc();
}

/* As systemd-resolved has it. */
static void a_link_in_the_image_stays(void **state)
{
	struct fixture *f = *state;

	enter_empty_etc();
	assert_int_equal(mkdir("/etc/stub", 0755), 0);
	write_file("/etc/stub/resolv.conf", "image's\n");
	assert_int_equal(symlink("stub/resolv.conf", RESOLV_CONF), 0);
	assert_int_equal(create(f, lines, 1, NULL), 0);
	assert_file(RESOLV_CONF, "nameserver 192.0.2.1");
	destroy(f);
	assert_file(RESOLV_CONF, "image's\n");
	assert_file("/etc/stub/resolv.conf", "image's\n");
	leave_etc();
}

static void without_a_file_nothing_is_made(void **state)
{
	struct fixture *f = *state;

	enter_empty_etc();
	assert_int_equal(create(f, lines, ARRAY_SIZE(lines), NULL), 0);
	assert_int_equal(access(RESOLV_CONF, F_OK), -1);
	destroy(f);
	leave_etc();
}

static void without_lines_nothing_is_changed(void **state)
{
	struct fixture *f = *state;

	enter_empty_etc();
	write_file(RESOLV_CONF, "image's\n");
	assert_int_equal(create(f, NULL, 0, NULL), 0);
	assert_file(RESOLV_CONF, "image's\n");
	destroy(f);
	leave_etc();
}

static void a_directory_in_its_place_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	enter_empty_etc();
	assert_int_equal(mkdir(RESOLV_CONF, 0755), 0);
	assert_int_equal(create(f, lines, 1, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, RESOLV_CONF));
	assert_non_null(strstr(err.msg, "directory"));
	/* There is no half of a sandbox. */
	assert_int_equal(rmdir(RESOLV_CONF), 0);
	assert_int_equal(create(f, lines, 1, NULL), 0);
	destroy(f);
	leave_etc();
}

static void a_container_is_told_what_went_through_the_guest(void **state)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	int64_t deadline_ns = clock_now_ns() + 30 * NS_PER_S;
	const Grpc__StatsContainerResponse *stats;
	struct fixture *f = *state;
	struct reply reply;

	ip("link set lo up");
	ip("link add v0 address 02:00:00:00:00:0a type veth peer name v1");
	ip("link set v0 up");
	ip("link set v1 up");
	ip("addr add 10.1.0.2/24 dev v0");
	ip("neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 dev v0");
	run_container(f, "c1", "echo hello | nc -u -w 1 10.1.0.1 9; exec sleep 1000");
	request.container_id = text("c1");
	do {
		call_start(f, "StatsContainer", &request.base,
			&grpc__stats_container_response__descriptor, &reply);
		call_wait(f, &reply);
		stats = (const Grpc__StatsContainerResponse *)reply.message;
		assert_non_null(stats);
		assert_int_equal(stats->n_network_stats, 2);
		if (stats->network_stats[0]->tx_packets + stats->network_stats[1]->tx_packets > 0)
			break;
		assert_true(clock_now_ns() < deadline_ns);
		reply_fini(&reply);
	} while (true);
	for (size_t i = 0; i < 2; i++) {
		const Grpc__NetworkStats *s = stats->network_stats[i];

		assert_true(strcmp(s->name, i ? "v0" : "v1") == 0 ||
			    strcmp(s->name, i ? "v1" : "v0") == 0);
		assert_true(s->has_rx_bytes && s->has_tx_dropped);
		assert_true(s->tx_packets == 0 || s->tx_bytes > s->tx_packets);
	}
	reply_fini(&reply);
	assert_int_equal(remove_container(f, "c1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		net_test(resolv_conf_is_the_hosts_while_there_is_a_sandbox),
		net_test(a_link_in_the_image_stays),
		net_test(without_a_file_nothing_is_made),
		net_test(without_lines_nothing_is_changed),
		net_test(a_directory_in_its_place_is_an_error),
		net_test(a_container_is_told_what_went_through_the_guest),
	};

	net_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
