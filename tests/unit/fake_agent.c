/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_agent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/map.h"
#include "health.pb-c.h"
#include "linux/procstat.h"
#include "wire/message.h"
#include "wire/ttrpc_server.h"

enum {
	VHOST_FD = 3,
	HYBRID_FD = 4,
	SCRIPT_MAX = 256,
	STAT_MAX = 4096,
	KEY_SIZE = 160,
	SLOW_MS = 300,
};

/* One process: what waits for its end. */
struct task {
	struct ttrpc_call *reads[2], *wait;
	int status; /* -1: runs */
	bool has_spoken;
};

struct guest {
	struct loop *loop;
	struct ttrpc_server *server;
	struct map tasks; /* by "<container>/<exec>"; the exec is empty for the init process */
	struct source *slow;
	struct ttrpc_call *slow_call;
	bool is_paused;
	struct task *dying; /* killed while it was paused */
	size_t n_ooms;
	struct buf script;
};

void fake_agent_script(int pid, char path[static FAKE_AGENT_SCRIPT_SIZE])
{
	snprintf(path, FAKE_AGENT_SCRIPT_SIZE, "/tmp/fake_agent.%d", pid);
}

static bool is_told(const struct guest *g, const char *word)
{
	return strstr(buf_str(&g->script), word) != NULL;
}

static void answer(struct guest *g, struct ttrpc_call *call, const char *failing)
{
	struct err err = ERR_INIT;

	err_set(&err, EIO, "as told: %s", failing);
	if (is_told(g, failing))
		ttrpc_call_fail(call, &err);
	else
		ttrpc_call_reply(call, NULL);
}

static void make_key(const char *cid, const char *eid, char key[static KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "%s/%s", cid, eid && strcmp(eid, cid) != 0 ? eid : "");
}

static struct task *find(struct guest *g, const char *cid, const char *eid)
{
	char key[KEY_SIZE];

	make_key(cid, eid, key);
	return map_find(&g->tasks, key);
}

/* One that is there already is the shim's mistake: the guest ends. */
static void add_task(struct guest *g, const char *cid, const char *eid)
{
	struct task *t = calloc(1, sizeof(*t));
	char key[KEY_SIZE];

	t->status = is_told(g, "ends") ? 7 : -1;
	make_key(cid, eid, key);
	if (map_add(&g->tasks, key, t) < 0)
		_exit(96);
}

static void fail_not_found(struct ttrpc_call *call)
{
	struct err err = ERR_INIT;

	err_set(&err, ENOENT, "no such process");
	ttrpc_call_fail(call, &err);
}

static void reply_end(struct ttrpc_call *call)
{
	Grpc__ReadStreamResponse end = GRPC__READ_STREAM_RESPONSE__INIT;

	ttrpc_call_reply(call, &end.base);
}

static void reply_hello(struct ttrpc_call *call)
{
	static char hello[] = "hello\n";
	Grpc__ReadStreamResponse reply = GRPC__READ_STREAM_RESPONSE__INIT;

	reply.has_data = 1;
	reply.data.data = (uint8_t *)hello;
	reply.data.len = strlen(hello);
	ttrpc_call_reply(call, &reply.base);
}

static void reply_status(struct ttrpc_call *call, int status)
{
	Grpc__WaitProcessResponse reply = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	MESSAGE_SET(&reply, status, status);
	ttrpc_call_reply(call, &reply.base);
}

static void end_task(struct task *t, int status)
{
	t->status = status;
	for (size_t i = 0; i < ARRAY_SIZE(t->reads); i++)
		if (t->reads[i])
			reply_end(t->reads[i]);
	if (t->wait)
		reply_status(t->wait, status);
	t->reads[0] = t->reads[1] = t->wait = NULL;
}

static void on_check(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	(void)request;
	(void)user;
	ttrpc_call_reply(call, &reply.base);
}

static void on_details(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__GuestDetailsResponse reply = GRPC__GUEST_DETAILS_RESPONSE__INIT;

	(void)request;
	(void)user;
	ttrpc_call_reply(call, &reply.base);
}

static void on_anything(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	(void)user;
	ttrpc_call_reply(call, NULL);
}

static void on_destroy_sandbox(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	if (!is_told(user, "destroy_sandbox_hangs"))
		answer(user, call, "destroy_sandbox_fails");
}

static void on_create_sandbox(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	answer(user, call, "create_sandbox_fails");
}

static bool is_told_of(const struct guest *g, const char *cid, const char *what)
{
	char word[KEY_SIZE];

	snprintf(word, sizeof(word), "%s_%s", cid, what);
	return is_told(g, word);
}

static void on_slow(void *data)
{
	struct guest *g = data;

	ttrpc_call_reply(g->slow_call, NULL);
}

