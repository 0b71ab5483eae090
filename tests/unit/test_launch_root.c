/* SPDX-License-Identifier: Apache-2.0 */
/* What a container sees of the file systems, and what an image can try. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/path.h"
#include "launch_rig.h"

static struct outcome out;

static void assert_refused(const struct plan *plan, const char *part)
{
	rig_run(plan, &out);
	if (out.created)
		fail_msg("was created, output: %s", out.output);
	if (!strstr(out.err.msg, part))
		fail_msg("%s", out.err.msg);
}

static void assert_prints(struct plan plan, const char *script, const char *expected)
{
	rig_sh(plan, script, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, expected);
}

/* Beside the root directory, in the guest. */
static void beside(const char *name, char path[128])
{
	snprintf(path, 128, "%.*s/%s", (int)(strlen(rig_root) - strlen("/root")), rig_root, name);
}

static void nothing_of_the_guests_mounts_is_left(void **state)
{
	(void)state;
	assert_prints((struct plan){0}, "cut -d' ' -f5 /proc/self/mountinfo",
		"/\n/proc\n/dev\n/dev/pts\n/dev/shm\n");
}

static void devices_are_the_usual_ones(void **state)
{
	(void)state;
	assert_prints((struct plan){0},
		"cd /dev; stat -c '%n %t:%T %a %u:%g' null zero full random urandom tty",
		"null 1:3 666 0:0\nzero 1:5 666 0:0\nfull 1:7 666 0:0\nrandom 1:8 666 0:0\n"
		"urandom 1:9 666 0:0\ntty 5:0 666 0:0\n");
	assert_prints((struct plan){0},
		"cd /dev; for l in fd stdin stdout stderr ptmx; do readlink $l; done; ls | grep -v "
		"core | tr '\\n' ' '",
		"/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n"
		"fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ");
	assert_prints((struct plan){0}, "echo x >/dev/null; head -c 3 /dev/zero | wc -c", "3\n");
}

static void listed_devices_are_made(void **state)
{
	struct plan plan = {.linux_members =
				    ",\"devices\":["
				    "{\"path\":\"/dev/net/tun\",\"type\":\"c\",\"major\":10,"
				    "\"minor\":200,\"fileMode\":416,\"uid\":1,\"gid\":2},"
				    "{\"path\":\"/dev/blk\",\"type\":\"b\",\"major\":7,\"minor\":9,"
				    "\"fileMode\":384},"
				    "{\"path\":\"/dev/pipe\",\"type\":\"p\",\"fileMode\":438},"
				    "{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,"
				    "\"minor\":3,\"fileMode\":420,\"gid\":5}]"};

	(void)state;
	assert_prints(plan, "cd /dev; stat -c '%n %F %t:%T %a %u:%g' net/tun blk pipe null",
		"net/tun character special file a:c8 640 1:2\nblk block special file 7:9 600 0:0\n"
		"pipe fifo 0:0 666 0:0\nnull character special file 1:3 644 0:5\n");
}

/* There is no such device: who may use it is told that, the others are not. */
static void devices_are_limited(void **state)
{
	static const char script[] = "mknod /x c 240 7; head -c 1 /x 2>&1; echo x >/dev/null; head "
				     "-c 1 /dev/urandom | wc -c";
	struct plan plan = {.in_cgroup = true};

	(void)state;
	assert_prints(plan, script, "head: /x: Operation not permitted\n1\n");
	assert_int_equal(rig_fresh_root(state), 0);
	plan.linux_members = ",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
			     "{\"allow\":true,\"type\":\"c\",\"major\":240,\"minor\":7,"
			     "\"access\":\"r\"}]}";
	assert_prints(plan, script, "head: /x: No such device or address\n1\n");
}

