/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Output is read to its end before the process is waited for: upstream's agent closes the streams of
 * a process that has been waited for. It ends a read 500 ms after the process, whoever else may hold
 * the other end. A read that fails ends its stream, as the shims have it; what is wrong with the
 * connection, WaitProcess tells.
 *
 * Of standard input no more is read while a write is in flight. Where epoll does not take it (a
 * regular file), it never makes us wait, and is read right after each write.
 */
#include "tools/agent_ctl/joined.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent.pb-c.h"
#include "base/io.h"
#include "tools/agent_ctl/raw_terminal.h"
#include "wire/message.h"

enum { CHUNK = 32 << 10, MAX_SIGNALS = 3 };

static const char service[] = "grpc.AgentService";
static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

struct joined;

struct output {
	struct joined *joined;
	const char *method;
	int fd;
	bool is_open, is_broken; /* broken: what comes is dropped */
	struct ttrpc_pending *pending;
};

struct joined {
	const struct joined_process *process;
	struct output outputs[2];
	struct source *input; /* NULL where epoll does not take it */
	struct ttrpc_pending *input_pending, *wait_pending;
	struct source *signals[ARRAY_SIZE(passed_on) + 1];
	struct raw_terminal terminal;
	sigset_t old_signals;
	struct sigaction old_pipe;
	unsigned n_signals;
	bool is_done;
	int status;
	struct err failure; /* the first that is ours, or that of WaitProcess */
};

static void fail(struct joined *j, int code, const char *what)
{
	if (!err_is_set(&j->failure))
		err_sys(&j->failure, code, "%s", what);
}

static void give_up(struct joined *j, int code, const char *what)
{
	fail(j, code, what);
	j->is_done = true;
}

/* What nobody waits for may be answered when we are gone. */
static void on_ignored(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	(void)data;
	(void)reply;
	(void)err;
}

static void send_unheeded(struct joined *j, const char *method, const ProtobufCMessage *request)
{
	int r = ttrpc_client_call(
		j->process->client, service, method, request, 0, NULL, on_ignored, NULL, NULL);

	if (r < 0)
		give_up(j, -r, method);
}

static void send_signal(struct joined *j, int signo)
{
	Grpc__SignalProcessRequest request = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	request.container_id = message_text(j->process->container_id);
	request.exec_id = message_text(j->process->exec_id);
	request.has_signal = 1;
	request.signal = (uint32_t)signo;
	send_unheeded(j, "SignalProcess", &request.base);
}

static void on_signal(void *data, int signo)
{
	struct joined *j = data;

	send_signal(j, ++j->n_signals < MAX_SIGNALS ? signo : SIGKILL);
}

static void send_size(struct joined *j)
{
	Grpc__TtyWinResizeRequest request = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	request.container_id = message_text(j->process->container_id);
	request.exec_id = message_text(j->process->exec_id);
	request.has_row = request.has_column = 1;
	request.row = size.ws_row;
	request.column = size.ws_col;
	send_unheeded(j, "TtyWinResize", &request.base);
}

static void on_resized(void *data, int signo)
{
	(void)signo;
	send_size(data);
}

static void on_waited(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct joined *j = data;

	j->wait_pending = NULL;
	j->is_done = true;
	if (!err)
		j->status = ((const Grpc__WaitProcessResponse *)reply)->status;
	else if (!err_is_set(&j->failure))
		j->failure = *err;
}

static void wait_for_process(struct joined *j)
{
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;
	int r;

	request.container_id = message_text(j->process->container_id);
	request.exec_id = message_text(j->process->exec_id);
	r = ttrpc_client_call(j->process->client, service, "WaitProcess", &request.base, 0,
		&grpc__wait_process_response__descriptor, on_waited, j, &j->wait_pending);
	if (r < 0)
		give_up(j, -r, "WaitProcess");
}

static void end_output(struct output *o)
{
	struct joined *j = o->joined;

	o->is_open = false;
	if (!j->outputs[0].is_open && !j->outputs[1].is_open)
		wait_for_process(j);
}

static void write_output(struct output *o, const ProtobufCBinaryData *data)
{
	int r = o->is_broken ? 0 : io_write_full(o->fd, data->data, data->len);

	if (r == 0)
		return;
	o->is_broken = true;
	fail(o->joined, -r, o->fd == STDOUT_FILENO ? "write to stdout" : "write to stderr");
	send_signal(o->joined, SIGKILL);
}

static void read_output(struct output *o);

static void on_read(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct output *o = data;
	const Grpc__ReadStreamResponse *response = (const Grpc__ReadStreamResponse *)reply;

	o->pending = NULL;
	if (err || response->data.len == 0) {
		end_output(o);
		return;
	}
	write_output(o, &response->data);
	read_output(o);
}

