/* SPDX-License-Identifier: Apache-2.0 */
/* Containers with a user namespace: who they are, and what works all the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "launch_rig.h"
#include "wire/status.h"

#define BASE 200000
#define NAMESPACES                                                                         \
	"[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"uts\"},{\"type\":\"ipc\"},{" \
	"\"type\":"                                                                        \
	"\"user\"}]"
#define MAPS                                                                       \
	",\"uidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}]"

static struct outcome out;

/* A fresh root that belongs to the container's root. */
static int own_root(void **state)
{
	pid_t pid;
	int status;

	if (rig_fresh_root(state) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		execl("/bin/busybox", "chown", "-hR", "200000:200000", rig_root, (char *)NULL);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

#define userns_test(name) cmocka_unit_test_setup(name, own_root)

static struct plan inside(void)
{
	return (struct plan){.namespaces = NAMESPACES, .linux_members = MAPS};
}

static void assert_prints(struct plan plan, const char *script, const char *expected)
{
	rig_sh(plan, script, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, expected);
}

static void root_is_nobody_in_the_guest(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	assert_prints(inside(),
		"id -u; id -g; tr -s ' ' </proc/self/uid_map; touch /made; stat -c %u /made",
		"0\n0\n 0 200000 65536\n0\n");
	snprintf(path, sizeof(path), "%s/made", rig_root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, BASE);
	assert_int_equal(st.st_gid, BASE);
}

static void users_of_the_container_are_mapped(void **state)
{
	struct plan plan = inside();

	(void)state;
	plan.process = ",\"user\":{\"uid\":1000,\"gid\":7,\"additionalGids\":[8]}";
	assert_prints(
		plan, "id; echo again >/dev/stdout", "uid=1000(user) gid=7 groups=8\nagain\n");
	plan.process = ",\"user\":{\"uid\":70000,\"gid\":0}";
	rig_run(&plan, &out);
	assert_false(out.created);
	assert_string_equal(out.err.msg, "uid 70000 has no mapping in the container");
}

/* Its rights end at its own namespaces. */
static void root_has_no_rights_in_the_guest(void **state)
{
	struct plan plan = inside();

	(void)state;
	plan.mounts = "{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/etc\"}";
	assert_prints(plan,
		"cat /guest/shadow 2>/dev/null || echo unreadable; touch /guest/x 2>/dev/null || "
		"echo unwritable; mknod /node c 1 3 2>/dev/null || echo no node",
		"unreadable\nunwritable\nno node\n");
}

static void the_usual_file_systems_are_there(void **state)
{
	struct plan plan = inside();

	(void)state;
	plan.mounts = "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
		      "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
		      "{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
		      "\"options\":[\"nosuid\",\"noexec\",\"nodev\"]}";
	assert_prints(plan,
		"sed -n 's,.* \\(/[a-z/]*\\) .* - \\([a-z]*\\) .*,\\1 \\2,p' /proc/self/mountinfo "
		"| grep -v ' /dev/[a-z]* .*tmpfs$' | grep -v '^/dev/[nzfrut]' | grep -v '^/ ' | "
		"sort; "
		"ls /sys/class/net | grep lo",
		"/dev tmpfs\n/dev/mqueue mqueue\n/dev/pts devpts\n/dev/shm tmpfs\n/proc proc\n"
		"/sys sysfs\nlo\n");
}

static void devices_are_bound(void **state)
{
	struct plan plan = inside();

	(void)state;
	plan.linux_members =
		MAPS ",\"devices\":["
		     "{\"path\":\"/dev/elsewhere\",\"type\":\"c\",\"major\":1,\"minor\":3},"
		     "{\"path\":\"/dev/sub/pipe\",\"type\":\"p\",\"fileMode\":438}]";
	assert_prints(plan,
		"cd /dev; stat -c '%n %F %t:%T' null zero full random urandom tty elsewhere "
		"sub/pipe; echo x >null; head -c 3 zero | wc -c; echo y >elsewhere; readlink ptmx",
		"null character special file 1:3\nzero character special file 1:5\n"
		"full character special file 1:7\nrandom character special file 1:8\n"
		"urandom character special file 1:9\ntty character special file 5:0\n"
		"elsewhere character special file 1:3\nsub/pipe fifo 0:0\n3\npts/ptmx\n");
	plan.linux_members = MAPS ",\"devices\":[{\"path\":\"/dev/none\",\"type\":\"c\",\"major\":"
				  "240,\"minor\":7}]";
	rig_run(&plan, &out);
	assert_false(out.created);
	assert_int_equal(out.err.code, ENODEV);
	assert_string_equal(out.err.msg, "device /dev/none (240:7) in the guest: No such device");
}

static void paths_are_masked_and_the_root_is_readonly(void **state)
{
	struct plan plan = inside();

	(void)state;
	plan.readonly = true;
	plan.linux_members = MAPS ",\"maskedPaths\":[\"/proc/kcore\",\"/etc/passwd\",\"/root\"],"
				  "\"readonlyPaths\":[\"/proc/sys\"]";
	assert_prints(plan,
		"wc -c </etc/passwd; touch /root/x 2>/dev/null || echo masked; touch /x "
		"2>/dev/null || echo readonly; echo 1 2>/dev/null >/proc/sys/kernel/shmmax || echo "
		"readonly; touch /dev/shm/x",
		"0\nmasked\nreadonly\nreadonly\n");
}

static void hostname_sysctls_and_limits_are_set(void **state)
{
	struct plan plan = inside();

	(void)state;
	plan.members = ",\"hostname\":\"inside\"";
	plan.process = ",\"oomScoreAdj\":500,\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":100,"
		       "\"hard\":120},{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":0}]";
	plan.linux_members = MAPS ",\"sysctl\":{\"kernel.shmmax\":\"12345678\"}";
	assert_prints(plan,
		"hostname; cat /proc/self/oom_score_adj /proc/sys/kernel/shmmax; ulimit -n; ulimit "
		"-Hn; ulimit -c",
		"inside\n500\n12345678\n100\n120\n0\n");
}

