/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/sandbox.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "health.pb-c.h"
#include "linux/procstat.h"
#include "runtime/sandbox_private.h"
#include "runtime/timeline.h"
#include "runtime/undo.h"
#include "wire/message.h"

enum {
	START_LIMIT_S = 120,   /* of the whole start, when the caller sets none */
	AGENT_DIAL_MIN_S = 10, /* upstream's smallest effective reconnect_timeout_ms */
	SHM_DEFAULT_SIZE = 64 << 20,
};

static const bool transitions[SANDBOX_STATE_COUNT][SANDBOX_STATE_COUNT] = {
	[SANDBOX_NEW] = {[SANDBOX_PREPARED] = true, [SANDBOX_STOPPING] = true},
	[SANDBOX_PREPARED] = {[SANDBOX_STARTING] = true, [SANDBOX_STOPPING] = true},
	[SANDBOX_STARTING] = {[SANDBOX_RUNNING] = true, [SANDBOX_STOPPING] = true},
	[SANDBOX_RUNNING] = {[SANDBOX_LOST] = true, [SANDBOX_STOPPING] = true},
	[SANDBOX_LOST] = {[SANDBOX_STOPPING] = true},
	[SANDBOX_STOPPING] = {[SANDBOX_STOPPED] = true},
};

void sandbox_set_state(struct sandbox *sb, enum sandbox_state state)
{
	assert(transitions[sb->state][state]);
	sb->state = state;
}

/* Ends a step of the start and begins the next. */
static void span(struct sandbox *sb, const char *what)
{
	timeline_end(what, NULL, sb->step_ns);
	sb->step_ns = clock_now_ns();
}

static void end_start(struct sandbox *sb, const struct err *err)
{
	sandbox_done_fn *done = sb->start_done;

	source_free(sb->start_timer);
	sb->start_timer = NULL;
	sb->start_done = NULL;
	if (done)
		done(sb->start_data, err);
}

/* An agent that hangs up has mostly died with its VM, whose end says more and is heard of soon. */
static bool is_worth_a_wait(struct sandbox *sb, const struct err *why)
{
	if (why->code != ECONNRESET || err_is_set(&sb->hangup))
		return false;
	err_copy(&sb->hangup, why);
	source_set_deadline(sb->start_timer, clock_now_ns() + SANDBOX_HANGUP_MS * NS_PER_MS);
	return true;
}

static void fail_start(struct sandbox *sb, const struct err *why, const char *step)
{
	struct err err = ERR_INIT;
	const char *tail = sb->hv ? hypervisor_console_tail(sb->hv) : "";

	if (!sb->start_done || is_worth_a_wait(sb, why))
		return;
	err_copy(&err, why);
	err.status = 0;
	err_wrap(&err, "%s", step);
	/* The VM's own errors carry the line already. */
	if (tail[0] && !strstr(err.msg, tail)) {
		size_t len = strlen(err.msg);

		snprintf(err.msg + len, sizeof(err.msg) - len, " (console: %s)", tail);
	}
	end_start(sb, &err);
}

/* A call of the agent that could not even be made. */
static void fail_call(struct sandbox *sb, int r, const char *step)
{
	struct err err = ERR_INIT;

	err_sys(&err, -r, "call the agent");
	fail_start(sb, &err, step);
}

/* Whether there is still a start to go on with after this step; it ends if the step has failed. */
static bool goes_on(struct sandbox *sb, const struct err *err, const char *step)
{
	if (sb->state != SANDBOX_STARTING || !sb->start_done)
		return false;
	if (err)
		fail_start(sb, err, step);
	return !err;
}

static void on_sandbox_created(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct sandbox *sb = data;
	struct err failed = ERR_INIT;
	int r;

	(void)reply;
	if (!goes_on(sb, err, "create the sandbox in the guest"))
		return;
	r = sandbox_start_health(sb);
	if (r == 0)
		r = sandbox_start_sizer(sb);
	if (r < 0)
		err_sys(&failed, -r, "watch the agent's health");
	else
		r = sandbox_start_management(sb, &failed);
	if (r < 0) {
		fail_start(sb, &failed, "start the sandbox");
		return;
	}
	span(sb, "create sandbox");
	sandbox_set_state(sb, SANDBOX_RUNNING);
	end_start(sb, NULL);
}

