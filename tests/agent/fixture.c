/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "ports.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/launch.h"
#include "base/io.h"
#include "base/path.h"
#include "open_fds.h"

#define BUSYBOX "/bin/busybox"

/* A call that takes longer than this has hung. */
#define LIMIT_NS (30 * NS_PER_S)

static void skip_all(const char *reason)
{
	fprintf(stderr, "skipped: %s\n", reason);
	exit(77);
}

void fixture_require_namespace(void)
{
	static bool done;

	if (done)
		return;
	if (geteuid() != 0)
		skip_all("needs root");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_all("needs a mount namespace of its own");
	done = true;
}

void fixture_require(void)
{
	const struct cgroup_layout *layout;

	fixture_require_namespace();
	layout = launch_get_cgroup_layout(NULL);
	if (access(BUSYBOX, X_OK) < 0)
		skip_all("needs " BUSYBOX " (package busybox-static)");
	for (size_t i = 0; !layout || i < layout->n_hierarchies; i++)
		if (!layout || access(layout->hierarchies[i].mount_point, W_OK) < 0)
			skip_all("needs writable cgroups");
}

static void make_rootfs(const struct fixture *f)
{
	static const char *const dirs[] = {"bin", "proc", "dev", "sys", "tmp", "etc", "run"};
	static const char *const tools[] = {"sh", "cat", "sleep", "echo", "stty", "kill",
		"hostname", "dd", "true", "head", "tr", "readlink", "mkdir", "ls", "id",
		"sha256sum", "yes", "mount", "grep", "wc", "touch", "nc", "tee"};
	char path[2 * PATH_SIZE];
	struct buf busybox = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->rootfs, dirs[i]);
		assert_int_equal(path_mkdir(path, 0755), 0);
	}
	assert_int_equal(io_read_file(AT_FDCWD, BUSYBOX, 16 << 20, &busybox), 0);
	snprintf(path, sizeof(path), "%s/bin/busybox", f->rootfs);
	assert_int_equal(
		io_replace_file(AT_FDCWD, path, 0755, buf_str(&busybox), buf_len(&busybox)), 0);
	buf_fini(&busybox);
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		snprintf(path, sizeof(path), "%s/bin/%s", f->rootfs, tools[i]);
		assert_int_equal(symlink("busybox", path), 0);
	}
}

static void exec_agent(const struct fixture *f)
{
	const char *agent = getenv("KIHON_AGENT");
	char log[2 * PATH_SIZE];
	int fd;

	snprintf(log, sizeof(log), "%s/log", f->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	setenv("KATA_AGENT_SERVER_ADDR", f->address, 1);
	setenv("KATA_AGENT_LOG_LEVEL", "debug", 1);
	setenv("KIHON_AGENT_RUN_DIR", f->run_dir, 1);
	setenv("KIHON_AGENT_PORTS", f->ports, 1);
	if (f->config[0])
		execl(agent ? agent : AGENT, "kata-agent", "--config", f->config, (char *)NULL);
	execl(agent ? agent : AGENT, "kata-agent", (char *)NULL);
	_exit(127);
}

int fixture_socket(const struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t deadline_ns = clock_now_ns() + LIMIT_NS;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->address + strlen("unix://"));
	/* The agent says nothing when it listens; its socket is there a few milliseconds later. */
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		assert_true(clock_now_ns() < deadline_ns);
		assert_int_equal(waitpid(f->agent_pid, NULL, WNOHANG), 0);
		usleep(2000);
	}
	return fd;
}

struct ttrpc_client *fixture_connect(struct fixture *f)
{
	struct ttrpc_client *client;

	assert_int_equal(ttrpc_client_new(f->loop, fixture_socket(f), NULL, NULL, &client), 0);
	return client;
}

int fixture_set_up(void **state)
{
	/* The machine may be slow: an emulated one in the lab. */
	return fixture_set_up_with(state, "launch_process_timeout = 60\n");
}

static void write_config(struct fixture *f, const char *config)
{
	if (!config)
		return;
	snprintf(f->config, sizeof(f->config), "%.32s/agent.toml", f->dir);
	assert_int_equal(io_replace_file(AT_FDCWD, f->config, 0600, config, strlen(config)), 0);
}