static void a_terminal_is_the_containers(void **state)
{
	struct plan plan = inside();

	(void)state;
	plan.terminal = true;
	assert_prints(plan, "tty; test -w /dev/console && echo >/dev/tty", "/dev/console\r\n\r\n");
}

static void an_exec_lives_in_the_same_namespace(void **state)
{
	struct plan plan = inside();
	struct rig_container init;

	(void)state;
	plan.args = "[\"sleep\",\"100\"]";
	plan.in_cgroup = true;
	plan.process = ",\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":90,\"hard\":95}]";
	rig_create(&plan, &init);
	if (init.failed)
		fail_msg("%s", init.err.msg);
	rig_release(&init);
	rig_exec(&init,
		"{\"args\":[\"sh\",\"-c\",\"id -u; tr -s ' ' </proc/self/uid_map; ulimit -n; "
		"test $(readlink /proc/1/ns/user) = $(readlink /proc/self/ns/user) && echo same; "
		"echo x >/dev/stdout; touch /by-exec\"],\"cwd\":\"/root\",\"env\":[\"PATH=/bin\"],"
		"\"capabilities\":{\"bounding\":[\"CAP_SYS_PTRACE\",\"CAP_DAC_OVERRIDE\"],"
		"\"effective\":[\"CAP_SYS_PTRACE\",\"CAP_DAC_OVERRIDE\"],"
		"\"permitted\":[\"CAP_SYS_PTRACE\",\"CAP_DAC_OVERRIDE\"]}}",
		&out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "0\n 0 200000 65536\n90\nsame\nx\n");
	rig_exec(&init,
		"{\"args\":[\"id\",\"-u\"],\"user\":{\"uid\":33,\"gid\":33},\"cwd\":\"/\",\"env\":["
		"\"PATH=/bin\"]}",
		&out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "33\n");
	rig_destroy(&init);
	assert_int_equal(launch_remove_cgroup(rig_cgroup, NULL), 0);
}

/* As the container's root could not: they are the guest's. */
static void namespaces_of_others_are_entered(void **state)
{
	struct rig_container other;
	struct plan plan = inside();
	char list[512], path[64], link[64], expected[80];
	ssize_t n;

	(void)state;
	rig_create(
		&(struct plan){.args = "[\"sleep\",\"100\"]", .members = ",\"hostname\":\"other\""},
		&other);
	assert_false(other.failed);
	rig_release(&other);
	snprintf(list, sizeof(list),
		"[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"},{\"type\":\"uts\","
		"\"path\":\"/proc/%d/ns/uts\"},{\"type\":\"ipc\",\"path\":\"/proc/%d/ns/ipc\"}]",
		(int)other.result.pid, (int)other.result.pid);
	plan.namespaces = list;
	plan.mounts = "{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\"}";
	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", (int)other.result.pid);
	n = readlink(path, link, sizeof(link) - 1);
	assert_true(n > 0);
	link[n] = '\0';
	snprintf(expected, sizeof(expected), "other\n%s\n", link);
	assert_prints(plan, "hostname; readlink /proc/self/ns/ipc", expected);
	plan.namespaces = NULL;
	snprintf(list, sizeof(list),
		"[{\"type\":\"mount\"},{\"type\":\"user\"},{\"type\":\"pid\",\"path\":"
		"\"/proc/%d/ns/pid\"}]",
		(int)other.result.pid);
	plan.namespaces = list;
	rig_run(&plan, &out);
	assert_false(out.created);
	assert_int_equal(out.err.code, ENOTSUP);
	rig_destroy(&other);
}

