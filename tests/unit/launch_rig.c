/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "launch_rig.h"

#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "loop_until.h"
#include "oci/spec.h"

enum { LIMIT_S = 10 };

static char dir[32], cgroup[64];
char rig_root[64];
const char *rig_cgroup = cgroup;
struct loop *rig_loop;

static _Noreturn void skip_all(const char *why)
{
	printf("skipped: %s\n", why);
	fflush(stdout);
	_exit(77);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/launch-rig-XXXXXX");
	if (!mkdtemp(dir) || mount("rig", dir, "tmpfs", 0, NULL) < 0)
		return -1;
	snprintf(rig_root, sizeof(rig_root), "%s/root", dir);
	snprintf(cgroup, sizeof(cgroup), "%s-cgroup/c1", dir + 4);
	return loop_new(&rig_loop);
}

/* The parent of the container's, which nobody else removes. */
static int remove_pod_cgroup(void)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	char path[CGROUP_MOUNT_POINT_SIZE + sizeof(dir) + 16];

	for (size_t i = 0; layout && i < layout->n_hierarchies; i++) {
		snprintf(path, sizeof(path), "%s%s-cgroup", layout->hierarchies[i].mount_point,
			dir + 4);
		if (rmdir(path) < 0 && errno != ENOENT)
			return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_settle();
	loop_free(rig_loop);
	umount2(dir, MNT_DETACH);
	if (remove_pod_cgroup() < 0)
		return -1;
	return rmdir(dir);
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

/* Orphans come here, as they come to an agent. */
static _Noreturn void run_inside(const struct CMUnitTest *tests, size_t n_tests)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
		mount("proc", "/proc", "proc", 0, NULL) < 0)
		skip_all("needs to mount");
	exit(_cmocka_run_group_tests("launch", tests, n_tests, set_up, tear_down));
}

/* In a pid and a mount namespace, whose end is the end of whatever a failed test leaves. Their PID
 * 1 only waits: LeakSanitizer cannot stop a PID 1. */
_Noreturn void rig_run_tests(const struct CMUnitTest *tests, size_t n_tests)
{
	pid_t init, tester;

	if (geteuid() != 0)
		skip_all("needs root");
	if (access("/bin/busybox", X_OK) < 0)
		skip_all("needs busybox-static");
	if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0)
		skip_all("needs to make namespaces");
	alarm(55);
	init = fork();
	if (init == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		tester = fork();
		if (tester == 0)
			run_inside(tests, n_tests);
		_exit(wait_for(tester));
	}
	/* Not by exit(): LeakSanitizer forks there, and the namespace for children has no init now.
	 */
	_exit(wait_for(init));
}

static void path_in_root(const char *path, char full[256])
{
	snprintf(full, 256, "%s%s", rig_root, path);
}