/* Even where everything is allowed. */
static void the_guests_own_disk_is_denied(void **state)
{
	struct plan plan = {.in_cgroup = true,
		.linux_members = ",\"resources\":{\"devices\":[{\"allow\":true,\"access\":"
				 "\"rwm\"}]}"};
	char script[160], node[160];
	struct stat st;

	(void)state;
	if (stat("/", &st) < 0 || major(st.st_dev) == 0)
		skip();
	assert_prints(plan, "mknod /x c 240 7; head -c 1 /x 2>&1 || true",
		"head: /x: No such device or address\n");
	/* One that the image brings, and a new one. */
	snprintf(node, sizeof(node), "%s/disk", rig_root);
	assert_int_equal(mknod(node, S_IFBLK | 0666, st.st_dev), 0);
	snprintf(script, sizeof(script), "head -c 1 /disk 2>&1; mknod /new b %u %u 2>&1 || true",
		major(st.st_dev), minor(st.st_dev));
	assert_prints(plan, script,
		"head: /disk: Operation not permitted\nmknod: /new: Operation not permitted\n");
}

static void a_bound_dev_is_left_alone(void **state)
{
	char path[128], mounts[256];

	(void)state;
	beside("dev", path);
	mkdir(path, 0755);
	snprintf(mounts, sizeof(mounts),
		"{\"destination\":\"/"
		"dev\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"rbind\"]}",
		path);
	assert_prints((struct plan){.usual_mounts = mounts}, "ls /dev", "");
	assert_int_equal(rmdir(path), 0);
}

