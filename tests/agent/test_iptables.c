/* SPDX-License-Identifier: Apache-2.0 */
/* GetIPTables and SetIPTables, with the machine's own programs in a namespace of the test's. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "net.h"

#define SAVE "/usr/sbin/iptables-save"

static const char rule_v4[] = "-A INPUT -s 192.0.2.1/32 -j DROP";
static const char rule_v6[] = "-A INPUT -s 2001:db8::1/128 -j DROP";

static int set(struct fixture *f, bool is_ipv6, const char *rules, struct err *err)
{
	Grpc__SetIPTablesRequest request = GRPC__SET_IPTABLES_REQUEST__INIT;

	request.has_is_ipv6 = request.has_data = 1;
	request.is_ipv6 = is_ipv6;
	request.data.data = (uint8_t *)text(rules);
	request.data.len = strlen(rules);
	return call(f, "SetIPTables", &request.base, err);
}

static int get(struct fixture *f, bool is_ipv6, struct buf *rules, struct err *err)
{
	Grpc__GetIPTablesRequest request = GRPC__GET_IPTABLES_REQUEST__INIT;
	const Grpc__GetIPTablesResponse *response;
	struct reply reply;

	request.has_is_ipv6 = 1;
	request.is_ipv6 = is_ipv6;
	call_start(
		f, "GetIPTables", &request.base, &grpc__get_iptables_response__descriptor, &reply);
	call_wait(f, &reply);
	*err = reply.err;
	response = (const Grpc__GetIPTablesResponse *)reply.message;
	if (response)
		assert_int_equal(buf_append(rules, response->data.data, response->data.len), 0);
	reply_fini(&reply);
	return err_is_set(&reply.err) ? (int)wire_status_of(&reply.err) : 0;
}

static void assert_rules(struct fixture *f, bool is_ipv6, const char *has, const char *has_not)
{
	struct buf rules = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(get(f, is_ipv6, &rules, &err), 0);
	if (has && !strstr(buf_str(&rules), has))
		fail_msg("no \"%s\" in: %s", has, buf_str(&rules));
	if (has_not)
		assert_null(strstr(buf_str(&rules), has_not));
	buf_fini(&rules);
}

static void rules_are_set_and_told(void **state)
{
	struct fixture *f = *state;
	char rules[256];

	assert_rules(f, false, NULL, "DROP");
	snprintf(rules, sizeof(rules), "*filter\n%s\nCOMMIT\n", rule_v4);
	assert_int_equal(set(f, false, rules, NULL), 0);
	snprintf(rules, sizeof(rules), "*filter\n%s\nCOMMIT\n", rule_v6);
	assert_int_equal(set(f, true, rules, NULL), 0);
	assert_rules(f, false, rule_v4, rule_v6);
	assert_rules(f, true, rule_v6, rule_v4);
	/* They take the place of the old ones. */
	assert_int_equal(set(f, false, "*filter\nCOMMIT\n", NULL), 0);
	assert_rules(f, false, NULL, rule_v4);
	assert_int_equal(set(f, false, "", NULL), 0);
}

static void rules_that_are_none_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char rules[256];

	snprintf(rules, sizeof(rules), "*filter\n%s\nCOMMIT\n", rule_v4);
	assert_int_equal(set(f, false, rules, NULL), 0);
	assert_int_equal(
		set(f, false, "*filter\n-A INPUT -j NOSUCH\nCOMMIT\n", &err), WIRE_INTERNAL);
	/* In the program's own words. */
	assert_non_null(strstr(err.msg, "iptables-restore"));
	assert_non_null(strstr(err.msg, "exited with status"));
	assert_rules(f, false, rule_v4, NULL);
}

/* Over the machine's own, in the test's mount namespace, for the agents to come. */
static void mount_over(const char *path, const char *script)
{
	char name[] = "/tmp/kihon-iptables.XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, script, strlen(script)), 0);
	/* One that is not to be run is none. */
	assert_int_equal(fchmod(fd, *script ? 0755 : 0644), 0);
	close(fd);
	assert_int_equal(mount(name, path, NULL, MS_BIND, NULL), 0);
	assert_int_equal(unlink(name), 0);
}

static void a_guest_without_the_program_says_so(void **state)
{
	struct fixture *f = *state;
	struct buf rules = BUF_INIT;
	struct err err = ERR_INIT;

	mount_over(SAVE, "");
	assert_int_equal(get(f, false, &rules, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "iptables-save"));
	assert_non_null(strstr(err.msg, "this guest has none"));
	assert_int_equal(buf_len(&rules), 0);
	assert_int_equal(umount2(SAVE, MNT_DETACH), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		net_test(rules_are_set_and_told),
		net_test(rules_that_are_none_change_nothing),
		net_test(a_guest_without_the_program_says_so),
	};

	net_require();
	if (access(SAVE, X_OK) < 0) {
		fprintf(stderr, "skipped: needs " SAVE " (package iptables)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
