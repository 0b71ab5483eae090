/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <stdio.h>
#include <sys/prctl.h>

#include "agent/commit.h"
#include "agent/console.h"
#include "agent/container/launch.h"
#include "agent/job.h"
#include "agent/logport.h"
#include "agent/network/network.h"
#include "agent/passfd.h"
#include "agent/port.h"
#include "agent/rpc.h"
#include "agent/span.h"
#include "agent/trace.h"
#include "base/clock.h"
#include "base/log.h"
#include "linux/systemd.h"
#include "oci/extension.h"
#include "wire/dial.h"
#include "wire/status.h"

const char agent_commit[] = AGENT_COMMIT;

/* How long stopping waits for what is still being undone. */
#define STOP_NS (10 * NS_PER_S)
/* And for peers to read their last answers: some never do. */
#define FLUSH_NS (2 * NS_PER_S)

const char *agent_feature(size_t i)
{
	if (i < oci_extensions_count())
		return oci_extension_name(i);
	return i == oci_extensions_count() ? "seccomp" : NULL;
}

static void announce(const struct agent *agent)
{
	auto_buf struct buf features = BUF_INIT;

	for (size_t i = 0; agent_feature(i); i++)
		(void)!buf_printf(&features, "%s%s", i ? ", " : "", agent_feature(i));
	log_write(LOG_INFO, "root", "announce", "agent-commit", agent_commit, "agent-version",
		KIHON_VERSION, "api-version", AGENT_API_VERSION, "init",
		agent->is_init ? "true" : "false", "server-address", agent->options->server_addr,
		"log-level", log_level_name(agent->options->log_level), "extra-features",
		buf_str(&features), NULL);
	for (int i = 0; i < OPTION_LATER_COUNT; i++)
		if (agent->options->not_supported & 1U << i)
			log_printf(LOG_WARN, "root", "%s is not supported yet: ignored",
				option_later_name(i));
}

static int open_log(struct agent *agent, struct err *err)
{
	char address[PORT_ADDRESS_SIZE];

	if (agent->options->log_port == 0)
		return logport_open(agent->loop, NULL, &agent->logport, err);
	port_format_own(agent->options, agent->options->log_port, address);
	return logport_open(agent->loop, address, &agent->logport, err);
}

static int open_trace(struct agent *agent, struct err *err)
{
	int r;

	if (!agent->options->tracing)
		return 0;
	r = trace_open(agent->loop, agent->options, &agent->trace, err);
	if (r == 0)
		span_trace(agent->trace);
	return r;
}

static void on_call_end(const struct ttrpc_call *call, const char *text, void *user)
{
	const struct agent *agent = user;

	trace_call(agent->trace, call, text);
}

static int open_server(struct agent *agent, struct err *err)
{
	struct ttrpc_server_config config = {
		.methods = agent->methods,
		.n_methods = rpc_n_methods,
		.user = agent,
		.on_call_end = agent->trace ? on_call_end : NULL,
		.unknown_service_status = WIRE_INVALID_ARGUMENT,
		.max_connections = AGENT_MAX_CONNECTIONS,
		.connection_budget = AGENT_CONNECTION_BUDGET,
		.connection_reserve = AGENT_CONNECTION_RESERVE,
		.shared_budget = AGENT_SHARED_BUDGET,
		.max_unsent = AGENT_MAX_UNSENT,
	};
	int fd, r;

	if (!agent->methods)
		return err_sys(err, ENOMEM, "start");
	fd = dial_listen(agent->options->server_addr, err);
	if (fd < 0)
		return fd;
	agent->is_listening = true;
	r = ttrpc_server_new(agent->loop, fd, &config, &agent->server);
	if (r < 0)
		return err_sys(err, -r, "serve %s", agent->options->server_addr);
	log_write(LOG_INFO, "rpc", "ttRPC server started", "address", agent->options->server_addr,
		NULL);
	return 0;
}

static void on_stop_signal(void *data, int signo)
{
	struct agent *agent = data;

	log_printf(LOG_INFO, "root", "signal %d: stopping", signo);
	/* A second signal while the sandbox is being created or destroyed does not wait for it. */
	if (sandbox_destroy(agent, NULL) < 0)
		agent_stop(agent);
}

/* As PID 1 nobody but the host ends us. */
static int add_stop_signals(struct agent *agent)
{
	int r;

	if (agent->is_init)
		return 0;
	r = loop_add_signal(agent->loop, SIGTERM, on_stop_signal, agent, &agent->sigterm);
	if (r == 0)
		r = loop_add_signal(agent->loop, SIGINT, on_stop_signal, agent, &agent->sigint);
	return r;
}

/* A guest without a shell, or whose console is not to be had, is as good as any other. */
static void open_console(struct agent *agent)
{
	struct err err = ERR_INIT;

	if (!agent->options->debug_console)
		return;
	if (console_open(agent->loop, agent->reaper, agent->options, &agent->console, &err) < 0)
		log_printf(LOG_ERROR, "debug-console", "%s", err.msg);
}