static void binds_of_files_and_directories(void **state)
{
	char dir[128], mounts[1024];

	(void)state;
	beside("volume", dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	rig_write("/../volume/file", 0644, "content\n");
	snprintf(mounts, sizeof(mounts),
		"{\"destination\":\"/a/"
		"b\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"rbind\","
		"\"rprivate\"]},"
		"{\"destination\":\"/new/f\",\"source\":\"%s/file\",\"options\":[\"bind\",\"ro\","
		"\"nosuid\",\"noexec\",\"nodev\",\"noatime\"]},"
		"{\"destination\":\"/etc/passwd\",\"type\":\"none\",\"source\":\"%s/"
		"file\",\"options\":"
		"[\"bind\",\"rw\"]}",
		dir, dir, dir);
	assert_prints((struct plan){.mounts = mounts},
		"cat /a/b/file /new/f; (echo x >/new/f) 2>/dev/null || echo ro; echo y >/a/b/made; "
		"grep ' /new/f ' /proc/self/mountinfo | cut -d' ' -f6; echo z >>/etc/passwd; cat "
		"/a/b/file",
		"content\ncontent\nro\nro,nosuid,nodev,noexec,noatime\ncontent\nz\n");
	assert_int_equal(path_remove_tree(AT_FDCWD, dir), 0);
}

static void recursive_words_reach_what_is_below(void **state)
{
	char dir[128], below[160], mounts[1024];

	(void)state;
	beside("tree", dir);
	snprintf(below, sizeof(below), "%s/below", dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(mkdir(below, 0755), 0);
	assert_int_equal(mount("below", below, "tmpfs", 0, NULL), 0);
	snprintf(mounts, sizeof(mounts),
		"{\"destination\":\"/"
		"one\",\"source\":\"%s\",\"type\":\"bind\",\"options\":[\"rbind\","
		"\"ro\"]},"
		"{\"destination\":\"/"
		"all\",\"source\":\"%s\",\"type\":\"bind\",\"options\":[\"rbind\","
		"\"rro\"]},"
		"{\"destination\":\"/"
		"top\",\"source\":\"%s\",\"type\":\"bind\",\"options\":[\"bind\"]}",
		dir, dir, dir);
	assert_prints((struct plan){.mounts = mounts},
		"for d in one one/below all all/below top top/below; do "
		"touch /$d/x 2>/dev/null && echo $d writable; done; true",
		"one/below writable\ntop writable\ntop/below writable\n");
	assert_int_equal(umount2(below, MNT_DETACH), 0);
	assert_int_equal(path_remove_tree(AT_FDCWD, dir), 0);
}

static void file_system_options_are_passed_on(void **state)
{
	struct plan plan = {
		.mounts = "{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"\","
			  "\"options\":[\"nosuid\",\"size=64k\",\"mode=1711\","
			  "\"io.katacontainers.fs-opt.x\"]},"
			  "{\"destination\":\"/ro\",\"type\":\"tmpfs\",\"options\":[\"ro\"]},"
			  "{\"destination\":\"/ro/below\",\"type\":\"tmpfs\"},"
			  "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
			  "\"options\":[\"ro\"]}"};

	(void)state;
	assert_prints(plan,
		"stat -c %a /t; grep ' /t ' /proc/self/mountinfo | cut -d' ' -f6,9- | sed "
		"s,.inode64,,; "
		"touch /ro/x 2>/dev/null || echo ro; touch /ro/below/x; grep -c ' /sys ro' "
		"/proc/self/mountinfo",
		"1711\nrw,nosuid,relatime tmpfs rw,size=64k,mode=1711\nro\n1\n");
}

static void bad_mounts_are_refused(void **state)
{
	static const struct {
		const char *mount, *why;
	} rows[] = {
		{"{\"destination\":\"/t\",\"type\":\"nosuchfs\"}",
			"mount nosuchfs on /t: No such device"},
		{"{\"destination\":\"/t\"}", "has no type"},
		{"{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"bogus=1\"]}",
			"bogus=1"},
		{"{\"destination\":\"/t\",\"type\":\"bind\",\"source\":\"/no/such\"}", "/no/such"},
		{"{\"destination\":\"/t\",\"type\":\"bind\",\"source\":\"tmp\"}",
			"not an absolute path"},
		{"{\"destination\":\"/t\",\"type\":\"bind\"}", "not an absolute path"},
		{"{\"destination\":\"/\",\"type\":\"tmpfs\"}", "it is the root"},
		{"{\"destination\":\"/etc/passwd\",\"type\":\"tmpfs\"}", "Not a directory"},
		{"{\"destination\":\"/a/../b\",\"type\":\"tmpfs\"}", "\"..\""},
		{"{\"destination\":\"/proc/sys\",\"type\":\"tmpfs\"}", "inside /proc"},
		{"{\"destination\":\"/proc/self/attr\",\"type\":\"bind\",\"source\":\"/etc\"}",
			"inside /proc"},
		{"{\"destination\":\"/proc\",\"type\":\"tmpfs\"}", "inside /proc"},
		{"{\"destination\":\"/proc\",\"type\":\"bind\",\"source\":\"/etc\"}", "no procfs"},
		{"{\"destination\":\"//proc/./1\",\"type\":\"tmpfs\"}", "inside /proc"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_refused(&(struct plan){.mounts = rows[i].mount}, rows[i].why);
}

static void some_files_of_proc_can_be_replaced(void **state)
{
	(void)state;
	rig_write("/etc/uptime", 0644, "42\n");
	{
		char mounts[256];

		snprintf(mounts, sizeof(mounts),
			"{\"destination\":\"/proc/uptime\",\"type\":\"bind\",\"source\":\"%s/etc/"
			"uptime\"}",
			rig_root);
		assert_prints((struct plan){.mounts = mounts}, "cat /proc/uptime", "42\n");
	}
	assert_prints(
		(struct plan){.mounts = "{\"destination\":\"/procedure\",\"type\":\"tmpfs\"}"},
		"grep -c procedure /proc/self/mountinfo", "1\n");
}

static const char masks[] =
	",\"maskedPaths\":[\"/proc/keys\",\"/etc\",\"/root\",\"/no/such\",\"/etc/passwd/x\"],"
	"\"readonlyPaths\":[\"/tmp\",\"/proc/sys\",\"/no/such\"]";

static void masked_and_readonly_paths(void **state)
{
	(void)state;
	rig_write("/root/secret", 0644, "s");
	rig_write("/bin/hidden", 0644, "s");
	assert_prints((struct plan){.linux_members = masks},
		"ls /root /etc; wc -c </proc/keys; touch /root/x 2>/dev/null || echo ro1; "
		"touch /tmp/x 2>/dev/null || echo ro2; "
		"(echo 1 >/proc/sys/kernel/printk) 2>/dev/null || echo ro3; touch /x && echo rw; "
		"ls -l /etc | wc -l",
		"/etc:\n\n/root:\n0\nro1\nro2\nro3\nrw\n1\n");
	assert_prints((struct plan){.linux_members = ",\"maskedPaths\":[\"/bin/hidden\"]"},
		"wc -c </bin/hidden; stat -c %t:%T /bin/hidden", "0\n1:3\n");
}

static void a_readonly_root_has_writable_mounts(void **state)
{
	(void)state;
	assert_prints((struct plan){.readonly = true},
		"touch /x 2>/dev/null || echo ro; touch /dev/shm/x && touch /dev/x && echo rw",
		"ro\nrw\n");
	/* cwd is made before. */
	assert_prints((struct plan){.readonly = true, .cwd = "/made"}, "pwd", "/made\n");
}

static void a_readonly_dev_is_filled_first(void **state)
{
	struct plan plan = {
		.usual_mounts =
			"{\"destination\":\"/proc\",\"type\":\"proc\"},"
			"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"options\":[\"ro\"]},"
			"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\"}",
	};

	(void)state;
	assert_prints(plan,
		"touch /dev/x 2>/dev/null || echo ro; echo x >/dev/null; touch /dev/shm/x", "ro\n");
}

static void cgroup_is_readonly_unless_asked(void **state)
{
	static const char ro[] =
		"{\"destination\":\"/cg\",\"type\":\"cgroup\",\"source\":\"cgroup\","
		"\"options\":[\"nosuid\",\"memory\"]}";
	static const char rw[] =
		"{\"destination\":\"/cg\",\"type\":\"cgroup2\",\"options\":[\"rw\"]}";
	static const char script[] =
		"test -e /cg/cgroup.procs && cat /proc/self/cgroup | grep ^0; "
		"mkdir /cg/x 2>/dev/null && echo rw; rm -d /cg/x 2>/dev/null; true";

	(void)state;
	assert_prints((struct plan){.mounts = ro, .in_cgroup = true}, script, "0::/\n");
	assert_prints((struct plan){.mounts = rw, .in_cgroup = true}, script, "0::/\nrw\n");
}

static void guest_path(const char *name, char path[128])
{
	beside(name, path);
	assert_int_equal(access(path, F_OK), -1);
}

/* Links in the image must not lead mounts, nodes or directories out of the root. */
static void links_in_the_image_lead_nowhere_else(void **state)
{
	char outside[128], link[160], mounts[512];

	(void)state;
	guest_path("outside", outside);
	rig_link("/abs", outside);
	rig_link("/up", "../../../../../../tmp/kihon-escape");
	rig_link("/vol", "/");
	snprintf(mounts, sizeof(mounts),
		"{\"destination\":\"/abs\",\"type\":\"tmpfs\"},"
		"{\"destination\":\"/up/x\",\"type\":\"tmpfs\"}");
	rig_run(&(struct plan){.mounts = mounts}, &out);
	/* Refused (a dangling link) or made inside: either is right. */
	assert_int_equal(access(outside, F_OK), -1);
	assert_int_equal(access("/tmp/kihon-escape", F_OK), -1);
	assert_refused(&(struct plan){.mounts = "{\"destination\":\"/vol\",\"type\":\"tmpfs\"}"},
		"it is the root");
	snprintf(link, sizeof(link), "%s/made", outside);
	rig_link("/cwd", link);
	rig_run(&(struct plan){.cwd = "/cwd"}, &out);
	assert_int_equal(access(outside, F_OK), -1);
}

static void a_dev_that_is_a_link_stays_inside(void **state)
{
	char path[128];

	(void)state;
	rig_link("/dev", "/");
	assert_refused(&(struct plan){0}, "it is the root");
	/* Without mounts on it: nodes are made at the top of the image. */
	snprintf(path, sizeof(path), "%s/dev", rig_root);
	assert_int_equal(unlink(path), 0);
	rig_link("/dev", "../../../../../etc");
	rig_run(&(struct plan){.usual_mounts = "{\"destination\":\"/proc\",\"type\":\"proc\"}",
			.args = "[\"ls\",\"/etc\"]"},
		&out);
	assert_exits(out, 0);
	assert_non_null(strstr(out.output, "urandom"));
	assert_int_equal(access("/etc/urandom", F_OK), -1);
}

static void proc_and_sys_must_be_directories(void **state)
{
	(void)state;
	rig_link("/proc", "/etc");
	assert_refused(&(struct plan){0}, "ordinary directory");
	{
		char path[128];

		snprintf(path, sizeof(path), "%s/proc", rig_root);
		assert_int_equal(unlink(path), 0);
	}
	rig_link("/sys", "/tmp");
	assert_refused(&(struct plan){.mounts = "{\"destination\":\"/sys\",\"type\":\"sysfs\"}"},
		"ordinary directory");
}

/* CVE-2023-27561, CVE-2025-52881: another name for a place in /proc. */
static void a_link_into_proc_is_refused(void **state)
{
	(void)state;
	rig_link("/data", "/proc/sys");
	assert_refused(&(struct plan){.mounts = "{\"destination\":\"/data\",\"type\":\"tmpfs\"}"},
		"leads into /proc");
	rig_link("/magic", "/proc/self/root");
	assert_refused(
		&(struct plan){.mounts = "{\"destination\":\"/magic/x\",\"type\":\"tmpfs\"}"},
		"Too many levels");
}

/* CVE-2025-31133: what masks must be the null device. */
static void a_false_null_masks_nothing(void **state)
{
	char path[128], mounts[512];

	(void)state;
	beside("dev", path);
	assert_int_equal(mkdir(path, 0755), 0);
	rig_link("/../dev/null", "/etc/passwd");
	snprintf(mounts, sizeof(mounts),
		"{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"%s\"},"
		"{\"destination\":\"/proc\",\"type\":\"proc\"}",
		path);
	assert_refused(&(struct plan){.usual_mounts = mounts,
			       .linux_members = ",\"maskedPaths\":[\"/proc/keys\"]"},
		"mask /proc/keys");
	assert_int_equal(path_remove_tree(AT_FDCWD, path), 0);
}

/* A file in an image where a node belongs. */
static void false_nodes_are_replaced(void **state)
{
	struct plan plan = {.usual_mounts = "{\"destination\":\"/proc\",\"type\":\"proc\"}"};

	(void)state;
	rig_write("/dev", 0755, NULL);
	rig_write("/dev/null", 0644, "not null");
	rig_link("/dev/zero", "/etc/passwd");
	rig_write("/dev/stdin", 0644, "x");
	assert_prints(plan,
		"stat -c '%n %t:%T' /dev/null /dev/zero; readlink /dev/stdin; wc -l </etc/passwd",
		"/dev/null 1:3\n/dev/zero 1:5\n/proc/self/fd/0\n2\n");
}

static void a_root_through_a_link_is_refused(void **state)
{
	char real[128], moved[128];

	(void)state;
	snprintf(real, sizeof(real), "%s", rig_root);
	beside("moved", moved);
	assert_int_equal(rename(real, moved), 0);
	assert_int_equal(symlink(moved, real), 0);
	assert_refused(&(struct plan){0}, "open the root directory");
	assert_int_equal(unlink(real), 0);
	assert_refused(&(struct plan){0}, "open the root directory");
	assert_int_equal(rename(moved, real), 0);
}

static const char everything[] =
	"{\"bounding\":[\"CAP_SYS_ADMIN\",\"CAP_SYS_CHROOT\",\"CAP_DAC_OVERRIDE\",\"CAP_MKNOD\"],"
	"\"effective\":[\"CAP_SYS_ADMIN\",\"CAP_SYS_CHROOT\",\"CAP_DAC_OVERRIDE\",\"CAP_MKNOD\"],"
	"\"permitted\":[\"CAP_SYS_ADMIN\",\"CAP_SYS_CHROOT\",\"CAP_DAC_OVERRIDE\",\"CAP_MKNOD\"]}";

static void the_guest_is_out_of_reach(void **state)
{
	char guests[128], args[256];
	static const struct {
		const char *way, *result;
	} rows[] = {
		{"chroot", "inside\n"},
		{"umount", "nowhere\n"},
	};

	(void)state;
	rig_write("/bin/marker", 0644, "in");
	rig_write("/../marker", 0644, "out");
	beside("marker", guests);
	rig_copy(ESCAPE_PROGRAM, "/bin/escape");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(args, sizeof(args), "[\"escape\",\"%s\",\"%s\"]", rows[i].way, guests);
		rig_run(&(struct plan){.args = args, .capabilities = everything}, &out);
		assert_exits(out, 0);
		assert_string_equal(out.output, rows[i].result);
	}
}

static void propagation_of_the_root(void **state)
{
	static const char script[] =
		"grep ' / / ' /proc/self/mountinfo | head -1; head -1 "
		"/proc/self/mountinfo | grep -o 'shared:\\|master:\\|unbindable'";

	(void)state;
	rig_sh((struct plan){.linux_members = ",\"rootfsPropagation\":\"rshared\""}, script, &out);
	assert_exits(out, 0);
	assert_non_null(strstr(out.output, "shared:\n"));
	rig_sh((struct plan){.linux_members = ",\"rootfsPropagation\":\"private\""}, script, &out);
	assert_null(strstr(out.output, "shared:\n"));
	assert_null(strstr(out.output, "master:\n"));
	rig_sh((struct plan){.linux_members = ",\"rootfsPropagation\":\"runbindable\""}, script,
		&out);
	assert_non_null(strstr(out.output, "unbindable\n"));
}

static void sysctls_are_set_in_the_containers_namespaces(void **state)
{
	struct plan plan = {
		.namespaces = "[{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
			      "{\"type\":\"network\"}]",
		.linux_members =
			",\"sysctl\":{\"kernel.msgmax\":\"12345\",\"net.ipv4.ip_forward\":\"1\","
			"\"net/ipv4/conf/lo/forwarding\":\"1\",\"net.no.such\":\"1\","
			"\"fs.mqueue.msg_max\":\"7\",\"kernel.domainname\":\"dom\"}",
	};

	(void)state;
	assert_prints(plan,
		"cd /proc/sys; cat kernel/msgmax net/ipv4/ip_forward fs/mqueue/msg_max "
		"kernel/domainname; "
		"ip link | grep -o 'lo: <[A-Z,_]*'",
		"12345\n1\n7\ndom\nlo: <LOOPBACK,UP,LOWER_UP\n");
	assert_refused(&(struct plan){.linux_members = ",\"sysctl\":{\"kernel.msgmax\":\"x\"}"},
		"set sysctl kernel.msgmax to \"x\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(nothing_of_the_guests_mounts_is_left),
		rig_test(devices_are_the_usual_ones),
		rig_test(listed_devices_are_made),
		rig_test(devices_are_limited),
		rig_test(the_guests_own_disk_is_denied),
		rig_test(a_bound_dev_is_left_alone),
		rig_test(binds_of_files_and_directories),
		rig_test(recursive_words_reach_what_is_below),
		rig_test(file_system_options_are_passed_on),
		rig_test(bad_mounts_are_refused),
		rig_test(some_files_of_proc_can_be_replaced),
		rig_test(masked_and_readonly_paths),
		rig_test(a_readonly_root_has_writable_mounts),
		rig_test(a_readonly_dev_is_filled_first),
		rig_test(cgroup_is_readonly_unless_asked),
		rig_test(links_in_the_image_lead_nowhere_else),
		rig_test(a_dev_that_is_a_link_stays_inside),
		rig_test(proc_and_sys_must_be_directories),
		rig_test(a_link_into_proc_is_refused),
		rig_test(a_false_null_masks_nothing),
		rig_test(false_nodes_are_replaced),
		rig_test(a_root_through_a_link_is_refused),
		rig_test(the_guest_is_out_of_reach),
		rig_test(propagation_of_the_root),
		rig_test(sysctls_are_set_in_the_containers_namespaces),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
