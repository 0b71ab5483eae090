/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts with mapped ids, the remount option, and options for whole trees. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/path.h"
#include "launch_rig.h"
#include "wire/status.h"

static struct outcome out;
static char source[128]; /* a directory of the guest, with a file of root and one of uid 7 */

static void assert_prints(struct plan plan, const char *script, const char *expected)
{
	rig_sh(plan, script, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, expected);
}

static void make_file(const char *name, uid_t uid)
{
	char path[192];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", source, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, uid, uid), 0);
	close_fd(fd);
}

static int set_up(void **state)
{
	snprintf(source, sizeof(source), "%.*s/source", (int)(strlen(rig_root) - strlen("/root")),
		rig_root);
	if (rig_fresh_root(state) < 0 || mkdir(source, 0755) < 0)
		return -1;
	make_file("root", 0);
	make_file("seven", 7);
	return 0;
}

static int tear_down(void **state)
{
	char below[160];

	(void)state;
	snprintf(below, sizeof(below), "%s/below", source);
	(void)umount(below);
	(void)umount(source);
	return path_remove_tree(AT_FDCWD, source);
}

#define mount_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A bind of source to /m. */
static struct plan bind(const char *options, const char *members)
{
	static char mount[512];

	snprintf(mount, sizeof(mount),
		"{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[%s]%s}",
		source, options, members);
	return (struct plan){.mounts = mount};
}

#define MAP_10 \
	",\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],\
\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}]"

/* tmpfs can since Linux 6.3. */
static void need_mappable_tmpfs(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	if (major > 6 || (major == 6 && minor >= 3))
		return;
	print_message("skipped: this kernel cannot map the ids of a tmpfs\n");
	skip();
}

static void ids_are_mapped_as_the_mount_says(void **state)
{
	(void)state;
	need_mappable_tmpfs();
	assert_prints(bind("\"bind\",\"idmap\"", MAP_10), "cd /m; stat -c %u:%g root seven",
		"1000:1000\n1007:1007\n");
	/* The mappings alone ask for it. */
	assert_int_equal(rig_fresh_root(state), 0);
	assert_prints(bind("\"bind\"", MAP_10), "stat -c %u:%g /m/seven", "1007:1007\n");
	assert_int_equal(rig_fresh_root(state), 0);
	assert_prints(bind("\"bind\"", ""), "stat -c %u:%g /m/seven", "7:7\n");
}

/* The usual file system of a disk; others are what this machine keeps its temporary files on. */
static void ids_are_mapped_on_ext4(void **state)
{
	static const char script[] =
		"cd \"$0\" && mke2fs -F -q -t ext4 image 4m >/dev/null 2>&1 && "
		"mount -t ext4 -o loop image source 2>/dev/null && "
		"touch source/seven && chown 7:7 source/seven && chmod 777 source";
	struct plan plan;
	char dir[192];
	int status;
	pid_t pid;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strlen(source) - strlen("/source")), source);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", script, dir, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		print_message("skipped: no loop device, or no ext4\n");
		skip();
	}
	plan = bind("\"bind\",\"idmap\"", MAP_10);
	plan.process = ",\"user\":{\"uid\":1003,\"gid\":1004}";
	assert_prints(plan, "cd /m; touch new; stat -c %u:%g seven new", "1007:1007\n1003:1004\n");
	assert_int_equal(rig_fresh_root(state), 0);
	assert_prints(bind("\"bind\"", ""), "cd /m; stat -c %u:%g seven new", "7:7\n3:4\n");
}

