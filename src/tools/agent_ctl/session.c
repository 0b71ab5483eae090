/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/session.h"

#include <signal.h>
#include <stdio.h>

#include "agent.pb-c.h"
#include "base/clock.h"
#include "tools/agent_ctl/features.h"
#include "tools/agent_ctl/help.h"
#include "tools/agent_ctl/joined.h"
#include "tools/agent_ctl/output.h"
#include "wire/dial.h"
#include "wire/ttrpc_client.h"

/* Without --timeout a peer has this long to accept the connection. */
#define CONNECT_NS (10 * NS_PER_S)
/* After this a call in the shell says how to leave it. */
#define SLOW_NS NS_PER_S

struct session {
	const struct cli *cli;	     /* borrowed */
	struct loop *loop;	     /* owned */
	struct ttrpc_client *client; /* owned; NULL before connect_agent() */
	bool is_lost;		     /* the client's connection */
	bool is_done;		     /* what is waited for has happened */
	int fd;			     /* owned: dialled, until the client takes it */
	struct err failure;	     /* of what was waited for */
	const struct method *method; /* in flight */
	bool is_shown;		     /* whether its reply is printed */
	int64_t end_ns;
	unsigned n_times; /* how often the next call is made */
	bool is_interruptible;
	struct features features; /* of the agent that client is connected to */
	int exit_status;
};

static int wait_for_done(struct session *s)
{
	int r = 0;

	while (!s->is_done && r == 0)
		r = loop_run_once(s->loop, -1);
	return r;
}

static void on_dialled(void *data, int fd, const struct err *err)
{
	struct session *s = data;

	s->is_done = true;
	s->fd = fd;
	if (fd < 0)
		s->failure = *err;
}

static int dial_agent(struct session *s, struct err *err)
{
	int64_t timeout_ns = s->cli->timeout_ns ? s->cli->timeout_ns : CONNECT_NS;
	int64_t deadline_ns;
	struct dial_config config;
	struct dial *dial;
	int r;

	if (__builtin_add_overflow(clock_now_ns(), timeout_ns, &deadline_ns))
		deadline_ns = INT64_MAX;
	/* One attempt: who calls wants to know that nobody listens. */
	config = (struct dial_config){.address = s->cli->address,
		.retry_ns = INT64_MAX,
		.deadline_ns = deadline_ns,
		.attempt_ns = timeout_ns};
	s->is_done = false;
	r = dial_start(s->loop, &config, on_dialled, s, &dial, err);
	if (r < 0)
		return r;
	r = wait_for_done(s);
	if (r < 0) {
		dial_cancel(dial);
		return err_sys(err, -r, "wait");
	}
	return s->fd < 0 ? err_copy(err, &s->failure) : 0;
}

static void on_closed(void *data, const struct err *why)
{
	struct session *s = data;

	(void)why;
	s->is_lost = true;
}

static void disconnect(struct session *s)
{
	ttrpc_client_free(take_ptr(&s->client));
	close_fd(take_fd(&s->fd));
	s->is_lost = false;
	s->features = (struct features){0};
}

static int connect_agent(struct session *s, struct err *err)
{
	int r;

	if (s->client && !s->is_lost)
		return 0;
	disconnect(s);
	if (!s->cli->address)
		return err_set(err, EINVAL, "need --server-address");
	s->failure = (struct err)ERR_INIT;
	r = dial_agent(s, err);
	if (r < 0)
		return r;
	r = ttrpc_client_new(s->loop, take_fd(&s->fd), on_closed, s, &s->client);
	return r < 0 ? err_sys(err, -r, "connect to %s", s->cli->address) : 0;
}

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct session *s = data;

	s->end_ns = clock_now_ns();
	s->is_done = true;
	if (err)
		s->failure = *err;
	else
		features_learn(&s->features, reply);
	if (!err && s->is_shown && output_reply(s->method, reply, s->cli->is_json, &s->failure) < 0)
		err_wrap(&s->failure, "print the reply");
}

static void on_interrupt(void *data, int signo)
{
	struct session *s = data;

	(void)signo;
	s->is_done = true;
	err_sys(&s->failure, EINTR, "interrupted");
}

