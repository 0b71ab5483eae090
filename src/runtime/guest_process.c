/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_process.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "oci/spec.h"
#include "runtime/stdio_sink.h"
#include "runtime/timeline.h"
#include "wire/message.h"

static const bool transitions[GUEST_PROCESS_STATE_COUNT][GUEST_PROCESS_STATE_COUNT] = {
	[GUEST_PROCESS_CREATED] = {[GUEST_PROCESS_STARTING] = true, [GUEST_PROCESS_STOPPED] = true},
	[GUEST_PROCESS_STARTING] = {[GUEST_PROCESS_RUNNING] = true, [GUEST_PROCESS_STOPPED] = true},
	[GUEST_PROCESS_RUNNING] = {[GUEST_PROCESS_STOPPED] = true},
};

static void set_state(struct guest_process *p, enum guest_process_state state)
{
	assert(transitions[p->state][state]);
	p->state = state;
}

static void cancel_calls(struct guest_process *p)
{
	if (p->start_call)
		agent_pending_cancel(p->start_call);
	if (p->wait_call)
		agent_pending_cancel(p->wait_call);
	p->start_call = p->wait_call = NULL;
}

static void tell_start(struct guest_process *p, const struct err *err)
{
	guest_process_done_fn *done = p->start_done;

	p->start_done = NULL;
	if (done)
		done(p->start_data, err);
}

static void close_streams(struct guest_process *p)
{
	if (p->stream_in)
		stream_in_close(p->stream_in);
	for (size_t i = 0; i < ARRAY_SIZE(p->outs); i++)
		if (p->outs[i])
			stream_out_close(p->outs[i]);
	if (p->logger)
		logger_finish(p->logger);
}

/* was_seen: somebody has been told of its start, so its exit is news. */
static void stop(struct guest_process *p, uint32_t status, bool was_seen)
{
	set_state(p, GUEST_PROCESS_STOPPED);
	cancel_calls(p);
	close_streams(p);
	p->exit_status = status;
	p->exited_at_ns = clock_real_ns();
	if (was_seen)
		p->on_exit(p->data, p);
	while (!list_is_empty(&p->waiters)) {
		struct guest_process_waiter *w =
			container_of(p->waiters.next, struct guest_process_waiter, link);

		list_remove(&w->link);
		w->told(w, p);
	}
}

static void on_waited(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct guest_process *p = data;
	const Grpc__WaitProcessResponse *r = (const void *)reply;

	p->wait_call = NULL;
	if (err)
		log_write(LOG_WARN, "process", "the guest cannot say how a process ended", "cid",
			p->cid, "exec", p->eid, "error", err->msg, NULL);
	else
		timeline_end("exit", guest_process_is_init(p) ? p->cid : p->eid, p->waited_ns);
	stop(p, err ? GUEST_PROCESS_LOST_STATUS : (uint32_t)r->status & 0xff, true);
}

static void wait_for_exit(struct guest_process *p)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;

	request.container_id = p->cid;
	request.exec_id = p->eid;
	p->waited_ns = clock_now_ns();
	if (agent_call(p->agent, AGENT_WAIT_PROCESS, &request.base, on_waited, p, &p->wait_call) <
		0)
		stop(p, GUEST_PROCESS_LOST_STATUS, true);
}

static void on_out_ended(void *data)
{
	struct guest_process *p = data;

	if (--p->n_open_outs == 0)
		wait_for_exit(p);
}

int guest_process_watch(struct guest_process *p, struct agent *agent)
{
	int r;

	if (p->is_watched)
		return 0;
	p->is_watched = true;
	p->agent = agent;
	for (size_t i = 0; i < ARRAY_SIZE(p->outs); i++) {
		if (!p->outs[i])
			continue;
		r = stream_out_start(p->outs[i], agent, on_out_ended, p);
		if (r < 0)
			return r;
		p->n_open_outs++;
	}
	return stream_in_start(p->stream_in, agent);
}

static void on_resized(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct guest_process *p = data;

	(void)reply;
	if (err)
		log_write(LOG_DEBUG, "process", "resize", "cid", p->cid, "error", err->msg, NULL);
}

