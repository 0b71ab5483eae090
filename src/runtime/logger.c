/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/logger.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "linux/spawn.h"

enum { READY_LIMIT_S = 10, DRAIN_LIMIT_S = 12, TERM_LIMIT_S = 3 };

struct logger {
	struct logger_config config;
	char *argv[STDIO_ARGS_MAX + 2]; /* owned strings */
	char *envp[3];			/* owned strings: CONTAINER_ID, CONTAINER_NAMESPACE */
	int read_fds[STDIO_N_OUTPUTS];	/* owned: for the program, until it has them */
	int write_fds[STDIO_N_OUTPUTS]; /* owned: until taken or started */
	struct spawn spawn;		/* .pid is 0 before the start and after the end */
	int exec_error;			/* why there was nothing to run: an errno, once known */
	int ready_fd;			/* owned; -1 once it is ready */
	struct source *child, *readable, *timer; /* owned */
	bool is_finishing, is_terminated;
	logger_ready_fn *ready;
	logger_end_fn *end;
	void *ready_data, *end_data; /* borrowed from the owner */
};

static void log_about(enum log_level level, const struct logger *l, const char *what)
{
	log_write(level, "logger", what, "cid", l->config.cid, "program", l->argv[0], NULL);
}

static void send_signal(const struct logger *l, int signo)
{
	/* Not reaped yet, so the pid is still this child's. */
	if (l->spawn.pid > 0)
		kill(l->spawn.pid, signo);
}

/* Nobody waits for its readiness any more. */
static void stop_waiting(struct logger *l)
{
	source_free(l->readable);
	l->readable = NULL;
	close_fd(l->ready_fd);
	l->ready_fd = -1;
	l->ready = NULL;
	source_set_deadline(l->timer, INT64_MAX);
}

static void tell_ready(struct logger *l, const struct err *err)
{
	logger_ready_fn *ready = l->ready;

	stop_waiting(l);
	if (ready)
		ready(l->ready_data, err);
}

/* spawn.h tells it once, and both the pipe's end and the child's ask for it, in either order. */
static void learn_exec_error(struct logger *l)
{
	if (l->exec_error == 0)
		l->exec_error = spawn_exec_error(&l->spawn);
}

