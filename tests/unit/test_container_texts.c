/* SPDX-License-Identifier: Apache-2.0 */
/* What of a container is read from texts: passwd lines, environments, sysctl keys, paths. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "agent/container/environment.h"
#include "agent/container/passwd.h"
#include "agent/container/rootfs.h"
#include "agent/container/sysctl.h"
#include "oom.h"
#include "wire/message.h"

static void homes_are_found_in_well_formed_lines(void **state)
{
	static const char text[] = "root:x:0:0:root:/root:/bin/sh\n"
				   "neg:x:-1:0::/neg:\n"
				   "plus:x:+7:0::/plus:\n"
				   "short:x:8:0:/short\n"
				   "long:x:9:0:::/x:/y:/z\n"
				   "big:x:4294967296:0::/big:\n"
				   "rel:x:10:0::home:\n"
				   "empty:x:11:0:::\n"
				   "twice:x:12:0::/first:\n"
				   "twice:x:12:0::/second:\n"
				   "space:x: 13:0::/space:\n"
				   "zeros:x:0000000014:0::/zeros:\n"
				   "\n:::::\n"
				   "max:x:4294967295:0::/max:\n"
				   "last:x:15:0::/last:";
	static const struct {
		uint32_t uid;
		const char *home;
	} rows[] = {
		{0, "/root"},
		{7, NULL},
		{8, NULL},
		{9, NULL},
		{10, NULL},
		{11, NULL},
		{12, "/first"},
		{13, NULL},
		{14, "/zeros"},
		{15, "/last"},
		{UINT32_MAX, "/max"},
		{99, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *home = NULL;
		int r = passwd_find_home(slice_of_str(text), rows[i].uid, &home);

		assert_int_equal(r, rows[i].home ? 0 : -ENOENT);
		if (rows[i].home)
			assert_string_equal(home, rows[i].home);
		free(home);
	}
	assert_int_equal(passwd_find_home(slice_of(NULL, 0), 0, NULL), -ENOENT);
	/* A NUL or an endless path: as if the line were not there. */
	assert_int_equal(passwd_find_home(slice_of("r:x:0:0::/a\0b:", 15), 0, NULL), -ENOENT);
}

static void environments_keep_places_and_last_values(void **state)
{
	static const char *const entries[] = {"A=1", "PATH=/x", "A=2", "=v", "B", "", "E=", "A==3"};
	struct environment env;

	(void)state;
	assert_int_equal(
		environment_build((char **)(uintptr_t)entries, ARRAY_SIZE(entries), -1, &env), 0);
	assert_int_equal(env.n_vars, 3);
	assert_string_equal(env.vars[0], "A==3");
	assert_string_equal(env.vars[1], "PATH=/x");
	assert_string_equal(env.vars[2], "E=");
	assert_null(env.vars[3]);
	assert_string_equal(environment_find(&env, "A"), "=3");
	assert_string_equal(environment_find(&env, "E"), "");
	assert_null(environment_find(&env, "PAT"));
	assert_null(environment_find(&env, "PATHS"));
	assert_int_equal(environment_add_home(&env, 0), 0);
	assert_non_null(environment_find(&env, "HOME"));
	assert_null(env.vars[4]);
	environment_fini(&env);
	assert_int_equal(environment_build(NULL, 0, -1, &env), 0);
	assert_null(env.vars[0]);
	environment_fini(&env);
}

static void environments_without_memory_fail(void **state)
{
	static const char *const entries[] = {"A=1", "B=2", "A=3"};
	struct environment env;

	(void)state;
	OOM_SWEEP(n)
	{
		int r;

		oom_arm(n);
		r = environment_build((char **)(uintptr_t)entries, ARRAY_SIZE(entries), -1, &env);
		oom_disarm();
		if (r == 0)
			environment_fini(&env);
		else
			assert_int_equal(r, -ENOMEM);
	}
}