static int create_sandbox(struct sandbox *sb)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage share = GRPC__STORAGE__INIT, shm = GRPC__STORAGE__INIT;
	char nodev[] = "nodev", noexec[] = "noexec", nosuid[] = "nosuid", mode[] = "mode=1777";
	char size[32], virtio_fs[] = "virtio-fs", tag[] = "kataShared", virtiofs[] = "virtiofs";
	char share_point[] = LAYOUT_GUEST_SHARE, shm_point[] = LAYOUT_GUEST_SHM;
	char ephemeral[] = "ephemeral", tmpfs[] = "tmpfs", shm_name[] = "shm";
	char *share_options[] = {nodev}, *shm_options[] = {noexec, nosuid, nodev, mode, size};
	Grpc__Storage *storages[] = {&share, &shm};

	snprintf(size, sizeof(size), "size=%" PRIu64,
		sb->shm_size > 0 ? sb->shm_size : (uint64_t)SHM_DEFAULT_SIZE);
	share.driver = virtio_fs;
	share.source = tag;
	share.fstype = virtiofs;
	share.mount_point = share_point;
	share.options = share_options;
	share.n_options = ARRAY_SIZE(share_options);
	shm.driver = ephemeral;
	shm.source = shm_name;
	shm.fstype = tmpfs;
	shm.mount_point = shm_point;
	shm.options = shm_options;
	shm.n_options = ARRAY_SIZE(shm_options);
	request.sandbox_id = sb->id;
	request.hostname = sb->hostname;
	request.storages = storages;
	request.n_storages = ARRAY_SIZE(storages);
	if (sb->network)
		request.dns = network_get_dns(sb->network, &request.n_dns);
	return agent_call(
		sb->agent, AGENT_CREATE_SANDBOX, &request.base, on_sandbox_created, sb, NULL);
}

static void begin_create(struct sandbox *sb)
{
	int r = create_sandbox(sb);

	if (r < 0)
		fail_call(sb, r, "create the sandbox in the guest");
}

static void on_network_told(void *data, const struct err *err)
{
	struct sandbox *sb = data;

	if (!goes_on(sb, err, "set up the network in the guest"))
		return;
	span(sb, "set up the network");
	begin_create(sb);
}

static void set_up_network(struct sandbox *sb)
{
	struct err err = ERR_INIT;

	if (network_tell(sb->network, sb->agent, on_network_told, sb, &err) < 0)
		fail_start(sb, &err, "set up the network in the guest");
}

static void on_details(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct sandbox *sb = data;
	const Grpc__GuestDetailsResponse *details = (const void *)reply;
	const Grpc__AgentDetails *agent = details ? details->agent_details : NULL;

	if (!goes_on(sb, err, "ask the guest what it is"))
		return;
	span(sb, "ask the guest");
	sb->has_seccomp = agent && agent->supports_seccomp;
	sb->extensions =
		agent ? oci_extensions_parse(agent->extra_features, agent->n_extra_features) : 0;
	log_write(LOG_INFO, "sandbox", "agent connected", "version",
		agent && agent->version ? agent->version : "", NULL);
	if (sb->network && network_has_endpoints(sb->network))
		set_up_network(sb);
	else
		begin_create(sb);
}

static void on_time_set(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct sandbox *sb = data;

	(void)reply;
	if (sb->state == SANDBOX_STARTING)
		guest_timeline_set_exchange(&sb->guest_timeline, sb->step_ns, clock_now_ns());
	/* The guest has the VM's clock anyway, exact to a second. */
	if (err)
		log_write(LOG_DEBUG, "sandbox", "set the guest's clock", "error", err->msg, NULL);
}