void rig_write(const char *path, mode_t mode, const char *content)
{
	auto_fd int fd = -1;
	char full[256];

	path_in_root(path, full);
	if (!content) {
		assert_int_equal(mkdir(full, mode), 0);
		assert_int_equal(chmod(full, mode), 0);
		return;
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, content, strlen(content)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

void rig_link(const char *path, const char *target)
{
	char full[256];

	path_in_root(path, full);
	assert_int_equal(symlink(target, full), 0);
}

void rig_copy(const char *program, const char *path)
{
	auto_fd int from = open(program, O_RDONLY | O_CLOEXEC), to = -1;
	char full[256], bytes[8192];
	ssize_t n;

	path_in_root(path, full);
	to = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	assert_true(from >= 0 && to >= 0);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		assert_int_equal(io_write_full(to, bytes, (size_t)n), 0);
}

int rig_fresh_root(void **state)
{
	static const char *const dirs[] = {"", "/bin", "/etc", "/tmp", "/root"};
	static const char *const applets[] = {"sh", "cat", "echo", "id", "ls", "true", "false",
		"sleep", "mknod", "mount", "umount", "grep", "stat", "hostname", "readlink", "tty",
		"stty", "ps", "dd", "touch", "kill", "mkdir", "pwd", "env", "wc", "head", "ulimit",
		"setsid", "test", "sync", "seq", "chroot", "ip", "sed", "tr", "sort", "cut",
		"dmesg", "rm"};
	static bool there;
	char path[32];

	(void)state;
	if (there)
		assert_int_equal(path_remove_tree(AT_FDCWD, rig_root), 0);
	there = true;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		rig_write(dirs[i], 0755, NULL);
	rig_copy("/bin/busybox", "/bin/busybox");
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		snprintf(path, sizeof(path), "/bin/%s", applets[i]);
		rig_link(path, "busybox");
	}
	rig_write("/etc/passwd", 0644,
		"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n");
	return 0;
}

#define CAPS_ALL                                                                           \
	"[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\"," \
	"\"CAP_NET_RAW\",\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\","   \
	"\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]"

static const char default_caps[] =
	"{\"bounding\":" CAPS_ALL ",\"effective\":" CAPS_ALL ",\"permitted\":" CAPS_ALL "}";
static const char default_env[] = "[\"PATH=/bin\"]";
static const char default_namespaces[] =
	"[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"uts\"},{\"type\":\"ipc\"}]";
static const char usual_mounts[] =
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\","
	"\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\","
	"\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":"
	"[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/"
	"shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\","
	"\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]}";

static const char * or (const char *given, const char *otherwise)
{
	return given ? given : otherwise;
}

static Grpc__Spec *make_spec(const struct plan *plan)
{
	const char *usual = or (plan->usual_mounts, usual_mounts), *more = or (plan->mounts, "");
	auto_buf struct buf json = BUF_INIT;
	struct err err = ERR_INIT;
	Grpc__Spec *spec;
	int r;

	r = buf_printf(&json,
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"args\":%s,\"env\":%s,"
		"\"cwd\":\"%s\",\"capabilities\":%s%s},\"root\":{\"path\":\"rootfs\",\"readonly\":%"
		"s},"
		"\"mounts\":[%s%s%s],\"linux\":{\"namespaces\":%s%s}%s}",
		plan->terminal ? "true" : "false", or (plan->args, "[\"true\"]"),
		or (plan->env, default_env), or (plan->cwd, "/"),
		or (plan->capabilities, default_caps), or (plan->process, ""),
		plan->readonly ? "true" : "false", usual, *usual && *more ? "," : "", more,
		or (plan->namespaces, default_namespaces), or (plan->linux_members, ""),
		or (plan->members, ""));
	assert_int_equal(r, 0);
	r = oci_spec_parse(buf_str(&json), buf_len(&json), &spec, NULL, &err);
	if (r < 0)
		fail_msg("%s in %s", err.msg, buf_str(&json));
	return spec;
}

void rig_until(const bool *flag)
{
	loop_until(rig_loop, *flag);
}

void rig_settle(void)
{
	loop_until(rig_loop, launch_count() == 0);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void on_done(void *data, const struct launch_result *result, const struct err *err)
{
	struct rig_container *c = data;

	c->done = true;
	c->failed = err != NULL;
	if (err)
		c->err = *err;
	else
		c->result = *result;
}

void rig_released(void *data, const struct err *err)
{
	struct rig_container *c = data;

	c->released = true;
	c->failed = err != NULL;
	if (err)
		c->err = *err;
}

struct ends {
	int ours[2], theirs[3];
};

static void open_ends(bool terminal, struct ends *ret)
{
	int in[2], out[2];

	if (terminal) {
		assert_int_equal(openpty(&in[1], &in[0], NULL, NULL, NULL), 0);
		assert_int_equal(io_set_cloexec(in[0], true), 0);
		assert_int_equal(io_set_cloexec(in[1], true), 0);
		*ret = (struct ends){{in[1], io_dup(in[1])}, {in[0], io_dup(in[0]), io_dup(in[0])}};
		return;
	}
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	*ret = (struct ends){{in[1], out[0]}, {in[0], out[1], io_dup(out[1])}};
}

static void start(const struct launch_request *request, bool terminal, struct rig_container *ret)
{
	struct launch_request r = *request;
	struct ends ends;

	open_ends(terminal, &ends);
	memcpy(r.stdio, ends.theirs, sizeof(r.stdio));
	ret->input_fd = ends.ours[0];
	ret->output_fd = ends.ours[1];
	if (launch_start(rig_loop, &r, on_done, ret, &ret->launch, &ret->err) < 0)
		ret->done = ret->failed = true;
	for (size_t i = 0; i < ARRAY_SIZE(ends.theirs); i++)
		close_fd(ends.theirs[i]);
}

void rig_start(const struct plan *plan, struct rig_container *ret)
{
	struct launch_request request = {
		.container_id = "c1",
		.is_init = true,
		.rootfs = rig_root,
		.cgroup = plan->in_cgroup ? rig_cgroup : NULL,
		.deadline_ns = clock_now_ns() +
			       (plan->deadline_ns ? plan->deadline_ns : LIMIT_S * NS_PER_S),
	};

	*ret = (struct rig_container){.spec = make_spec(plan), .in_cgroup = plan->in_cgroup};
	request.spec = ret->spec;
	request.process = ret->spec->process;
	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		request.ns_fds[i] = ret->result.ns_fds[i] = -1;
	if (plan->pod) {
		request.ns_fds[LAUNCH_NS_IPC] = plan->pod->result.ns_fds[LAUNCH_NS_IPC];
		request.ns_fds[LAUNCH_NS_UTS] = plan->pod->result.ns_fds[LAUNCH_NS_UTS];
		request.ns_fds[LAUNCH_NS_PID] = plan->pod->result.ns_fds[LAUNCH_NS_PID];
	}
	if (launch_check_spec(ret->spec, &ret->err) < 0) {
		ret->done = ret->failed = true;
		ret->input_fd = ret->output_fd = -1;
		return;
	}
	start(&request, plan->terminal, ret);
}

void rig_create(const struct plan *plan, struct rig_container *ret)
{
	rig_start(plan, ret);
	rig_until(&ret->done);
}

void rig_release(struct rig_container *c)
{
	launch_release(c->launch, rig_released, c);
	c->launch = NULL;
	rig_until(&c->released);
}

/* To the end of file, or a terminal's EIO. */
static void read_output(int fd, char output[65536])
{
	size_t len = 0;
	ssize_t n;

	while (len < 65535 && (n = read(fd, output + len, 65535 - len)) > 0)
		len += (size_t)n;
	output[len] = '\0';
}

static void collect(struct rig_container *c, struct outcome *ret)
{
	ret->err = c->err;
	ret->started = !c->failed;
	close_fd(c->input_fd);
	c->input_fd = -1;
	if (ret->started) {
		read_output(c->output_fd, ret->output);
		assert_int_equal(waitpid(c->result.pid, &ret->status, 0), c->result.pid);
	}
}

void rig_close(struct rig_container *c)
{
	close_fd(c->input_fd);
	close_fd(c->output_fd);
	for (int i = 0; i < LAUNCH_NS_COUNT; i++)
		close_fd(c->result.ns_fds[i]);
	if (c->spec)
		oci_spec_free(c->spec);
}

void rig_run(const struct plan *plan, struct outcome *ret)
{
	struct rig_container c;

	*ret = (struct outcome){.status = -1};
	rig_create(plan, &c);
	ret->created = !c.failed;
	if (!c.failed)
		rig_release(&c);
	if (plan->input)
		assert_int_equal(io_write_full(c.input_fd, plan->input, strlen(plan->input)), 0);
	if (plan->terminal && ret->created) {
		/* Hanging up early would kill it. */
		int keep = io_dup(c.input_fd);

		collect(&c, ret);
		close_fd(keep);
	} else {
		collect(&c, ret);
	}
	rig_close(&c);
	rig_settle();
	if (plan->in_cgroup)
		assert_int_equal(launch_remove_cgroup(rig_cgroup, NULL), 0);
}

static void quote(const char *text, struct buf *b)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			assert_int_equal(buf_append_str(b, "\\"), 0);
		assert_int_equal(
			*text == '\n' ? buf_append_str(b, "\\n") : buf_append(b, text, 1), 0);
	}
}