/* So that the files of the guest are the container's, though its ids are others. */
static void ids_are_mapped_as_the_container_is(void **state)
{
	struct plan plan = bind("\"bind\",\"idmap\"", "");
	char path[192];
	struct stat st;
	pid_t pid;
	int status;

	(void)state;
	need_mappable_tmpfs();
	pid = fork();
	if (pid == 0) {
		execl("/bin/busybox", "chown", "-hR", "200000:200000", rig_root, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	plan.namespaces = "[{\"type\":\"mount\"},{\"type\":\"user\"}]";
	plan.linux_members =
		",\"uidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}]";
	assert_prints(plan, "cd /m; stat -c %u:%g root seven; touch made", "0:0\n7:7\n");
	snprintf(path, sizeof(path), "%s/made", source);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
}

static void ids_of_a_whole_tree_are_mapped(void **state)
{
	char below[160];

	need_mappable_tmpfs();
	snprintf(below, sizeof(below), "%s/below", source);
	assert_int_equal(mkdir(below, 0755), 0);
	assert_int_equal(mount("below", below, "tmpfs", 0, NULL), 0);
	assert_prints(bind("\"rbind\",\"idmap\"", MAP_10), "stat -c %u /m /m/below", "1000\n0\n");
	assert_int_equal(rig_fresh_root(state), 0);
	assert_prints(
		bind("\"rbind\",\"ridmap\"", MAP_10), "stat -c %u /m /m/below", "1000\n1000\n");
}

static void what_cannot_be_mapped_is_refused(void **state)
{
	static const struct {
		const char *mount, *error;
		int code;
	} rows[] = {
		{"{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"/tmp\",\"options\":["
		 "\"idmap\"]}",
			"id-mapped mount on /m: uidMappings: there are none", EINVAL},
		{"{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"/"
		 "tmp\",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]}",
			"id-mapped mount on /m: gidMappings: there are none", EINVAL},
		{"{\"destination\":\"/m\",\"type\":\"tmpfs\"" MAP_10 "}",
			"only binds can be id-mapped", ENOTSUP},
		{"{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"/proc/fs\"" MAP_10 "}",
			"/proc/fs cannot be id-mapped: not supported by its file system", ENOTSUP},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_run(&(struct plan){.mounts = rows[i].mount}, &out);
		assert_false(out.created);
		if (!strstr(out.err.msg, rows[i].error))
			fail_msg("%s", out.err.msg);
		assert_int_equal(out.err.code, rows[i].code);
	}
}

#define TMPFS "{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"nodev\"]},"
static const char show_t[] = "grep ' /t ' /proc/self/mountinfo | cut -d' ' -f6";

static void a_mount_is_remounted(void **state)
{
	(void)state;
	assert_prints((struct plan){.mounts = TMPFS "{\"destination\":\"/t\",\"options\":["
						    "\"remount\",\"ro\",\"nosuid\"]}"},
		show_t, "ro,nosuid,nodev,relatime\n");
	assert_int_equal(rig_fresh_root(state), 0);
	assert_prints((struct plan){.mounts = TMPFS "{\"destination\":\"/t\",\"type\":\"none\","
						    "\"options\":[\"bind\",\"remount\",\"dev\","
						    "\"noatime\"]}"},
		show_t, "rw,noatime\n");
	/* What is mounted below a read-only one comes first. */
	assert_int_equal(rig_fresh_root(state), 0);
	assert_prints((struct plan){.mounts = TMPFS "{\"destination\":\"/t\",\"options\":["
						    "\"remount\",\"ro\"]},{\"destination\":\"/t/"
						    "below\",\"type\":\"tmpfs\"}"},
		"touch /t/x 2>/dev/null || echo ro; touch /t/below/x", "ro\n");
}

static void what_cannot_be_remounted_is_refused(void **state)
{
	static const struct {
		const char *mount, *error;
		int code;
	} rows[] = {
		{"{\"destination\":\"/tmp\",\"options\":[\"remount\",\"ro\",\"nosuid\"]}",
			"/tmp cannot be remounted: nothing is mounted there", EINVAL},
		{"{\"destination\":\"/no\",\"options\":[\"remount\",\"nosuid\"]}",
			"remount /no: No such file or directory", ENOENT},
		{TMPFS "{\"destination\":\"/t\",\"options\":[\"remount\",\"size=1m\"]}",
			"remount of /t", ENOTSUP},
		{TMPFS "{\"destination\":\"/t\",\"options\":[\"remount\",\"rslave\"]}",
			"remount of /t", ENOTSUP},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_run(&(struct plan){.mounts = rows[i].mount}, &out);
		assert_false(out.created);
		if (!strstr(out.err.msg, rows[i].error))
			fail_msg("%s", out.err.msg);
		assert_int_equal(out.err.code, rows[i].code);
		assert_int_equal(rig_fresh_root(state), 0);
	}
}

static void every_recursive_word_reaches_what_is_below(void **state)
{
	static const struct {
		const char *word, *top, *below;
	} rows[] = {
		{"rro", "ro,relatime", "ro,relatime"},
		{"rnosuid", "rw,nosuid,relatime", "rw,nosuid,relatime"},
		{"rnodev", "rw,nodev,relatime", "rw,nodev,relatime"},
		{"rnoexec", "rw,noexec,relatime", "rw,noexec,relatime"},
		{"rnoatime", "rw,noatime", "rw,noatime"},
		{"rnosymfollow", "rw,relatime,nosymfollow", "rw,relatime,nosymfollow"},
		{"ro", "ro,relatime", "rw,relatime"},
	};
	char below[160];

	snprintf(below, sizeof(below), "%s/below", source);
	assert_int_equal(mkdir(below, 0755), 0);
	assert_int_equal(mount("below", below, "tmpfs", 0, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char options[64], expected[128];

		snprintf(options, sizeof(options), "\"rbind\",\"%s\"", rows[i].word);
		snprintf(expected, sizeof(expected), "%s\n%s\n", rows[i].top, rows[i].below);
		assert_prints(bind(options, ""),
			"grep ' /m[/ ]' /proc/self/mountinfo | cut -d' ' -f6", expected);
		assert_int_equal(rig_fresh_root(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		mount_test(ids_are_mapped_as_the_mount_says),
		mount_test(ids_are_mapped_on_ext4),
		mount_test(ids_are_mapped_as_the_container_is),
		mount_test(ids_of_a_whole_tree_are_mapped),
		mount_test(what_cannot_be_mapped_is_refused),
		mount_test(a_mount_is_remounted),
		mount_test(what_cannot_be_remounted_is_refused),
		mount_test(every_recursive_word_reaches_what_is_below),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
