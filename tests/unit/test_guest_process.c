/* SPDX-License-Identifier: Apache-2.0 */
/* A process and its streams against an agent that runs on the same loop. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "guest_rig.h"
#include "loop_until.h"
#include "runtime/guest_process.h"
#include "wire/message.h"

enum { EXIT_STATUS = 42 };

struct fixture {
	struct guest_rig rig;
	struct guest_process *p;
	char in[48], out[48], err[48];

	/* The guest. */
	size_t out_size, err_size; /* bytes still to come */
	size_t n_reads, n_err_reads;
	bool start_fails, read_hangs;
	struct ttrpc_call *parked; /* a read that hangs */
	struct buf written;	   /* to stdin */
	size_t n_closes, n_resizes, n_waits;
	uint32_t rows, columns;

	/* What was told. */
	size_t n_exits, n_done, n_told;
	struct err done_err;
	struct guest_process_waiter waiter;
};

/* Byte i of every output. */
static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void reply_read(
	struct ttrpc_call *call, const Grpc__ReadStreamRequest *request, size_t *left, size_t total)
{
	Grpc__ReadStreamResponse reply = GRPC__READ_STREAM_RESPONSE__INIT;
	auto_free uint8_t *bytes = malloc(request->len);
	size_t n = *left < request->len ? *left : request->len;

	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(total - *left + i);
	reply.has_data = 1;
	reply.data.data = bytes;
	reply.data.len = n;
	*left -= n;
	ttrpc_call_reply(call, &reply.base);
}

static void on_read_stdout(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct fixture *f = user;
	static size_t total;

	if (f->n_reads++ == 0)
		total = f->out_size;
	if (f->read_hangs && f->out_size == 0)
		f->parked = call;
	else
		reply_read(call, (const void *)request, &f->out_size, total);
}

static void on_read_stderr(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct fixture *f = user;
	static size_t total;

	if (f->n_err_reads++ == 0)
		total = f->err_size;
	reply_read(call, (const void *)request, &f->err_size, total);
}

static void on_write(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__WriteStreamRequest *request = (const void *)message;
	Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;
	struct fixture *f = user;
	/* A guest may take less than it is given. */
	size_t n = (request->data.len + 1) / 2;

	assert_true(n > 0);
	assert_int_equal(buf_append(&f->written, request->data.data, n), 0);
	MESSAGE_SET(&reply, len, (uint32_t)n);
	ttrpc_call_reply(call, &reply.base);
}

static void on_close(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct fixture *f = user;

	(void)request;
	f->n_closes++;
	ttrpc_call_reply(call, NULL);
}

static void on_start(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct fixture *f = user;
	struct err err = ERR_INIT;

	(void)request;
	if (!f->start_fails) {
		ttrpc_call_reply(call, NULL);
		return;
	}
	err_set(&err, ENOENT, "exec: nope: not found");
	ttrpc_call_fail(call, &err);
}

static void on_wait(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__WaitProcessResponse reply = GRPC__WAIT_PROCESS_RESPONSE__INIT;
	struct fixture *f = user;

	(void)request;
	f->n_waits++;
	MESSAGE_SET(&reply, status, EXIT_STATUS);
	ttrpc_call_reply(call, &reply.base);
}

