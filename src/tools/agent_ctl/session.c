/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/session.h"

#include <stdio.h>

#include "base/clock.h"
#include "tools/agent_ctl/output.h"
#include "wire/dial.h"
#include "wire/ttrpc_client.h"

/* Without --timeout a peer has this long to accept the connection. */
#define CONNECT_NS (10 * NS_PER_S)

struct session {
	const struct cli *cli;	     /* borrowed */
	struct loop *loop;	     /* owned */
	struct ttrpc_client *client; /* owned; NULL before connect() */
	bool is_done;		     /* what is waited for has happened */
	int fd;			     /* owned: dialled, until the client takes it */
	struct err failure;	     /* of what was waited for */
	const struct method *method; /* in flight */
	bool is_shown;		     /* whether its reply is printed */
	int64_t end_ns;
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

static int connect_agent(struct session *s, struct err *err)
{
	int r;

	if (!s->cli->address)
		return err_set(err, EINVAL, "need --server-address");
	r = dial_agent(s, err);
	if (r < 0)
		return r;
	r = ttrpc_client_new(s->loop, take_fd(&s->fd), NULL, NULL, &s->client);
	return r < 0 ? err_sys(err, -r, "connect to %s", s->cli->address) : 0;
}

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct session *s = data;

	s->end_ns = clock_now_ns();
	s->is_done = true;
	if (err)
		s->failure = *err;
	else if (s->is_shown && output_reply(s->method, reply, s->cli->is_json, &s->failure) < 0)
		err_wrap(&s->failure, "print the reply");
}

/* -ECANCELED: it failed, and that has been said. */
static int call_once(struct session *s, const struct command *command, int64_t *ret_ns)
{
	int64_t start_ns = clock_now_ns();
	int r;

	s->method = command->method;
	s->is_shown = !s->cli->is_quiet;
	s->is_done = false;
	s->failure = (struct err)ERR_INIT;
	r = ttrpc_client_call(s->client, s->method->service, s->method->name, command->request,
		s->cli->timeout_ns, s->method->reply, on_reply, s, NULL);
	if (r == 0)
		r = wait_for_done(s);
	if (r < 0)
		err_sys(&s->failure, -r, "call");
	if (!err_is_set(&s->failure)) {
		*ret_ns = s->end_ns - start_ns;
		return 0;
	}
	output_failure(s->method, s->cli->is_json, &s->failure);
	return -ECANCELED;
}

static int call(struct session *s, const struct command *command, unsigned n_times, struct err *err)
{
	auto_free int64_t *times_ns = reallocarray(NULL, n_times, sizeof(*times_ns));
	size_t n_done = 0;
	bool failed = false;

	if (!times_ns)
		return err_sys(err, ENOMEM, "repeat");
	for (unsigned i = 0; i < n_times && (!failed || s->cli->ignore_errors); i++) {
		if (call_once(s, command, &times_ns[n_done]) == 0)
			n_done++;
		else
			failed = true;
	}
	if (n_times > 1 && n_done > 0)
		output_summary(command->method, s->cli->is_json, times_ns, n_done);
	return failed && !s->cli->ignore_errors ? -ECANCELED : 0;
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

/* n_times: how often calls are made; what "repeat" says is for the next command. */
static int run_command(
	struct session *s, const struct command *command, unsigned *n_times, struct err *err)
{
	unsigned times = *n_times;

	*n_times = s->cli->repeat;
	switch (command->kind) {
	case COMMAND_ECHO:
		puts(command->text);
		return 0;
	case COMMAND_SLEEP:
		return sleep_for(s, command->sleep_ns, err);
	case COMMAND_REPEAT:
		*n_times = command->n_times;
		return 0;
	case COMMAND_LIST:
		command_print_list();
		return 0;
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
		if (commands[i].kind == COMMAND_CALL)
			return true;
	return false;
}

static int run(
	struct session *s, const struct command *commands, size_t n_commands, struct err *err)
{
	unsigned n_times = s->cli->repeat;
	int r = any_calls(commands, n_commands) ? connect_agent(s, err) : 0;

	for (size_t i = 0; i < n_commands && r == 0; i++) {
		if (commands[i].kind == COMMAND_QUIT)
			break;
		r = run_command(s, &commands[i], &n_times, err);
	}
	return r;
}

int session_run(
	const struct cli *cli, const struct command *commands, size_t n_commands, struct err *err)
{
	struct session s = {.cli = cli, .fd = -1};
	int r = loop_new(&s.loop);

	if (r < 0)
		return err_sys(err, -r, "event loop");
	r = run(&s, commands, n_commands, err);
	ttrpc_client_free(s.client);
	close_fd(s.fd);
	loop_free(s.loop);
	return r;
}