static void read_output(struct output *o)
{
	struct joined *j = o->joined;
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;
	int r;

	request.container_id = message_text(j->process->container_id);
	request.exec_id = message_text(j->process->exec_id);
	request.has_len = 1;
	request.len = CHUNK;
	r = ttrpc_client_call(j->process->client, service, o->method, &request.base, 0,
		&grpc__read_stream_response__descriptor, on_read, o, &o->pending);
	if (r < 0)
		give_up(j, -r, o->method);
}

/* A terminal of the process's stays: closing its input would close its output too. */
static void end_input(struct joined *j)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;

	source_free(take_ptr(&j->input));
	if (j->process->has_terminal)
		return;
	request.container_id = message_text(j->process->container_id);
	request.exec_id = message_text(j->process->exec_id);
	send_unheeded(j, "CloseStdin", &request.base);
}

static void read_input(struct joined *j);

static void on_written(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct joined *j = data;
	int r;

	(void)reply;
	j->input_pending = NULL;
	if (err) {
		/* The process reads no more, or is gone. */
		source_free(take_ptr(&j->input));
		return;
	}
	if (!j->input) {
		read_input(j);
		return;
	}
	r = source_set_events(j->input, EPOLLIN);
	if (r < 0)
		give_up(j, -r, "standard input");
}

static void write_input(struct joined *j, uint8_t *bytes, size_t len)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	int r;

	request.container_id = message_text(j->process->container_id);
	request.exec_id = message_text(j->process->exec_id);
	request.has_data = 1;
	request.data.data = bytes;
	request.data.len = len;
	r = ttrpc_client_call(j->process->client, service, "WriteStdin", &request.base, 0,
		&grpc__write_stream_response__descriptor, on_written, j, &j->input_pending);
	if (r == 0 && j->input)
		r = source_set_events(j->input, 0);
	if (r < 0)
		give_up(j, -r, "WriteStdin");
}

static void read_input(struct joined *j)
{
	uint8_t bytes[CHUNK / 4];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN) && j->input)
		return;
	if (n > 0)
		write_input(j, bytes, (size_t)n);
	else
		end_input(j);
}

static void on_input(void *data, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	read_input(data);
}

static int start_input(struct joined *j)
{
	int r = loop_add_io(j->process->loop, STDIN_FILENO, EPOLLIN, on_input, j, &j->input);

	if (r == -EPERM || r == -EBADF) {
		read_input(j);
		return 0;
	}
	return r;
}

static int catch_signals(struct joined *j)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	bool resizes = j->process->has_terminal && isatty(STDIN_FILENO);
	int r = 0;

	(void)sigaction(SIGPIPE, &ignore, &j->old_pipe);
	(void)sigprocmask(SIG_BLOCK, NULL, &j->old_signals);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on) && r == 0; i++)
		r = loop_add_signal(j->process->loop, passed_on[i], on_signal, j, &j->signals[i]);
	if (r == 0 && resizes)
		r = loop_add_signal(j->process->loop, SIGWINCH, on_resized, j,
			&j->signals[ARRAY_SIZE(passed_on)]);
	return r;
}

static void release_signals(struct joined *j)
{
	for (size_t i = 0; i < ARRAY_SIZE(j->signals); i++)
		source_free(j->signals[i]);
	(void)sigprocmask(SIG_SETMASK, &j->old_signals, NULL);
	(void)sigaction(SIGPIPE, &j->old_pipe, NULL);
}

static int start(struct joined *j)
{
	int r = catch_signals(j);

	if (r < 0)
		return r;
	if (j->process->has_terminal && isatty(STDIN_FILENO)) {
		r = raw_terminal_enter(&j->terminal, STDIN_FILENO);
		if (r < 0)
			return r;
		send_size(j);
	}
	/* A terminal has one stream. */
	j->outputs[0].is_open = true;
	j->outputs[1].is_open = !j->process->has_terminal;
	for (size_t i = 0; i < ARRAY_SIZE(j->outputs); i++)
		if (j->outputs[i].is_open && !j->is_done)
			read_output(&j->outputs[i]);
	return j->is_done ? 0 : start_input(j);
}

static void stop(struct joined *j)
{
	raw_terminal_leave(&j->terminal);
	release_signals(j);
	source_free(j->input);
	ttrpc_pending_cancel(j->input_pending);
	ttrpc_pending_cancel(j->wait_pending);
	for (size_t i = 0; i < ARRAY_SIZE(j->outputs); i++)
		ttrpc_pending_cancel(j->outputs[i].pending);
}

int joined_run(const struct joined_process *process, int *ret_status, struct err *err)
{
	struct joined j = {.process = process,
		.outputs = {{.joined = &j, .method = "ReadStdout", .fd = STDOUT_FILENO},
			{.joined = &j, .method = "ReadStderr", .fd = STDERR_FILENO}}};
	int r = start(&j);

	while (r == 0 && !j.is_done)
		r = loop_run_once(process->loop, -1);
	stop(&j);
	if (r < 0)
		return err_sys(err, -r, "standard streams");
	if (err_is_set(&j.failure))
		return err_copy(err, &j.failure);
	*ret_status = j.status;
	return 0;
}