static void on_slow(void *data)
{
	const struct session *s = data;

	fprintf(stderr, "waiting for %s; ^C ends it\n", s->method->name);
}

/* For whoever sits before a call that does not come back. */
static int watch_call(struct session *s, struct source **interrupt, struct source **slow)
{
	int r;

	if (!s->is_interruptible)
		return 0;
	r = loop_add_signal(s->loop, SIGINT, on_interrupt, s, interrupt);
	if (r < 0)
		return r;
	return loop_add_timer(s->loop, clock_now_ns() + SLOW_NS, on_slow, s, slow);
}

/* Sends it, and waits for the answer or SIGINT. */
static int wait_for_reply(struct session *s, const ProtobufCMessage *request)
{
	struct source *interrupt = NULL, *slow = NULL;
	struct ttrpc_pending *pending;
	sigset_t before;
	int r;

	(void)sigprocmask(SIG_BLOCK, NULL, &before);
	r = watch_call(s, &interrupt, &slow);
	s->is_done = false;
	if (r == 0)
		r = ttrpc_client_call(s->client, s->method->service, s->method->name, request,
			s->cli->timeout_ns, s->method->reply, on_reply, s, &pending);
	if (r == 0) {
		r = wait_for_done(s);
		if (!s->end_ns)
			ttrpc_pending_cancel(pending);
	}
	source_free(interrupt);
	source_free(slow);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* -ECANCELED: it failed, and that has been said. */
static int call_once(struct session *s, const struct method *method,
	const ProtobufCMessage *request, bool is_shown, int64_t *ret_ns)
{
	int64_t start_ns = clock_now_ns();
	int r;

	s->method = method;
	s->is_shown = is_shown && !s->cli->is_quiet;
	s->failure = (struct err)ERR_INIT;
	s->end_ns = 0;
	r = wait_for_reply(s, request);
	if (r < 0)
		err_sys(&s->failure, -r, "call");
	if (!err_is_set(&s->failure)) {
		*ret_ns = s->end_ns - start_ns;
		return 0;
	}
	output_failure(method, s->cli->is_json, &s->failure);
	return -ECANCELED;
}

static int call_quietly(struct session *s, const char *name, const ProtobufCMessage *request)
{
	int64_t ns;

	return call_once(s, method_find(name), request, false, &ns);
}

/* What the request has and this agent does not know is left out, with a warning. */
static int fit_request(struct session *s, const struct command *command, struct err *err)
{
	Grpc__GuestDetailsRequest request = GRPC__GUEST_DETAILS_REQUEST__INIT;
	bool are_missing;
	int r = features_are_missing(&s->features, command->request, &are_missing, err);

	if (r < 0 || !are_missing)
		return r;
	if (!s->features.are_known)
		r = call_quietly(s, "GetGuestDetails", &request.base);
	return r < 0 ? r : features_drop(&s->features, command->request, err);
}

static int call(struct session *s, const struct command *command, unsigned n_times, struct err *err)
{
	auto_free int64_t *times_ns = reallocarray(NULL, n_times, sizeof(*times_ns));
	size_t n_done = 0;
	bool failed = false;
	int r = fit_request(s, command, err);

	if (r < 0)
		return r == -ECANCELED && s->cli->ignore_errors ? 0 : r;
	if (!times_ns)
		return err_sys(err, ENOMEM, "repeat");
	for (unsigned i = 0; i < n_times && (!failed || s->cli->ignore_errors); i++) {
		if (call_once(s, command->method, command->request, true, &times_ns[n_done]) == 0)
			n_done++;
		else
			failed = true;
	}
	if (n_times > 1 && n_done > 0)
		output_summary(command->method, s->cli->is_json, times_ns, n_done);
	return failed && !s->cli->ignore_errors ? -ECANCELED : 0;
}

static int join(struct session *s, const struct command *command, const char *container_id,
	const char *exec_id, struct err *err)
{
	const struct joined_process process = {.loop = s->loop,
		.client = s->client,
		.container_id = container_id,
		.exec_id = exec_id,
		.has_terminal = process_has_terminal(
			command->kind == COMMAND_EXEC ? PROCESS_EXEC : PROCESS_RUN,
			command->request)};

	/* What has been printed comes before what the process prints. */
	fflush(stdout);
	return joined_run(&process, &s->exit_status, err);
}

static int exec(struct session *s, const struct command *command, struct err *err)
{
	const Grpc__ExecProcessRequest *request =
		(const Grpc__ExecProcessRequest *)command->request;
	int r = fit_request(s, command, err);

	if (r == 0)
		r = call_quietly(s, command->method->name, command->request);
	return r < 0 ? r : join(s, command, request->container_id, request->exec_id, err);
}

/* A container that has been created is removed, whatever happens then. */
static int run_container(struct session *s, const struct command *command, struct err *err)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__RemoveContainerRequest end = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	int r = fit_request(s, command, err), removed;

	start.container_id = end.container_id =
		((Grpc__CreateContainerRequest *)command->request)->container_id;
	if (r == 0)
		r = call_quietly(s, command->method->name, command->request);
	if (r < 0)
		return r;
	r = call_quietly(s, "StartContainer", &start.base);
	if (r == 0)
		r = join(s, command, start.container_id, NULL, err);
	removed = call_quietly(s, "RemoveContainer", &end.base);
	return r < 0 ? r : removed;
}