static void the_cgroup_is_given_only_if_it_can_be_written(void **state)
{
	static const char *const mounts[] = {
		"{\"destination\":\"/cg\",\"type\":\"cgroup\",\"options\":[\"rw\"]}",
		"{\"destination\":\"/cg\",\"type\":\"cgroup\",\"options\":[\"ro\"]}"};
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	struct plan plan = inside();

	(void)state;
	if (!layout || cgroup_layout_find_unified(layout) < 0)
		skip();
	plan.in_cgroup = true;
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		plan.mounts = mounts[i];
		assert_prints(plan,
			"stat -c %u /cg /cg/cgroup.procs /cg/cgroup.max.depth; mkdir /cg/sub "
			"2>/dev/null && echo made; true",
			i == 0 ? "0\n0\n65534\nmade\n" : "65534\n65534\n65534\n");
	}
}

static void hooks_see_it(void **state)
{
	struct plan plan = inside();
	char members[1024], path[128], text[64] = "";
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%.*s/hook-out", (int)(strlen(rig_root) - strlen("/root")),
		rig_root);
	snprintf(members, sizeof(members),
		",\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"id "
		"-u "
		">%s; hostname "
		">>%s.host\"],\"env\":[\"PATH=/bin:/usr/bin\"]}],\"createContainer\":[{"
		"\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"test $(id -u) = 0 && test "
		"$(hostname) "
		"= inside\"],\"env\":[\"PATH=/bin:/usr/bin\"]}]},\"hostname\":\"inside\"",
		path, path);
	plan.members = members;
	rig_run(&plan, &out);
	assert_exits(out, 0);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	assert_string_equal(text, "0\n");
}

static void maps_that_cannot_be_are_refused(void **state)
{
#define GIDS ",\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]"
	static const struct {
		const char *members, *error;
	} rows[] = {
		{"", "uidMappings: there are none"},
		{",\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]",
			"gidMappings: there are none"},
		{",\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":0}]" GIDS,
			"0 from 0 to 1 are no ids"},
		{",\"uidMappings\":[{\"containerID\":0,\"hostID\":4294967295,\"size\":1}]" GIDS,
			"are no ids"},
		{",\"uidMappings\":[{\"containerID\":1,\"hostID\":1,\"size\":4294967295}]" GIDS,
			"are no ids"},
		{",\"uidMappings\":[{\"containerID\":5,\"hostID\":1,\"size\":1}]" GIDS,
			"needs mappings of uid 0 and gid 0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct plan plan = {.namespaces = NAMESPACES, .linux_members = rows[i].members};

		rig_run(&plan, &out);
		assert_false(out.created);
		if (!strstr(out.err.msg, rows[i].error))
			fail_msg("%s", out.err.msg);
		assert_int_equal(out.err.status, WIRE_INVALID_ARGUMENT);
	}
}

/* Only the kernel knows these. */
static void maps_that_overlap_are_refused(void **state)
{
	struct plan plan = {.namespaces = NAMESPACES,
		.linux_members = ",\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":9},{"
				 "\"containerID\":5,\"hostID\":20,\"size\":9}]" GIDS};

	(void)state;
	rig_run(&plan, &out);
	assert_false(out.created);
	assert_string_equal(out.err.msg, "write the user namespace's uid_map: Invalid argument");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		userns_test(root_is_nobody_in_the_guest),
		userns_test(users_of_the_container_are_mapped),
		userns_test(root_has_no_rights_in_the_guest),
		userns_test(the_usual_file_systems_are_there),
		userns_test(devices_are_bound),
		userns_test(paths_are_masked_and_the_root_is_readonly),
		userns_test(hostname_sysctls_and_limits_are_set),
		userns_test(a_terminal_is_the_containers),
		userns_test(an_exec_lives_in_the_same_namespace),
		userns_test(namespaces_of_others_are_entered),
		userns_test(the_cgroup_is_given_only_if_it_can_be_written),
		userns_test(hooks_see_it),
		userns_test(maps_that_cannot_be_are_refused),
		userns_test(maps_that_overlap_are_refused),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