static void on_create(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__CreateContainerRequest *request = (const void *)message;
	struct guest *g = user;
	char failing[KEY_SIZE];

	if (is_told(user, "create_container_hangs"))
		return;
	snprintf(failing, sizeof(failing), "%s_create_fails", request->container_id);
	if (is_told(user, failing)) {
		answer(user, call, failing);
		return;
	}
	add_task(user, request->container_id, "");
	if (!is_told_of(user, request->container_id, "create_is_slow")) {
		answer(user, call, "create_container_fails");
		return;
	}
	g->slow_call = call;
	if (loop_add_timer(g->loop, clock_now_ns() + SLOW_MS * NS_PER_MS, on_slow, g, &g->slow) < 0)
		_exit(95);
}

static void on_remove(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__RemoveContainerRequest *request = (const void *)message;
	struct guest *g = user;
	size_t len = strlen(request->container_id);

	for (size_t i = g->tasks.n_entries; i-- > 0;) {
		const char *key = g->tasks.entries[i].key;

		if (strncmp(key, request->container_id, len) == 0 && key[len] == '/')
			free(map_remove(&g->tasks, key));
	}
	g->dying = NULL;
	ttrpc_call_reply(call, NULL);
}

static void on_start(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	answer(user, call, "start_fails");
}

static void on_exec(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__ExecProcessRequest *request = (const void *)message;

	add_task(user, request->container_id, request->exec_id);
	ttrpc_call_reply(call, NULL);
}

static void read_stream(struct ttrpc_call *call, const ProtobufCMessage *message, void *user, int i)
{
	const Grpc__ReadStreamRequest *request = (const void *)message;
	struct task *t = find(user, request->container_id, request->exec_id);

	if (!t) {
		fail_not_found(call);
	} else if (i == 0 && is_told(user, "speaks") && !t->has_spoken) {
		t->has_spoken = true;
		reply_hello(call);
	} else if (t->status >= 0) {
		reply_end(call);
	} else {
		t->reads[i] = call;
	}
}

static void on_stdout(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	read_stream(call, request, user, 0);
}

static void on_stderr(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	read_stream(call, request, user, 1);
}

static void on_write(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__WriteStreamRequest *request = (const void *)message;
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;
	struct task *t = find(user, request->container_id, request->exec_id);

	if (!t) {
		fail_not_found(call);
		return;
	}
	MESSAGE_SET(&reply, len, (uint32_t)request->data.len);
	ttrpc_call_reply(call, &reply.base);
	if (is_told(user, "listens"))
		end_task(t, 7);
}

static void on_wait(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__WaitProcessRequest *request = (const void *)message;
	struct task *t = find(user, request->container_id, request->exec_id);

	if (!t)
		fail_not_found(call);
	else if (t->status >= 0)
		reply_status(call, t->status);
	else
		t->wait = call;
}

static void on_signal(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__SignalProcessRequest *request = (const void *)message;
	struct guest *g = user;
	struct task *t = find(g, request->container_id, request->exec_id);
	int status = 128 + (int)request->signal;

	if (!t) {
		fail_not_found(call);
		return;
	}
	/* Frees the request. */
	ttrpc_call_reply(call, NULL);
	if (g->is_paused && is_told(g, "cgroup_v1"))
		g->dying = t;
	else
		end_task(t, status);
}

static void on_pause(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct guest *g = user;

	(void)request;
	if (is_told(g, "pause_hangs"))
		return;
	g->is_paused = !is_told(g, "pause_fails");
	answer(g, call, "pause_fails");
}

static void on_resume(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct guest *g = user;

	(void)request;
	answer(g, call, "resume_fails");
	if (is_told(g, "resume_fails"))
		return;
	g->is_paused = false;
	if (g->dying)
		end_task(g->dying, 128 + SIGKILL);
	g->dying = NULL;
}

static void on_oom(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__OOMEvent reply = GRPC__OOMEVENT__INIT;
	struct guest *g = user;
	char names[2][8] = {"c1", "other"};

	(void)request;
	reply.container_id = names[g->n_ooms % 2];
	if (is_told(g, "oom") && g->n_ooms++ < 3)
		ttrpc_call_reply(call, &reply.base);
}

/* CPUs and memory that were plugged in. */
static void on_online(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	struct err err = ERR_INIT;

	(void)message;
	if (!is_told(user, "online_fails")) {
		ttrpc_call_reply(call, NULL);
		return;
	}
	err_set(&err, EIO, "1 of 2 processors are online");
	ttrpc_call_fail(call, &err);
}

/* The limits arrived: the answer says which. */
static void on_update(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__UpdateContainerRequest *request = (const void *)message;
	const Grpc__LinuxResources *r = request->resources;
	struct err err = ERR_INIT;

	if (is_told(user, "resources_hang"))
		return;
	if (!is_told(user, "update_echoes")) {
		ttrpc_call_reply(call, NULL);
		return;
	}
	err_set(&err, EIO, "%s: memory %lld, quota %lld, pids %lld", request->container_id,
		r->memory ? (long long)r->memory->limit : 0, r->cpu ? (long long)r->cpu->quota : 0,
		r->pids ? (long long)r->pids->limit : 0);
	ttrpc_call_fail(call, &err);
}

