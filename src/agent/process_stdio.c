/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/process_stdio.h"

#include <fcntl.h>

#include "agent/terminal.h"
#include "base/io.h"

static void on_relay_ended(void *data)
{
	struct process *p = data;

	/* Before its end nobody waits for it. */
	if (p->exited)
		process_on_drained(p);
}

/* Joins a connection of the host and ours, the agent's end of stream i. Both are taken over. */
static int relay(struct process *p, int i, int stream_fd, int ours)
{
	struct relay_config config = {
		.from_fd = i == 0 ? stream_fd : ours,
		.to_fd = i == 0 ? ours : stream_fd,
		.outlives_reader = i > 0 && p->tty_fd >= 0,
		.ended = on_relay_ended,
		.data = p,
	};

	return relay_new(p->loop, &config, &p->relays[i]);
}

/* ours: the agent's end of stream i, taken over. */
static int attach(struct process *p, struct passfd_streams *streams, int i, int ours)
{
	if (streams && streams->used)
		return relay(p, i, take_fd(&streams->fds[i]), ours);
	if (i == 0)
		return input_open(&p->stdin_, ours);
	return output_open(i == 1 ? &p->stdout_ : &p->stderr_, ours);
}

static int open_null(int *ret)
{
	*ret = open("/dev/null", O_RDWR | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

static int open_pipe(struct process *p, const struct process_config *config, int i)
{
	int ours = i == 0 ? 1 : 0; /* to write or to read */
	int fds[2], r;

	if (config->streams && config->streams->used && config->streams->fds[i] < 0)
		return open_null(&p->child_stdio[i]);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	p->child_stdio[i] = fds[1 - ours];
	r = io_set_nonblock(fds[ours], true);
	if (r == 0 && i > 0 && config->pipe_size > 0 &&
		fcntl(fds[ours], F_SETPIPE_SZ, (int)config->pipe_size) < 0)
		r = -errno;
	if (r < 0) {
		close_fd(fds[ours]);
		return r;
	}
	return attach(p, config->streams, i, fds[ours]);
}

/* Each user of the master has a descriptor of its own: the input may be closed before the output.
 */
static int attach_master(struct process *p, struct passfd_streams *streams, int i)
{
	int fd = io_dup(p->tty_fd);

	return fd < 0 ? fd : attach(p, streams, i, fd);
}

static int open_terminal(struct process *p, struct passfd_streams *streams)
{
	int r = terminal_open(&p->tty_fd, &p->child_stdio[0]);

	for (int i = 1; r >= 0 && i < 3; i++) {
		p->child_stdio[i] = io_dup(p->child_stdio[0]);
		r = p->child_stdio[i];
	}
	if (r < 0)
		return r;
	/* Without a stream there is nothing to be read from it. */
	if (!streams || !streams->used || streams->fds[0] >= 0) {
		r = attach_master(p, streams, 0);
		if (r < 0)
			return r;
	}
	return attach_master(p, streams, 1);
}

int process_open_stdio(struct process *p, const struct process_config *config)
{
	int r = 0;

	if (config->terminal)
		return open_terminal(p, config->streams);
	for (int i = 0; r == 0 && i < 3; i++)
		r = open_pipe(p, config, i);
	return r;
}

int process_finish_relays(struct process *p)
{
	int n = 0;

	/* The host sees that nobody reads any more. */
	relay_free(take_ptr(&p->relays[0]));
	for (size_t i = 1; i < PASSFD_STREAMS; i++) {
		if (!p->relays[i] || relay_has_ended(p->relays[i]))
			continue;
		relay_finish(p->relays[i]);
		n++;
	}
	return n;
}