void rig_sh_args(const char *script, struct buf *ret)
{
	assert_int_equal(buf_append_str(ret, "[\"sh\",\"-c\",\""), 0);
	quote(script, ret);
	assert_int_equal(buf_append_str(ret, "\"]"), 0);
}

void rig_sh(struct plan plan, const char *script, struct outcome *ret)
{
	auto_buf struct buf args = BUF_INIT;

	rig_sh_args(script, &args);
	plan.args = buf_str(&args);
	rig_run(&plan, ret);
}

void rig_exec(struct rig_container *init, const char *process_json, struct outcome *ret)
{
	struct launch_request request = {
		.container_id = "c1",
		.spec = init->spec,
		.cgroup = init->in_cgroup ? rig_cgroup : NULL,
		.deadline_ns = clock_now_ns() + LIMIT_S * NS_PER_S,
	};
	struct rig_container c = {.input_fd = -1};
	Grpc__Process *process;
	struct err err = ERR_INIT;

	*ret = (struct outcome){.status = -1};
	if (oci_process_parse(process_json, strlen(process_json), &process, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	request.process = process;
	for (int i = 0; i < LAUNCH_NS_COUNT; i++) {
		request.ns_fds[i] = init->result.ns_fds[i];
		c.result.ns_fds[i] = -1;
	}
	start(&request, process->terminal, &c);
	rig_until(&c.done);
	ret->created = !c.failed;
	collect(&c, ret);
	rig_close(&c);
	oci_process_free(process);
}

/* The kernel lets the init of a pid namespace end only when all others in it have been collected.
 */
static void collect_until(pid_t last)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, 0);
	while (pid > 0 && pid != last);
}

void rig_destroy(struct rig_container *c)
{
	if (c->launch && !c->failed)
		launch_cancel(c->launch, NULL, NULL);
	else if (!c->failed && kill(c->result.pid, SIGKILL) == 0)
		collect_until(c->result.pid);
	rig_settle();
	rig_close(c);
}