static void on_stats(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__StatsContainerResponse reply = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats cgroup = GRPC__CGROUP_STATS__INIT;
	Grpc__PidsStats pids = GRPC__PIDS_STATS__INIT;
	Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	Grpc__MemoryStats__StatsEntry anon = GRPC__MEMORY_STATS__STATS_ENTRY__INIT;
	Grpc__MemoryStats__StatsEntry *stats[] = {&anon};
	char name[] = "anon";

	(void)request;
	if (is_told(user, "resources_hang"))
		return;
	if (is_told(user, "stats_fails")) {
		answer(user, call, "stats_fails");
		return;
	}
	anon.key = name;
	MESSAGE_SET(&anon, value, 4096);
	memory.stats = stats;
	memory.n_stats = is_told(user, "cgroup_v1") ? 0 : 1;
	MESSAGE_SET(&pids, current, 3);
	cgroup.pids_stats = &pids;
	cgroup.memory_stats = &memory;
	reply.cgroup_stats = &cgroup;
	ttrpc_call_reply(call, &reply.base);
}

#define AGENT(name, message, fn)                                              \
	{                                                                     \
		"grpc.AgentService", name, &grpc__##message##__descriptor, fn \
	}

static const struct ttrpc_method methods[] = {
	{"grpc.Health", "Check", &grpc__check_request__descriptor, on_check},
	AGENT("GetGuestDetails", guest_details_request, on_details),
	AGENT("SetGuestDateTime", set_guest_date_time_request, on_anything),
	AGENT("CreateSandbox", create_sandbox_request, on_create_sandbox),
	AGENT("DestroySandbox", destroy_sandbox_request, on_destroy_sandbox),
	AGENT("CreateContainer", create_container_request, on_create),
	AGENT("StartContainer", start_container_request, on_start),
	AGENT("RemoveContainer", remove_container_request, on_remove),
	AGENT("ExecProcess", exec_process_request, on_exec),
	AGENT("SignalProcess", signal_process_request, on_signal),
	AGENT("WaitProcess", wait_process_request, on_wait),
	AGENT("ReadStdout", read_stream_request, on_stdout),
	AGENT("ReadStderr", read_stream_request, on_stderr),
	AGENT("WriteStdin", write_stream_request, on_write),
	AGENT("CloseStdin", close_stdin_request, on_anything),
	AGENT("PauseContainer", pause_container_request, on_pause),
	AGENT("ResumeContainer", resume_container_request, on_resume),
	AGENT("GetOOMEvent", get_oomevent_request, on_oom),
	AGENT("UpdateContainer", update_container_request, on_update),
	AGENT("OnlineCPUMem", online_cpumem_request, on_online),
	AGENT("StatsContainer", stats_container_request, on_stats),
	AGENT("TtyWinResize", tty_win_resize_request, on_anything),
};

/* A client of the hybrid socket: the agent's port is served, the log's hears nothing. */
static void on_client(void *data, int listen_fd, uint32_t events)
{
	struct guest *g = data;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	char line[32];
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	(void)events;
	if (n <= 0) {
		close_fd(fd);
		return;
	}
	line[n] = '\0';
	if (write(fd, "OK 1\n", 5) != 5 || strcmp(line, "CONNECT 1024\n") != 0)
		return; /* the log's stays open until we end */
	if (ttrpc_server_add(g->server, fd) < 0)
		_exit(97);
}

static void on_vmm_end(void *data, int fd, uint32_t events)
{
	char c;

	(void)data;
	(void)events;
	if (read(fd, &c, 1) <= 0)
		_exit(0);
}

/* As /proc numbers it: in a pid namespace of our own getppid() knows none. */
static int parent_pid(void)
{
	auto_buf struct buf text = BUF_INIT;
	struct procstat self;

	if (io_read_file(AT_FDCWD, "/proc/self/stat", STAT_MAX, &text) < 0 ||
		procstat_parse(buf_slice(&text), &self) < 0)
		_exit(95);
	return self.ppid;
}

int fake_agent_main(int argc, char **argv)
{
	struct guest g = {0};
	struct ttrpc_server_config config = {
		.methods = methods, .n_methods = ARRAY_SIZE(methods), .user = &g};
	struct source *client, *vmm;
	char script[FAKE_AGENT_SCRIPT_SIZE];

	if (argc < 1 || strcmp(argv[0], "kata-vsockd") != 0)
		return -1;
	fake_agent_script(parent_pid(), script);
	if (io_read_file(AT_FDCWD, script, SCRIPT_MAX, &g.script) < 0 || loop_new(&g.loop) < 0 ||
		ttrpc_server_new(g.loop, -1, &config, &g.server) < 0 ||
		loop_add_io(g.loop, HYBRID_FD, EPOLLIN, on_client, &g, &client) < 0 ||
		loop_add_io(g.loop, VHOST_FD, EPOLLIN, on_vmm_end, &g, &vmm) < 0)
		return 98;
	return loop_run(g.loop) < 0 ? 99 : 0;
}