static void on_resize(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__TtyWinResizeRequest *request = (const void *)message;
	struct fixture *f = user;

	f->n_resizes++;
	f->rows = request->row;
	f->columns = request->column;
	ttrpc_call_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {
	GUEST_METHOD("StartContainer", start_container_request, on_start),
	GUEST_METHOD("ExecProcess", exec_process_request, on_start),
	GUEST_METHOD("WaitProcess", wait_process_request, on_wait),
	GUEST_METHOD("ReadStdout", read_stream_request, on_read_stdout),
	GUEST_METHOD("ReadStderr", read_stream_request, on_read_stderr),
	GUEST_METHOD("WriteStdin", write_stream_request, on_write),
	GUEST_METHOD("CloseStdin", close_stdin_request, on_close),
	GUEST_METHOD("TtyWinResize", tty_win_resize_request, on_resize),
};

static void on_exit_told(void *data, struct guest_process *p)
{
	struct fixture *f = data;

	assert_int_equal(p->state, GUEST_PROCESS_STOPPED);
	assert_int_equal(f->n_told, 0);
	f->n_exits++;
}

static void on_told(struct guest_process_waiter *w, const struct guest_process *p)
{
	struct fixture *f = container_of(w, struct fixture, waiter);

	assert_int_equal(p->state, GUEST_PROCESS_STOPPED);
	f->n_told++;
}

static void on_done(void *data, const struct err *err)
{
	struct fixture *f = data;

	f->n_done++;
	if (err)
		f->done_err = *err;
}

static void make_fifo(struct fixture *f, const char *name, char path[static 48])
{
	snprintf(path, 48, "%s/%s", f->rig.dir, name);
	assert_int_equal(mkfifo(path, 0600), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_rig_init(&f->rig, methods, ARRAY_SIZE(methods), f);
	make_fifo(f, "in", f->in);
	make_fifo(f, "out", f->out);
	make_fifo(f, "err", f->err);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	guest_process_free(f->p);
	if (f->parked)
		ttrpc_call_reply(f->parked, NULL);
	buf_fini(&f->written);
	guest_rig_fini(&f->rig);
	free(f);
	return 0;
}

static void make(struct fixture *f, const char *eid, bool terminal, bool with_fifos)
{
	struct guest_process_config config = {.loop = f->rig.loop,
		.cid = "c1",
		.eid = eid,
		.terminal = terminal,
		.in = with_fifos ? f->in : "",
		.out = with_fifos ? f->out : "",
		.err = with_fifos && !terminal ? f->err : "",
		.on_exit = on_exit_told,
		.data = f};

	assert_int_equal(guest_process_new(&config, &f->p, NULL), 0);
	f->waiter.told = on_told;
	guest_process_add_waiter(f->p, &f->waiter);
}

static void start(struct fixture *f)
{
	assert_int_equal(guest_process_start(f->p, f->rig.agent, on_done, f, NULL), 0);
	assert_int_equal(f->p->state, GUEST_PROCESS_STARTING);
	run_until(&f->rig, &f->n_done, 1);
}

static int open_reader(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Reads what is there and checks it against the pattern from byte *pos on. */
static bool read_pattern(int fd, size_t *pos)
{
	uint8_t bytes[8192];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], pattern((*pos)++));
	return n == 0;
}

/* The same; true once there have been n bytes. */
static bool has_read(int fd, size_t *pos, size_t n)
{
	read_pattern(fd, pos);
	return *pos >= n;
}

static void an_exit_is_told_once_and_after_the_output(void **state)
{
	struct fixture *f = *state;
	size_t out = 0, err = 0;

	f->out_size = 1 << 20;
	f->err_size = 3;
	make(f, "", false, true);
	{
		auto_fd int out_fd = open_reader(f->out), err_fd = open_reader(f->err);

		start(f);
		assert_false(err_is_set(&f->done_err));
		loop_until(f->rig.loop, has_read(out_fd, &out, 1 << 20));
		run_until(&f->rig, &f->n_exits, 1);
		assert_int_equal(out, 1 << 20);
		/* And then the reader sees the end. */
		assert_true(read_pattern(out_fd, &out));
		assert_true(read_pattern(err_fd, &err));
		assert_int_equal(err, 3);
	}
	settle(&f->rig);
	assert_int_equal(f->n_exits, 1);
	assert_int_equal(f->n_told, 1);
	assert_int_equal(f->n_waits, 1);
	assert_int_equal(f->p->exit_status, EXIT_STATUS);
	assert_true(f->p->exited_at_ns > 0);
}

static void a_reader_that_stops_stops_the_guest(void **state)
{
	struct fixture *f = *state;
	size_t out = 0, n_reads;

	f->out_size = 4 << 20;
	make(f, "", false, true);
	{
		auto_fd int out_fd = open_reader(f->out);

		start(f);
		settle(&f->rig);
		/* What a fifo holds, one chunk of ours, and no more. */
		assert_true(f->n_reads <= 3);
		n_reads = f->n_reads;
		clock_shift_ns = 3600 * NS_PER_S;
		settle(&f->rig);
		assert_int_equal(f->n_reads, n_reads);
		assert_int_equal(f->n_exits, 0);
		loop_until(f->rig.loop, has_read(out_fd, &out, 4 << 20));
		run_until(&f->rig, &f->n_exits, 1);
	}
}

static void a_killed_process_ends_without_its_reader(void **state)
{
	struct fixture *f = *state;

	f->out_size = 4 << 20;
	make(f, "", false, true);
	start(f);
	settle(&f->rig);
	guest_process_hurry(f->p);
	settle(&f->rig);
	assert_int_equal(f->n_exits, 0);
	clock_shift_ns = 11 * NS_PER_S;
	run_until(&f->rig, &f->n_exits, 1);
	assert_int_equal(f->out_size, 0);
	assert_int_equal(f->p->exit_status, EXIT_STATUS);
}

static void output_without_fifos_is_drained(void **state)
{
	struct fixture *f = *state;

	f->out_size = 1 << 20;
	f->err_size = 1 << 20;
	make(f, "e1", false, false);
	start(f);
	run_until(&f->rig, &f->n_exits, 1);
	assert_int_equal(f->out_size + f->err_size, 0);
	/* No stdin is an end of file. */
	assert_int_equal(f->n_closes, 1);
}

static void stdin_ends_by_closeio_alone(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "hello, guest";

	f->read_hangs = true;
	make(f, "", false, true);
	start(f);
	{
		auto_fd int fd = open(f->in, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		assert_int_equal(write(fd, text, 5), 5);
	}
	settle(&f->rig);
	assert_int_equal(f->n_closes, 0);
	{
		auto_fd int fd = open(f->in, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		assert_int_equal(write(fd, text + 5, 7), 7);
		guest_process_close_stdin(f->p);
	}
	run_until(&f->rig, &f->n_closes, 1);
	assert_string_equal(buf_str(&f->written), text);
	settle(&f->rig);
	/* Nobody listens any more. */
	assert_int_equal(open(f->in, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
}

static void a_closeio_before_the_start_is_remembered(void **state)
{
	struct fixture *f = *state;

	f->read_hangs = true;
	make(f, "", false, true);
	/* ctr's copying must not begin, and end, before Create has been answered. */
	assert_int_equal(open(f->in, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
	assert_int_equal(errno, ENXIO);
	guest_process_close_stdin(f->p);
	start(f);
	run_until(&f->rig, &f->n_closes, 1);
	assert_int_equal(buf_len(&f->written), 0);
}

static void a_failed_start_is_no_exit(void **state)
{
	struct fixture *f = *state;

	f->start_fails = true;
	make(f, "e1", false, true);
	start(f);
	assert_string_equal(f->done_err.msg, "exec: nope: not found");
	assert_int_equal(f->n_exits, 0);
	assert_int_equal(f->n_told, 1);
	assert_int_equal(f->p->state, GUEST_PROCESS_STOPPED);
	assert_int_equal(guest_process_start(f->p, f->rig.agent, on_done, f, NULL), -EINVAL);
}

static void a_lost_agent_is_status_255(void **state)
{
	struct fixture *f = *state;

	f->read_hangs = true;
	make(f, "", false, true);
	start(f);
	settle(&f->rig);
	assert_int_equal(f->p->state, GUEST_PROCESS_RUNNING);
	agent_close(f->rig.agent);
	run_until(&f->rig, &f->n_exits, 1);
	assert_int_equal(f->p->exit_status, GUEST_PROCESS_LOST_STATUS);
	assert_int_equal(f->n_told, 1);
}

static void an_agent_that_hangs_up_is_told_after_its_calls(void **state)
{
	struct fixture *f = *state;

	f->read_hangs = true;
	make(f, "", false, true);
	start(f);
	settle(&f->rig);
	guest_hang_up(&f->rig);
	run_until(&f->rig, &f->rig.n_lost, 1);
	assert_int_equal(f->n_exits, 1);
	assert_int_equal(f->p->exit_status, GUEST_PROCESS_LOST_STATUS);
	assert_int_equal(agent_call(f->rig.agent, AGENT_CHECK, NULL, NULL, NULL, NULL), -ENOTCONN);
}

static void an_abort_while_starting_answers_the_start(void **state)
{
	struct fixture *f = *state;

	make(f, "", false, true);
	assert_int_equal(guest_process_start(f->p, f->rig.agent, on_done, f, NULL), 0);
	guest_process_abort(f->p, 137);
	assert_int_equal(f->n_done, 1);
	assert_true(err_is_set(&f->done_err));
	assert_int_equal(f->n_exits, 0);
	assert_int_equal(f->n_told, 1);
	settle(&f->rig);
	assert_int_equal(f->n_done, 1);
}

static void a_terminal_has_no_stderr_and_keeps_an_early_size(void **state)
{
	struct fixture *f = *state;
	size_t n_answers = 0;

	f->read_hangs = true;
	f->out_size = 10;
	make(f, "", true, true);
	assert_int_equal(guest_process_resize(f->p, 24, 80, on_done, f), 0);
	assert_int_equal(f->n_done, 1);
	assert_int_equal(f->n_resizes, 0);
	f->n_done = 0;
	start(f);
	run_until(&f->rig, &f->n_resizes, 1);
	assert_int_equal(f->rows, 24);
	assert_int_equal(f->columns, 80);
	assert_int_equal(f->n_err_reads, 0);
	n_answers = f->n_done;
	assert_int_equal(guest_process_resize(f->p, 50, 100, on_done, f), 0);
	run_until(&f->rig, &f->n_done, n_answers + 1);
	assert_int_equal(f->rows, 50);
	/* The end of its input is not the end of the terminal. */
	guest_process_close_stdin(f->p);
	settle(&f->rig);
	assert_int_equal(f->n_closes, 0);
	assert_int_equal(f->p->state, GUEST_PROCESS_RUNNING);
}

static void a_container_killed_before_its_start_has_an_exit(void **state)
{
	struct fixture *f = *state;

	make(f, "", false, true);
	assert_int_equal(guest_process_watch(f->p, f->rig.agent), 0);
	run_until(&f->rig, &f->n_exits, 1);
	assert_int_equal(f->p->state, GUEST_PROCESS_STOPPED);
	assert_int_equal(f->p->exit_status, EXIT_STATUS);
}

/* Whoever added it may be gone before it is started. */
static void an_exec_opens_its_stdio_when_it_starts(void **state)
{
	struct fixture *f = *state;
	size_t out = 0, err = 0;
	int out_fd = open_reader(f->out), err_fd = open_reader(f->err);
	char c;

	f->out_size = f->err_size = 100;
	make(f, "e1", false, true);
	assert_int_equal(read(out_fd, &c, 1), 0);
	guest_process_close_stdin(f->p);
	start(f);
	run_until(&f->rig, &f->n_exits, 1);
	assert_true(read_pattern(out_fd, &out));
	assert_true(read_pattern(err_fd, &err));
	assert_int_equal(out, 100);
	assert_int_equal(err, 100);
	run_until(&f->rig, &f->n_closes, 1);
	close_fd(out_fd);
	close_fd(err_fd);
}

static void an_exec_whose_stdio_is_gone_fails_its_start(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	make(f, "e1", false, true);
	assert_int_equal(unlink(f->out), 0);
	assert_true(guest_process_start(f->p, f->rig.agent, on_done, f, &err) < 0);
	assert_non_null(strstr(err.msg, f->out));
	assert_int_equal(f->p->state, GUEST_PROCESS_STOPPED);
	assert_int_equal(f->n_exits, 0);
	assert_true(guest_process_start(f->p, f->rig.agent, on_done, f, NULL) < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_exit_is_told_once_and_after_the_output),
		TEST(a_reader_that_stops_stops_the_guest),
		TEST(a_killed_process_ends_without_its_reader),
		TEST(output_without_fifos_is_drained),
		TEST(stdin_ends_by_closeio_alone),
		TEST(a_closeio_before_the_start_is_remembered),
		TEST(a_failed_start_is_no_exit),
		TEST(a_lost_agent_is_status_255),
		TEST(an_agent_that_hangs_up_is_told_after_its_calls),
		TEST(an_abort_while_starting_answers_the_start),
		TEST(a_terminal_has_no_stderr_and_keeps_an_early_size),
		TEST(a_container_killed_before_its_start_has_an_exit),
		TEST(an_exec_opens_its_stdio_when_it_starts),
		TEST(an_exec_whose_stdio_is_gone_fails_its_start),
	};

	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