int fixture_set_up_with(void **state, const char *config)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/kihon-agent.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->run_dir, sizeof(f->run_dir), "%.32s/run", f->dir);
	snprintf(f->rootfs, sizeof(f->rootfs), "%.32s/rootfs", f->dir);
	snprintf(f->address, sizeof(f->address), "unix://%.32s/agent.sock", f->dir);
	snprintf(f->cgroup, sizeof(f->cgroup), "/kihon-agent-test-%d", (int)getpid());
	make_rootfs(f);
	fixture_make_ports(f);
	write_config(f, config);
	assert_int_equal(loop_new(&f->loop), 0);
	f->agent_pid = fork();
	if (f->agent_pid == 0)
		exec_agent(f);
	f->client = fixture_connect(f);
	return 0;
}

static void check_no_mounts(const struct fixture *f)
{
	struct buf mounts = BUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts), 0);
	if (strstr(buf_str(&mounts), f->dir))
		fail_msg("mounts are left below %s", f->dir);
	buf_fini(&mounts);
}

static void check_no_cgroups(const struct fixture *f)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	char path[4 * PATH_SIZE];

	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		snprintf(path, sizeof(path), "%s%s", layout->hierarchies[i].mount_point, f->cgroup);
		/* Only the parent, which is nobody's: an rmdir that fails finds a container's in
		 * it. */
		if (rmdir(path) < 0 && errno != ENOENT)
			fail_msg("cgroups are left below %s", path);
	}
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;
	int status;

	ttrpc_client_free(f->client);
	loop_free(f->loop);
	kill(f->agent_pid, SIGTERM);
	assert_int_equal(waitpid(f->agent_pid, &status, 0), f->agent_pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the agent ended with status %#x, see %s/log", (unsigned int)status,
			f->dir);
	check_no_mounts(f);
	check_no_cgroups(f);
	assert_int_not_equal(access(f->run_dir, F_OK), 0);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

size_t fixture_agent_memory_kb(const struct fixture *f)
{
	struct buf text = BUF_INIT;
	char path[64];
	const char *at;
	size_t kb;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)f->agent_pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 16, &text), 0);
	at = strstr(buf_str(&text), "RssAnon:");
	assert_non_null(at);
	kb = strtoul(at + strlen("RssAnon:"), NULL, 10);
	buf_fini(&text);
	return kb;
}

size_t fixture_count_fds(const struct fixture *f)
{
	return count_open_fds(f->agent_pid);
}

static void on_reply(void *data, const ProtobufCMessage *message, const struct err *err)
{
	struct reply *reply = data;

	reply->done = true;
	reply->pending = NULL;
	if (err)
		reply->err = *err;
	else if (reply->desc) {
		size_t size = protobuf_c_message_get_packed_size(message);
		uint8_t *bytes = malloc(size + 1);

		protobuf_c_message_pack(message, bytes);
		reply->message = protobuf_c_message_unpack(reply->desc, NULL, size, bytes);
		free(bytes);
	}
}

void call_start_on(struct fixture *f, struct ttrpc_client *client, const char *method,
	const ProtobufCMessage *request, int64_t timeout_ns, const ProtobufCMessageDescriptor *desc,
	struct reply *reply)
{
	const char *service = strcmp(method, "Check") == 0 || strcmp(method, "Version") == 0
				      ? "grpc.Health"
				      : "grpc.AgentService";

	(void)f;
	*reply = (struct reply){.desc = desc};
	assert_int_equal(ttrpc_client_call(client, service, method, request, timeout_ns, desc,
				 on_reply, reply, &reply->pending),
		0);
}

void call_start(struct fixture *f, const char *method, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *desc, struct reply *reply)
{
	call_start_on(f, f->client, method, request, 0, desc, reply);
}

void run_until(struct fixture *f, const bool *condition)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_NS;

	while (!*condition) {
		assert_true(clock_now_ns() < deadline_ns);
		assert_int_equal(loop_run_once(f->loop, NS_PER_S), 0);
	}
}

void call_wait(struct fixture *f, struct reply *reply)
{
	run_until(f, &reply->done);
}

void reply_fini(struct reply *reply)
{
	if (reply->message)
		protobuf_c_message_free_unpacked(reply->message, NULL);
	reply->message = NULL;
}

int call(struct fixture *f, const char *method, const ProtobufCMessage *request, struct err *err)
{
	struct reply reply;

	call_start(f, method, request, NULL, &reply);
	call_wait(f, &reply);
	if (err)
		*err = reply.err;
	return err_is_set(&reply.err) ? (int)wire_status_of(&reply.err) : 0;
}