static void sysctl_keys_have_two_notations(void **state)
{
	static const struct {
		const char *key, *path;
	} rows[] = {
		{"net.ipv4.ip_forward", "net/ipv4/ip_forward"},
		{"net/ipv4/ip_forward", "net/ipv4/ip_forward"},
		{"net.ipv4.conf.eth0/1.mtu", "net/ipv4/conf/eth0.1/mtu"},
		{"net/ipv4/conf/eth0.1/mtu", "net/ipv4/conf/eth0.1/mtu"},
		{"kernel", "kernel"},
		{"", NULL},
		{".", NULL},
		{"net.", NULL},
		{".net", NULL},
		{"net..x", NULL},
		{"net/../kernel/core_pattern", NULL},
		{"net/./x", NULL},
		{"net.//.kernel", NULL},
		{"net././.x", NULL},
		{"/net/x", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *path = NULL;
		int r = sysctl_parse_key(rows[i].key, &path);

		if (r != (rows[i].path ? 0 : -EINVAL))
			fail_msg("\"%s\": %d", rows[i].key, r);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
		free(path);
	}
}

static int check_sysctl(const char *key, const char *namespace)
{
	Grpc__Linux__SysctlEntry entry = GRPC__LINUX__SYSCTL_ENTRY__INIT;
	Grpc__Linux__SysctlEntry *entries[] = {&entry};
	Grpc__LinuxNamespace ns = GRPC__LINUX_NAMESPACE__INIT;
	Grpc__LinuxNamespace *namespaces[] = {&ns};
	Grpc__Linux l = GRPC__LINUX__INIT;

	entry.key = message_text(key);
	ns.type = message_text(namespace);
	l.n_sysctl = 1;
	l.sysctl = entries;
	l.n_namespaces = 1;
	l.namespaces = namespaces;
	return sysctl_check(&l, NULL);
}

static void only_namespaced_sysctls_may_be_set(void **state)
{
	static const struct {
		const char *key, *namespace;
		bool allowed;
	} rows[] = {
		{"net.core.somaxconn", "mount", true},
		{"net/core/somaxconn", "mount", true},
		{"net", "mount", false},
		{"network.x", "mount", false},
		{"kernel.msgmax", "ipc", true},
		{"kernel.msgmax", "uts", false},
		{"kernel.sem", "ipc", true},
		{"kernel.shm_rmid_forced", "ipc", true},
		{"fs.mqueue.msg_max", "ipc", true},
		{"fs.mqueue.msg_max", "mount", false},
		{"kernel.domainname", "uts", true},
		{"kernel.domainname", "ipc", false},
		{"kernel.hostname", "uts", false},
		{"kernel.core_pattern", "ipc", false},
		{"kernel.msgmaxx", "ipc", false},
		{"vm.overcommit_memory", "ipc", false},
		{"net/../kernel/core_pattern", "ipc", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (check_sysctl(rows[i].key, rows[i].namespace) != (rows[i].allowed ? 0 : -EINVAL))
			fail_msg("%s with %s", rows[i].key, rows[i].namespace);
}

static void paths_are_cleaned(void **state)
{
	static const struct {
		const char *path, *clean;
	} rows[] = {
		{"/", "/"},
		{"//", "/"},
		{"/./", "/"},
		{"/a", "/a"},
		{"/a/", "/a"},
		{"//a//b/./c/.", "/a/b/c"},
		{"/..a/b..", "/..a/b.."},
		{"/.../x", "/.../x"},
		{"", NULL},
		{"a", NULL},
		{"./a", NULL},
		{"/..", NULL},
		{"/a/..", NULL},
		{"/a/../b", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *clean = NULL;
		int r = rootfs_clean_path(rows[i].path, &clean);

		assert_int_equal(r, rows[i].clean ? 0 : -EINVAL);
		if (rows[i].clean)
			assert_string_equal(clean, rows[i].clean);
		free(clean);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(homes_are_found_in_well_formed_lines),
		cmocka_unit_test(environments_keep_places_and_last_values),
		cmocka_unit_test(environments_without_memory_fail),
		cmocka_unit_test(sysctl_keys_have_two_notations),
		cmocka_unit_test(only_namespaced_sysctls_may_be_set),
		cmocka_unit_test(paths_are_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