static void on_checked(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct sandbox *sb = data;
	Grpc__GuestDetailsRequest details = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__SetGuestDateTimeRequest date = GRPC__SET_GUEST_DATE_TIME_REQUEST__INIT;
	int64_t now_ns = clock_real_ns();
	int r;

	(void)reply;
	if (!goes_on(sb, err, "check the agent"))
		return;
	span(sb, "health check");
	MESSAGE_SET(&date, sec, now_ns / NS_PER_S);
	MESSAGE_SET(&date, usec, now_ns % NS_PER_S / NS_PER_US);
	r = agent_call(sb->agent, AGENT_SET_GUEST_DATE_TIME, &date.base, on_time_set, sb, NULL);
	if (r == 0)
		r = agent_call(
			sb->agent, AGENT_GET_GUEST_DETAILS, &details.base, on_details, sb, NULL);
	if (r < 0)
		fail_call(sb, r, "ask the guest what it is");
}

static void on_connected(void *data, const struct err *err)
{
	struct sandbox *sb = data;
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	int r;

	if (err) {
		fail_start(sb, err, "the guest does not answer");
		return;
	}
	span(sb, "guest boot");
	r = agent_call(sb->agent, AGENT_CHECK, &request.base, on_checked, sb, NULL);
	if (r < 0)
		fail_call(sb, r, "check the agent");
}

static void on_agent_lost(void *data, const struct err *why)
{
	struct sandbox *sb = data;

	if (sb->state == SANDBOX_STARTING) {
		fail_start(sb, why, "the agent hung up");
	} else if (sb->state == SANDBOX_RUNNING) {
		sandbox_hang_up(sb, why);
	}
}

static int64_t dial_limit_ns(const struct config_agent *config)
{
	int64_t configured_ns = config->reconnect_timeout_ms * NS_PER_MS;

	return configured_ns > AGENT_DIAL_MIN_S * NS_PER_S ? configured_ns
							   : AGENT_DIAL_MIN_S * NS_PER_S;
}

static int dial_agent(struct sandbox *sb, struct err *err)
{
	const struct config_agent *config = &sb->config->agent;
	int64_t deadline_ns = clock_now_ns() + dial_limit_ns(config);
	struct agent_config agent = {.address = hypervisor_agent_address(sb->hv),
		.config = config,
		.deadline_ns = deadline_ns,
		.connected = on_connected,
		.lost = on_agent_lost,
		.data = sb};
	char log_address[HYPERVISOR_ADDRESS_SIZE];
	struct err ignored = ERR_INIT;
	int r = agent_new(sb->loop, &agent, &sb->agent, err);

	if (r < 0)
		return r;
	if (hypervisor_port_address(sb->hv, config->log_port, log_address) < 0 ||
		agent_log_new(sb->loop, log_address, agent_retry_ns(config), deadline_ns,
			&sb->guest_timeline, &sb->log, &ignored) < 0)
		log_write(LOG_WARN, "sandbox", "no log from the guest", "error", ignored.msg, NULL);
	return 0;
}

static void on_vm_started(void *data, const struct err *err)
{
	struct sandbox *sb = data;
	struct err failed = ERR_INIT;

	if (!goes_on(sb, err, "start the virtual machine"))
		return;
	sb->pid = hypervisor_pid(sb->hv);
	span(sb, "start the virtual machine");
	sb->guest_timeline.up_ns = sb->step_ns;
	if (dial_agent(sb, &failed) < 0)
		fail_start(sb, &failed, "connect to the agent");
}

static void on_vm_exit(void *data, const struct err *why)
{
	struct sandbox *sb = data;

	if (sb->state == SANDBOX_STARTING)
		fail_start(sb, why, "the virtual machine ended during its start");
	else
		sandbox_lose(sb, why);
}

static int journal_process(void *data, const char *role, pid_t pid, uint64_t start_time)
{
	return state_note_process(data, role, pid, start_time);
}

static int journal_path(void *data, const char *path)
{
	return state_note_file(data, path);
}

static void on_vm_span(void *data, const char *what, int64_t from_ns, int64_t to_ns)
{
	(void)data;
	timeline_add(&(struct timeline_span){
		.who = "vm", .what = what, .from_ns = from_ns, .to_ns = to_ns});
}