static int open_passfd(struct agent *agent, struct err *err)
{
	if (agent->options->passfd_port == 0)
		return 0;
	return passfd_open(agent->loop, agent->options, &agent->passfd, err);
}

static int set_up(struct agent *agent, struct err *err)
{
	int r = loop_new(&agent->loop);

	hotplug_init(&agent->hotplug, agent->loop, "/sys", agent->options->hotplug_timeout_ns);
	if (r < 0)
		return err_sys(err, -r, "event loop");
	r = open_log(agent, err);
	if (r < 0)
		return r;
	announce(agent);
	/* Processes that a container leaves behind come to us, not to the guest's init. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = reaper_new(agent->loop, &agent->reaper);
	if (r == 0)
		r = add_stop_signals(agent);
	if (r < 0)
		return err_sys(err, -r, "signals");
	r = network_new(
		agent->loop, agent->reaper, agent->options->hotplug_timeout_ns, &agent->network);
	if (r < 0)
		return err_sys(err, -r, "start");
	r = open_trace(agent, err);
	if (r == 0)
		r = open_passfd(agent, err);
	if (r < 0)
		return r;
	open_console(agent);
	return open_server(agent, err);
}

/* On v1 and hybrid machines containers get directories, as where it is not. */
static bool has_systemd(bool is_init)
{
	const struct cgroup_layout *layout;

	if (is_init || !systemd_is_running())
		return false;
	layout = launch_get_cgroup_layout(NULL);
	return layout && layout->n_hierarchies == 1 && layout->hierarchies[0].unified;
}

int agent_new(const struct options *options, bool is_init, struct agent **ret, struct err *err)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return err_sys(err, ENOMEM, "start");
	agent->options = options;
	agent->is_init = is_init;
	agent->has_systemd = has_systemd(is_init);
	agent->methods = endpoints_make_table(&options->endpoints);
	list_init(&agent->call_jobs);
	sandbox_init(&agent->sandbox);
	r = set_up(agent, err);
	if (r < 0) {
		agent_free(agent);
		return r;
	}
	*ret = agent;
	return 0;
}

const char *agent_share_path(const struct agent *agent, char path[static AGENT_SHARE_PATH_SIZE])
{
	snprintf(path, AGENT_SHARE_PATH_SIZE, "%s/" AGENT_SHARE_DIR, agent->options->run_dir);
	return path;
}

int64_t agent_launch_deadline_ns(const struct agent *agent, const struct ttrpc_call *call)
{
	int64_t deadline_ns = ttrpc_call_deadline_ns(call), own_ns;

	if (__builtin_add_overflow(clock_now_ns(), agent->options->launch_timeout_ns, &own_ns))
		own_ns = INT64_MAX;
	return own_ns < deadline_ns ? own_ns : deadline_ns;
}

int agent_serve(struct agent *agent, struct err *err)
{
	int r = loop_run(agent->loop);

	return r < 0 ? err_sys(err, -r, "event loop") : 0;
}

static void stop_now(void *data)
{
	struct agent *agent = data;

	loop_stop(agent->loop, 0);
}

/* Before the socket is closed: afterwards the name may be another agent's. */
static void remove_address(struct agent *agent)
{
	if (agent->is_listening)
		dial_unlisten(agent->options->server_addr);
	agent->is_listening = false;
}

void agent_stop(struct agent *agent)
{
	remove_address(agent);
	ttrpc_server_stop_accepting(agent->server);
	if (agent->flush_timer)
		return;
	if (loop_add_timer(agent->loop, clock_now_ns() + FLUSH_NS, stop_now, agent,
		    &agent->flush_timer) < 0 ||
		ttrpc_server_on_flushed(agent->server, stop_now, agent) < 0)
		stop_now(agent);
}

/* Cancelled launches undo in the background what they have made, and use the loop for it. */
static void finish_background(struct agent *agent)
{
	int64_t deadline_ns = clock_now_ns() + STOP_NS;

	while (launch_count() + job_count() > 0 && clock_now_ns() < deadline_ns)
		if (loop_run_once(agent->loop, deadline_ns - clock_now_ns()) < 0)
			return;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	remove_address(agent);
	if (agent->server)
		ttrpc_server_free(agent->server);
	finish_background(agent);
	if (job_count() == 0)
		network_free(agent->network);
	sandbox_fini(&agent->sandbox);
	passfd_close(agent->passfd);
	console_close(agent->console);
	hotplug_fini(&agent->hotplug);
	source_free(agent->sigterm);
	source_free(agent->sigint);
	source_free(agent->flush_timer);
	span_trace(NULL);
	trace_close(agent->trace);
	reaper_free(agent->reaper);
	logport_close(agent->logport);
	/* What does not end keeps its sources; the process is about to go anyway. */
	if (agent->loop && launch_count() + job_count() == 0)
		loop_free(agent->loop);
	free(agent->methods);
	free(agent);
}