static void on_timer(void *data)
{
	struct session *s = data;

	s->is_done = true;
}

static int sleep_for(struct session *s, int64_t ns, struct err *err)
{
	struct source *timer;
	int64_t end_ns;
	int r;

	if (__builtin_add_overflow(clock_now_ns(), ns, &end_ns))
		end_ns = INT64_MAX;
	s->is_done = false;
	r = loop_add_timer(s->loop, end_ns, on_timer, s, &timer);
	if (r < 0)
		return err_sys(err, -r, "sleep");
	r = wait_for_done(s);
	source_free(timer);
	return r < 0 ? err_sys(err, -r, "sleep") : 0;
}

static int run_command(struct session *s, const struct command *command, struct err *err)
{
	unsigned times = s->n_times;

	s->n_times = s->cli->repeat;
	switch (command->kind) {
	case COMMAND_ECHO:
		puts(command->text);
		return 0;
	case COMMAND_SLEEP:
		return sleep_for(s, command->sleep_ns, err);
	case COMMAND_REPEAT:
		s->n_times = command->n_times;
		return 0;
	case COMMAND_LIST:
		command_print_list();
		return 0;
	case COMMAND_HELP:
		help_print(command->text, command->method);
		return 0;
	case COMMAND_RUN:
		return run_container(s, command, err);
	case COMMAND_EXEC:
		return exec(s, command, err);
	case COMMAND_CALL:
		break;
	case COMMAND_QUIT:
	case COMMAND_COUNT:
		return 0;
	}
	return call(s, command, times, err);
}

static bool any_calls(const struct command *commands, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (commands[i].request)
			return true;
	return false;
}

int session_run(
	struct session *s, const struct command *commands, size_t n_commands, struct err *err)
{
	int r = any_calls(commands, n_commands) ? connect_agent(s, err) : 0;

	for (size_t i = 0; i < n_commands && r == 0; i++) {
		if (commands[i].kind == COMMAND_QUIT)
			break;
		r = run_command(s, &commands[i], err);
	}
	return r;
}

int session_new(const struct cli *cli, struct session **ret, struct err *err)
{
	struct session *s = malloc(sizeof(*s));
	int r;

	if (!s)
		return err_sys(err, ENOMEM, "session");
	*s = (struct session){.cli = cli, .fd = -1, .n_times = cli->repeat};
	r = loop_new(&s->loop);
	if (r < 0) {
		free(s);
		return err_sys(err, -r, "event loop");
	}
	*ret = s;
	return 0;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	disconnect(s);
	loop_free(s->loop);
	free(s);
}

void session_set_interruptible(struct session *s)
{
	s->is_interruptible = true;
}

int session_exit_status(const struct session *s)
{
	return s->exit_status;
}