static void on_start_deadline(void *data)
{
	struct sandbox *sb = data;
	struct err err = ERR_INIT;

	if (err_is_set(&sb->hangup))
		err_copy(&err, &sb->hangup);
	else
		err_set(&err, ETIMEDOUT, "timed out");
	fail_start(sb, &err, "start the sandbox");
}

int sandbox_start(
	struct sandbox *sb, int64_t deadline_ns, sandbox_done_fn *done, void *data, struct err *err)
{
	struct hypervisor_vm vm = {.id = sb->id,
		.config = sb->config,
		.run_dir = sb->layout.run_dir,
		.share_dir = sb->layout.ro_dir,
		.netns_fd = sandbox_vmm_netns(sb),
		.journal = {.note_process = journal_process,
			.note_path = journal_path,
			.data = sb->journal},
		.span = on_vm_span,
		.span_data = sb};
	int64_t limit_ns = clock_now_ns() + START_LIMIT_S * NS_PER_S;
	int r;

	if (limit_ns < deadline_ns)
		deadline_ns = limit_ns;
	sandbox_set_state(sb, SANDBOX_STARTING);
	sb->step_ns = sb->guest_timeline.vm_ns = clock_now_ns();
	r = loop_add_timer(sb->loop, deadline_ns, on_start_deadline, sb, &sb->start_timer);
	if (r < 0)
		return err_sys(err, -r, "start the sandbox");
	r = hypervisor_new(sb->loop, &vm, on_vm_exit, sb, &sb->hv, err);
	if (r < 0)
		return r;
	sb->hv_phase = HV_UP;
	r = sb->network ? network_add(sb->network, sb->hv, err) : 0;
	if (r < 0)
		return r;
	sb->start_done = done;
	sb->start_data = data;
	r = hypervisor_start(sb->hv, deadline_ns, on_vm_started, sb, err);
	if (r < 0)
		sb->start_done = NULL;
	return r;
}

/* The directory of a dead sandbox is cleared away, that of a living one is not ours. */
static int clear_old(struct sandbox *sb, struct err *err)
{
	struct state *old = NULL;
	struct undo undo = {.layout = &sb->layout};
	int r = state_load(sb->layout.run_dir, &old, NULL);

	for (size_t i = 0; r == 0 && i < old->n_processes; i++) {
		const struct state_process *p = &old->processes[i];
		auto_fd int pidfd = procstat_open(p->pid, p->start_time);

		if (pidfd >= 0)
			r = err_set(err, EEXIST, "sandbox %s exists already: its %s (pid %d) runs",
				sb->id, p->role, (int)p->pid);
	}
	undo.state = old;
	if (r != -EEXIST)
		r = undo_network(&undo, err);
	if (r == 0)
		r = undo_mounts(&undo, err);
	if (r == 0)
		r = undo_files(&undo, err);
	state_free(old);
	return r;
}

