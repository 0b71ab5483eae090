/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "agent.pb-c.h"
#include "agent/process_stdio.h"
#include "base/io.h"
#include "base/log.h"
#include "wire/parked.h"
#include "wire/status.h"

enum { MAX_STATUS_FILE = 16 << 10 };

static void answer(struct process *p, struct ttrpc_call *call)
{
	Grpc__WaitProcessResponse reply = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	reply.has_status = 1;
	reply.status = p->exit_code;
	ttrpc_call_reply(call, &reply.base);
}

static void answer_waiters(struct process *p)
{
	struct ttrpc_call *call;

	while ((call = parked_take(&p->waiters)))
		answer(p, call);
}

static void fail_waiters(struct process *p)
{
	struct err err = ERR_INIT;
	struct ttrpc_call *call;

	err_status(&err, ESRCH, WIRE_NOT_FOUND, "process %s has been removed", p->id ? p->id : "");
	while ((call = parked_take(&p->waiters)))
		ttrpc_call_fail(call, &err);
}

void process_on_drained(void *data)
{
	struct process *p = data;

	if (--p->n_draining > 0)
		return;
	p->ended = true;
	if (list_is_empty(&p->waiters))
		return;
	answer_waiters(p);
	/* It may be gone afterwards. */
	p->on_waited(p->data, p);
}

static void on_exit_of(void *data, pid_t pid, int status)
{
	struct process *p = data;
	process_exited_fn *on_exited = p->on_exited;
	void *owner = p->owner;

	p->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	p->exited = true;
	p->pid = 0;
	p->child = NULL;
	log_printf(LOG_DEBUG, "process", "process %d of %s ended, exit code %d", (int)pid, p->id,
		p->exit_code);
	p->on_ending(owner);
	/* One more than there are outputs: the process is still there after the first calls. */
	p->n_draining = 3 + process_finish_relays(p);
	output_finish(&p->stdout_, process_on_drained, p);
	output_finish(&p->stderr_, process_on_drained, p);
	process_on_drained(p);
	on_exited(owner);
}

static void close_child_stdio(struct process *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->child_stdio); i++)
		close_fd(take_fd(&p->child_stdio[i]));
}

static int set_up(struct process *p, struct reaper *reaper, const struct process_config *config)
{
	int r;

	p->id = strdup(config->id);
	if (!p->id)
		return -ENOMEM;
	r = reaper_prepare(reaper, on_exit_of, p, &p->child);
	if (r < 0)
		return r;
	return process_open_stdio(p, config);
}

int process_new(struct loop *loop, struct reaper *reaper, const struct process_config *config,
	struct process **ret, struct err *err)
{
	struct process *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_sys(err, ENOMEM, "process %s", config->id);
	*p = (struct process){
		.loop = loop,
		.child_stdio = {-1, -1, -1},
		.tty_fd = -1,
		.on_waited = config->on_waited,
		.on_ending = config->on_ending,
		.on_exited = config->on_exited,
		.data = config->data,
		.owner = config->owner,
	};
	list_init(&p->waiters);
	input_init(&p->stdin_, loop);
	output_init(&p->stdout_, loop);
	output_init(&p->stderr_, loop);
	r = set_up(p, reaper, config);
	if (r < 0) {
		err_sys(err, -r, "streams of process %s", config->id);
		process_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	if (p->exited)
		answer_waiters(p);
	else
		fail_waiters(p);
	reaper_remove(p->child);
	for (size_t i = 0; i < PASSFD_STREAMS; i++)
		relay_free(p->relays[i]);
	input_fini(&p->stdin_);
	output_fini(&p->stdout_);
	output_fini(&p->stderr_);
	close_child_stdio(p);
	close_fd(p->tty_fd);
	free(p->id);
	free(p);
}

void process_launched(struct process *p, pid_t pid)
{
	p->pid = pid;
	reaper_watch(p->child, pid);
	/* As long as the agent has them open no end of file is seen. */
	close_child_stdio(p);
}

void process_wait(struct process *p, struct ttrpc_call *call)
{
	struct err err = ERR_INIT;

	if (p->ended) {
		answer(p, call);
		p->on_waited(p->data, p);
		return;
	}
	if (parked_add(&p->waiters, call) < 0) {
		err_sys(&err, ENOMEM, "wait for process %s", p->id);
		ttrpc_call_fail(call, &err);
	}
}

int process_signal(struct process *p, int signo)
{
	if (p->pid == 0)
		return -ESRCH;
	return kill(p->pid, signo) < 0 ? -errno : 0;
}

int process_resize(struct process *p, uint16_t rows, uint16_t columns)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};

	if (p->tty_fd < 0)
		return -ENOTTY;
	return ioctl(p->tty_fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

void process_close_stdin(struct process *p)
{
	if (p->relays[0])
		relay_finish(p->relays[0]);
	else
		input_close(&p->stdin_);
}

bool process_handles(const struct process *p, int signo)
{
	static const char *const masks[] = {"\nSigBlk:\t", "\nSigIgn:\t", "\nSigCgt:\t"};
	auto_buf struct buf text = BUF_INIT;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)p->pid);
	if (p->pid == 0 || signo < 1 || signo > 64 ||
		io_read_file(AT_FDCWD, path, MAX_STATUS_FILE, &text) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		const char *at = strstr(buf_str(&text), masks[i]);

		if (at && strtoull(at + strlen(masks[i]), NULL, 16) & UINT64_C(1) << (signo - 1))
			return true;
	}
	return false;
}