static int send_resize(struct guest_process *p, ttrpc_reply_fn *fn, void *data)
{
	Grpc__TtyWinResizeRequest request = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;

	request.container_id = p->cid;
	request.exec_id = p->eid;
	MESSAGE_SET(&request, row, p->rows);
	MESSAGE_SET(&request, column, p->columns);
	return agent_call(p->agent, AGENT_TTY_WIN_RESIZE, &request.base, fn, data, NULL);
}

static void fail_start(struct guest_process *p, const struct err *err)
{
	/* Nobody was told that it runs, so nobody is told that it ended. */
	stop(p, GUEST_PROCESS_LOST_STATUS, false);
	tell_start(p, err);
}

static void on_started(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct guest_process *p = data;
	int r;

	(void)reply;
	p->start_call = NULL;
	if (err) {
		fail_start(p, err);
		return;
	}
	set_state(p, GUEST_PROCESS_RUNNING);
	tell_start(p, NULL);
	if (p->terminal && p->rows > 0 && send_resize(p, on_resized, p) < 0)
		log_write(LOG_DEBUG, "process", "resize failed", "cid", p->cid, NULL);
	r = guest_process_watch(p, p->agent);
	if (r < 0)
		guest_process_abort(p, GUEST_PROCESS_LOST_STATUS);
}

static int send_start(struct guest_process *p)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;

	if (guest_process_is_init(p)) {
		start.container_id = p->cid;
		return agent_call(p->agent, AGENT_START_CONTAINER, &start.base, on_started, p,
			&p->start_call);
	}
	exec.container_id = p->cid;
	exec.exec_id = p->eid;
	exec.process = p->spec;
	return agent_call(p->agent, AGENT_EXEC_PROCESS, &exec.base, on_started, p, &p->start_call);
}

/* Once sent, the spec is not needed any more. */
static int ask_agent(struct guest_process *p, struct err *err)
{
	int r = send_start(p);

	if (r < 0)
		return err_sys(err, -r, "start the process");
	oci_process_free(p->spec);
	p->spec = NULL;
	return 0;
}

static void on_logger_ready(void *data, const struct err *err)
{
	struct guest_process *p = data;
	struct err failed = ERR_INIT;

	if (err)
		fail_start(p, err);
	else if (ask_agent(p, &failed) < 0)
		fail_start(p, &failed);
}

void guest_process_hurry(struct guest_process *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->outs); i++)
		if (p->outs[i])
			stream_out_hurry(p->outs[i]);
}

/* Answers one resize; outlives the process if that goes first. */
struct resize {
	guest_process_done_fn *done;
	void *data;
};

static void on_asked_resize(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	auto_free struct resize *resize = data;

	(void)reply;
	resize->done(resize->data, err);
}

int guest_process_resize(struct guest_process *p, uint32_t rows, uint32_t columns,
	guest_process_done_fn *done, void *data)
{
	struct resize *resize;
	int r;

	p->rows = rows;
	p->columns = columns;
	if (p->state != GUEST_PROCESS_RUNNING) {
		done(data, NULL);
		return 0;
	}
	resize = malloc(sizeof(*resize));
	if (!resize)
		return -ENOMEM;
	*resize = (struct resize){done, data};
	r = send_resize(p, on_asked_resize, resize);
	if (r < 0)
		free(resize);
	return r;
}

void guest_process_close_stdin(struct guest_process *p)
{
	p->is_stdin_finished = true;
	if (p->stream_in)
		stream_in_finish(p->stream_in);
}

void guest_process_abort(struct guest_process *p, uint32_t status)
{
	struct err gone = ERR_INIT;
	bool was_running = p->state == GUEST_PROCESS_RUNNING || p->is_watched;

	if (p->state == GUEST_PROCESS_STOPPED)
		return;
	stop(p, status, was_running);
	err_set(&gone, ECONNRESET, "the sandbox has ended");
	tell_start(p, &gone);
}

void guest_process_add_waiter(struct guest_process *p, struct guest_process_waiter *w)
{
	if (p->state == GUEST_PROCESS_STOPPED) {
		list_init(&w->link);
		w->told(w, p);
		return;
	}
	list_add(&p->waiters, &w->link);
}

void guest_process_set_spec(struct guest_process *p, Grpc__Process *spec)
{
	oci_process_free(p->spec);
	p->spec = spec;
}