static void on_ready(void *data, int fd, uint32_t events)
{
	struct logger *l = data;
	struct err err = ERR_INIT;
	char byte;

	(void)events;
	if (read(fd, &byte, 1) < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* The pipe's end is as good as a byte; but it also comes when there was nothing to run. */
	learn_exec_error(l);
	if (l->exec_error)
		err_sys(&err, l->exec_error, "start the logger %s", l->argv[0]);
	tell_ready(l, l->exec_error ? &err : NULL);
}

static void on_timer(void *data)
{
	struct logger *l = data;
	struct err err = ERR_INIT;

	if (!l->is_finishing) {
		log_about(LOG_WARN, l, "the logger is not ready in time: killed");
		send_signal(l, SIGKILL);
		err_set(&err, ETIMEDOUT, "the logger %s is not ready after %d s", l->argv[0],
			READY_LIMIT_S);
		tell_ready(l, &err);
	} else if (!l->is_terminated) {
		log_about(LOG_WARN, l, "the logger does not end: terminated");
		l->is_terminated = true;
		send_signal(l, SIGTERM);
		source_set_deadline(l->timer, clock_now_ns() + TERM_LIMIT_S * NS_PER_S);
	} else {
		log_about(LOG_WARN, l, "the logger does not end: killed");
		send_signal(l, SIGKILL);
	}
}

static void on_child(void *data, pid_t pid, int status)
{
	struct logger *l = data;
	struct err why = ERR_INIT;
	logger_end_fn *end = l->end;

	learn_exec_error(l);
	spawn_describe_exit(&l->spawn, "the logger", l->argv[0], status, &why);
	log_about(l->is_finishing && status == 0 ? LOG_DEBUG : LOG_WARN, l, why.msg);
	if (l->config.forget)
		l->config.forget(l->config.data, pid, l->spawn.start_time);
	l->spawn.pid = 0;
	/* Readable by now, and with an answer: on_ready() goes on. */
	if (!l->ready)
		source_set_deadline(l->timer, INT64_MAX);
	l->end = NULL;
	if (end)
		end(l->end_data);
}

static int copy_texts(struct logger *l, const struct stdio_uri *uri)
{
	l->argv[0] = strdup(uri->path);
	if (!l->argv[0])
		return -ENOMEM;
	for (size_t i = 0; i < uri->n_args; i++) {
		l->argv[i + 1] = strdup(uri->args[i]);
		if (!l->argv[i + 1])
			return -ENOMEM;
	}
	if (asprintf(&l->envp[0], "CONTAINER_ID=%s", l->config.cid) < 0) {
		l->envp[0] = NULL;
		return -ENOMEM;
	}
	if (asprintf(&l->envp[1], "CONTAINER_NAMESPACE=%s", l->config.name_space) < 0) {
		l->envp[1] = NULL;
		return -ENOMEM;
	}
	/* The id outlives its giver's: it is in the environment. */
	l->config.cid = strchr(l->envp[0], '=') + 1;
	l->config.name_space = strchr(l->envp[1], '=') + 1;
	return 0;
}

static int make_pipes(struct logger *l)
{
	for (size_t i = 0; i < STDIO_N_OUTPUTS; i++) {
		int fds[2], r;

		if (pipe2(fds, O_CLOEXEC) < 0)
			return -errno;
		l->read_fds[i] = fds[0];
		l->write_fds[i] = fds[1];
		/* Only ours: the flag belongs to each end. */
		r = io_set_nonblock(fds[1], true);
		if (r < 0)
			return r;
	}
	return 0;
}

int logger_new(const struct logger_config *config, const struct stdio_uri *uri, struct logger **ret,
	struct err *err)
{
	struct logger *l;
	int r;

	if (access(uri->path, X_OK) < 0)
		return err_sys(err, errno, "stdio: the logger %s", uri->path);
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_sys(err, ENOMEM, "make the logger");
	*l = (struct logger){.config = *config,
		.read_fds = {-1, -1},
		.write_fds = {-1, -1},
		.spawn = SPAWN_INIT,
		.ready_fd = -1};
	r = copy_texts(l, uri);
	if (r == 0)
		r = make_pipes(l);
	if (r == 0)
		r = loop_add_timer(config->loop, INT64_MAX, on_timer, l, &l->timer);
	if (r < 0) {
		logger_free(l);
		return err_sys(err, -r, "make the logger");
	}
	*ret = l;
	return 0;
}

static void close_pipes(struct logger *l)
{
	for (size_t i = 0; i < STDIO_N_OUTPUTS; i++) {
		close_fd(l->read_fds[i]);
		close_fd(l->write_fds[i]);
		l->read_fds[i] = l->write_fds[i] = -1;
	}
}

void logger_free(struct logger *l)
{
	if (!l)
		return;
	source_free(l->child);
	source_free(l->readable);
	source_free(l->timer);
	if (l->spawn.pid > 0) {
		kill(l->spawn.pid, SIGKILL);
		/* What has not ended by now is init's to reap: we do not wait. */
		(void)waitpid(l->spawn.pid, NULL, WNOHANG);
		if (l->config.forget)
			l->config.forget(l->config.data, l->spawn.pid, l->spawn.start_time);
	}
	spawn_fini(&l->spawn);
	close_fd(l->ready_fd);
	close_pipes(l);
	for (size_t i = 0; i < ARRAY_SIZE(l->argv); i++)
		free(l->argv[i]);
	for (size_t i = 0; i < ARRAY_SIZE(l->envp); i++)
		free(l->envp[i]);
	free(l);
}

int logger_take_output(struct logger *l, size_t i)
{
	return take_fd(&l->write_fds[i]);
}

static int spawn_program(struct logger *l, int ready_fd, struct err *err)
{
	const int fds[] = {l->read_fds[0], l->read_fds[1], ready_fd};
	struct spawn_config config = {.program = l->argv[0],
		.argv = (const char *const *)l->argv,
		.envp = (const char *const *)l->envp,
		.fds = fds,
		.n_fds = ARRAY_SIZE(fds),
		.output_fd = -1,
		.cwd = ".",
		.outlives_parent = true};

	return spawn_start(&config, &l->spawn, err);
}

static int watch(struct logger *l)
{
	int r = loop_add_child(l->config.loop, l->spawn.pid, on_child, l, &l->child);

	if (r == 0)
		r = loop_add_io(l->config.loop, l->ready_fd, EPOLLIN, on_ready, l, &l->readable);
	if (r == 0 && l->config.note)
		r = l->config.note(l->config.data, l->spawn.pid, l->spawn.start_time);
	return r;
}

int logger_start(struct logger *l, logger_ready_fn *ready, void *data, struct err *err)
{
	auto_fd int ready_write_fd = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "start the logger");
	l->ready_fd = fds[0];
	ready_write_fd = fds[1];
	r = io_set_nonblock(l->ready_fd, true);
	if (r < 0)
		return err_sys(err, -r, "start the logger");
	r = spawn_program(l, ready_write_fd, err);
	if (r < 0)
		return r;
	/* It alone reads from now on; an output nobody writes to is at its end. */
	close_pipes(l);
	r = watch(l);
	if (r < 0)
		return err_sys(err, -r, "start the logger %s", l->argv[0]);
	l->ready = ready;
	l->ready_data = data;
	source_set_deadline(l->timer, clock_now_ns() + READY_LIMIT_S * NS_PER_S);
	spawn_release(&l->spawn);
	return 0;
}

void logger_finish(struct logger *l)
{
	stop_waiting(l);
	close_pipes(l);
	l->is_finishing = true;
	if (l->spawn.pid > 0)
		source_set_deadline(l->timer, clock_now_ns() + DRAIN_LIMIT_S * NS_PER_S);
}

bool logger_is_running(const struct logger *l)
{
	return l->spawn.pid > 0;
}

void logger_on_end(struct logger *l, logger_end_fn *end, void *data)
{
	l->end = end;
	l->end_data = data;
}