static int make_run_dir(struct sandbox *sb, struct err *err)
{
	auto_free char *parent = strdup(sb->layout.run_dir);
	int r;

	if (!parent)
		return err_sys(err, ENOMEM, "make %s", sb->layout.run_dir);
	*strrchr(parent, '/') = '\0';
	r = path_mkdir(parent, 0700);
	if (r < 0)
		return err_sys(err, -r, "make %s", parent);
	if (mkdir(sb->layout.run_dir, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(err, errno, "make %s", sb->layout.run_dir);
	r = clear_old(sb, err);
	if (r == 0 && mkdir(sb->layout.run_dir, 0700) < 0)
		r = err_sys(err, errno, "make %s", sb->layout.run_dir);
	return r;
}

static int note_self(struct sandbox *sb)
{
	struct procstat self;
	int r = procstat_read(getpid(), &self);

	return r < 0 ? r : state_note_process(sb->journal, "shim", getpid(), self.start_time);
}

int sandbox_note_process(struct sandbox *sb, const char *role, pid_t pid, uint64_t start_time)
{
	return state_note_process(sb->journal, role, pid, start_time);
}

void sandbox_forget_process(struct sandbox *sb, pid_t pid, uint64_t start_time)
{
	int r = state_forget_process(sb->journal, pid, start_time);

	if (r < 0)
		log_write(LOG_WARN, "sandbox", "write the state file", "error", strerror(-r), NULL);
}

int sandbox_prepare(struct sandbox *sb, struct err *err)
{
	struct undo undo = {.layout = &sb->layout};
	int64_t from_ns = clock_now_ns();
	int r = make_run_dir(sb, err);

	if (r < 0)
		return r;
	sandbox_set_state(sb, SANDBOX_PREPARED);
	timeline_open(sb->layout.run_dir);
	r = note_self(sb);
	if (r < 0)
		err_sys(err, -r, "write %s", sb->journal->file);
	else
		r = share_make(&sb->layout, sb->journal, err);
	if (r == 0)
		timeline_end("prepare", NULL, from_ns);
	if (r < 0) {
		undo.state = sb->journal;
		(void)!undo_mounts(&undo, NULL);
		(void)!undo_files(&undo, NULL);
	}
	return r;
}

int sandbox_new(const struct sandbox_config *config, struct sandbox **ret, struct err *err)
{
	struct sandbox *sb = calloc(1, sizeof(*sb));
	int r;

	if (!sb)
		return err_sys(err, ENOMEM, "make the sandbox");
	list_init(&sb->disks);
	share_plan_init(&sb->binds, &sb->layout);
	sb->loop = config->loop;
	sb->lost = config->lost;
	sb->data = config->data;
	sb->id = strdup(config->id);
	sb->hostname = strdup(config->hostname);
	r = sb->id && sb->hostname ? layout_init(&sb->layout, config->root, config->id) : -ENOMEM;
	if (r == 0)
		r = state_new(sb->layout.run_dir, config->id, config->owner, &sb->journal);
	if (r < 0) {
		sandbox_free(sb);
		return err_sys(err, -r, "make the sandbox");
	}
	sb->journal->keep_abnormal = config->config->runtime.keep_abnormal;
	sb->config = config->config;
	*ret = sb;
	return 0;
}

void sandbox_free(struct sandbox *sb)
{
	if (!sb)
		return;
	source_free(sb->start_timer);
	health_free(sb->health);
	oom_watch_free(sb->oom);
	source_free(sb->hangup_timer);
	source_free(sb->stop_timer);
	agent_log_free(sb->log);
	guest_timeline_fini(&sb->guest_timeline);
	/* The sizer may wait for both. */
	hypervisor_free(sb->hv);
	sizer_free(sb->sizer);
	agent_free(sb->agent);
	sandbox_free_disks(sb);
	network_free(sb->network);
	state_free(sb->journal);
	sandbox_free_binds(sb);
	config_free(sb->config);
	free(sb->id);
	free(sb->hostname);
	free(sb);
}

void sandbox_set_lost(struct sandbox *sb, sandbox_lost_fn *lost, void *data)
{
	sb->lost = lost;
	sb->data = data;
}

int sandbox_watch_oom(struct sandbox *sb, oom_watch_fn *fn, void *data)
{
	if (sb->state != SANDBOX_RUNNING || sb->oom)
		return -EINVAL;
	return oom_watch_new(sb->loop, sb->agent, fn, data, &sb->oom);
}

enum sandbox_state sandbox_get_state(const struct sandbox *sb)
{
	return sb->state;
}

bool sandbox_is_stopping(const struct sandbox *sb)
{
	return sb->state == SANDBOX_STOPPING || sb->state == SANDBOX_STOPPED;
}

struct agent *sandbox_agent(const struct sandbox *sb)
{
	return sb->agent;
}

const struct layout *sandbox_layout(const struct sandbox *sb)
{
	return &sb->layout;
}

const struct config *sandbox_get_config(const struct sandbox *sb)
{
	return sb->config;
}

pid_t sandbox_pid(const struct sandbox *sb)
{
	return sb->pid;
}

const char *sandbox_get_id(const struct sandbox *sb)
{
	return sb->id;
}

bool sandbox_has_seccomp(const struct sandbox *sb)
{
	return sb->has_seccomp;
}

oci_extensions sandbox_extensions(const struct sandbox *sb)
{
	return sb->extensions;
}