static int open_input(struct guest_process *p, const struct stream_config *stream, struct err *err)
{
	auto_fd int path_fd = -1;
	int r = stdio_find_input(p->in, &path_fd, err);

	if (r == 0)
		r = stream_in_new(stream, path_fd, p->terminal, &p->stream_in, err);
	if (r == 0)
		take_fd(&path_fd);
	return r;
}

static int open_outputs(struct guest_process *p, const struct guest_process_config *config,
	const struct stream_config *stream, struct err *err)
{
	static const enum agent_method methods[] = {AGENT_READ_STDOUT, AGENT_READ_STDERR};
	const char *texts[] = {p->out, p->terminal ? "" : p->err};
	struct logger_config logger = {.loop = config->loop,
		.cid = p->cid,
		.name_space = config->name_space ? config->name_space : "",
		.note = config->note,
		.forget = config->forget,
		.data = config->data};
	struct stdio_sink sinks[] = {STDIO_SINK_INIT, STDIO_SINK_INIT};
	int r = stdio_open_outputs(texts, &logger, sinks, &p->logger, err);

	for (size_t i = 0; i < ARRAY_SIZE(p->outs); i++) {
		if (r == 0 && (i == 0 || !p->terminal))
			r = stream_out_new(stream, &sinks[i], methods[i], &p->outs[i], err);
		stdio_sink_close(&sinks[i]);
	}
	return r;
}

static int open_streams(
	struct guest_process *p, const struct guest_process_config *config, struct err *err)
{
	struct stream_config stream = {.loop = config->loop, .cid = p->cid, .eid = p->eid};
	int r = open_input(p, &stream, err);

	if (r == 0)
		r = open_outputs(p, config, &stream, err);
	if (r == 0 && p->is_stdin_finished)
		stream_in_finish(p->stream_in);
	return r;
}

int guest_process_start(struct guest_process *p, struct agent *agent, guest_process_done_fn *done,
	void *data, struct err *err)
{
	int r;

	if (p->state != GUEST_PROCESS_CREATED)
		return err_set(err, EINVAL, "the process has been started before");
	p->agent = agent;
	r = guest_process_is_init(p) ? 0 : open_streams(p, &p->later, err);
	if (r == 0)
		r = p->logger ? logger_start(p->logger, on_logger_ready, p, err)
			      : ask_agent(p, err);
	if (r < 0) {
		/* Neither is stdio opened twice, nor a logger started twice. */
		if (p->logger || !guest_process_is_init(p))
			stop(p, GUEST_PROCESS_LOST_STATUS, false);
		return r;
	}
	set_state(p, GUEST_PROCESS_STARTING);
	p->start_done = done;
	p->start_data = data;
	return 0;
}

bool guest_process_is_draining(const struct guest_process *p)
{
	return p->state == GUEST_PROCESS_STOPPED && p->logger && logger_is_running(p->logger);
}

void guest_process_on_drained(struct guest_process *p, void (*fn)(void *data), void *data)
{
	logger_on_end(p->logger, fn, data);
}

int guest_process_new(
	const struct guest_process_config *config, struct guest_process **ret, struct err *err)
{
	struct guest_process *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_sys(err, ENOMEM, "create the process");
	list_init(&p->waiters);
	p->on_exit = config->on_exit;
	p->data = config->data;
	p->terminal = config->terminal;
	p->cid = strdup(config->cid);
	p->eid = strdup(config->eid);
	p->in = strdup(config->in);
	p->out = strdup(config->out);
	p->err = strdup(config->err);
	p->later = *config;
	/* The request's own, which goes: ours are copies. */
	p->later.cid = p->later.eid = p->later.in = p->later.out = p->later.err = NULL;
	r = p->cid && p->eid && p->in && p->out && p->err
		    ? 0
		    : err_sys(err, ENOMEM, "create the process");
	if (r == 0 && guest_process_is_init(p))
		r = open_streams(p, config, err);
	if (r < 0) {
		guest_process_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void guest_process_free(struct guest_process *p)
{
	if (!p)
		return;
	guest_process_abort(p, GUEST_PROCESS_LOST_STATUS);
	stream_in_free(p->stream_in);
	for (size_t i = 0; i < ARRAY_SIZE(p->outs); i++)
		stream_out_free(p->outs[i]);
	logger_free(p->logger);
	oci_process_free(p->spec);
	free(p->cid);
	free(p->eid);
	free(p->in);
	free(p->out);
	free(p->err);
	free(p);
}
