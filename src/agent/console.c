/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/console.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/port.h"
#include "agent/relay.h"
#include "agent/terminal.h"
#include "base/io.h"
#include "base/list.h"
#include "base/log.h"

#define CONSOLE_DEVICE "/dev/console"

struct console {
	struct loop *loop;
	struct reaper *reaper;
	const char *shell;
	struct port *port; /* NULL: on CONSOLE_DEVICE */
	struct list sessions;
	size_t n_sessions;
};

struct session {
	struct list link;
	struct console *console;    /* borrowed: it closes its sessions first */
	struct reaper_child *child; /* NULL once the shell has been collected */
	pid_t pid;
	/* From and to the connection; NULL on CONSOLE_DEVICE. */
	struct relay *keys, *screen;
};

static const char *find_shell(void)
{
	static const char *const shells[] = {
		"/run/kata-extensions/devkit/bin/devkit-sh", "/bin/bash", "/bin/sh"};

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (access(shells[i], X_OK) == 0)
			return shells[i];
	return NULL;
}

static void close_session(struct session *s)
{
	/* Until it has been collected the number is its own. */
	if (s->child)
		(void)kill(s->pid, SIGKILL);
	reaper_remove(s->child);
	relay_free(s->keys);
	relay_free(s->screen);
	list_remove(&s->link);
	s->console->n_sessions--;
	log_printf(LOG_INFO, "debug-console", "session of shell %d has ended", (int)s->pid);
	free(s);
}

static void on_relay_ended(void *data)
{
	close_session(data);
}

static void on_shell_ended(void *data, pid_t pid, int status)
{
	struct session *s = data;

	s->child = NULL;
	log_printf(LOG_INFO, "debug-console", "shell %d has ended, status %#x", (int)pid,
		(unsigned int)status);
	if (s->screen)
		relay_finish(s->screen);
	else
		close_session(s);
}

/* In the child. terminal_fd -1: CONSOLE_DEVICE, which may make who opens it wait. */
static _Noreturn void run_shell(const char *shell, int terminal_fd)
{
	static const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
					  "/sbin:/bin",
		"HOME=/root", "TERM=linux", NULL};
	const char *argv[] = {shell, terminal_fd < 0 ? "-i" : NULL, NULL};

	loop_restore_signals();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setsid();
	if (terminal_fd < 0)
		terminal_fd = open(CONSOLE_DEVICE, O_RDWR | O_NOCTTY | O_CLOEXEC);
	/* 1: also from the session of the agent, which has the guest's console. */
	if (terminal_fd >= 0)
		(void)ioctl(terminal_fd, TIOCSCTTY, 1);
	for (int i = 0; i < 3; i++)
		if (terminal_fd < 0 || dup2(terminal_fd, i) < 0)
			_exit(126);
	(void)!chdir("/");
	execve(shell, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	_exit(127);
}

static int start_shell(struct session *s, int terminal_fd)
{
	int r = reaper_prepare(s->console->reaper, on_shell_ended, s, &s->child);
	pid_t pid;

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		run_shell(s->console->shell, terminal_fd);
	if (pid < 0) {
		r = -errno;
		reaper_remove(take_ptr(&s->child));
		return r;
	}
	s->pid = pid;
	reaper_watch(s->child, pid);
	return 0;
}

/* Each direction has descriptors of its own; fd and master_fd are borrowed. */
static int join(struct session *s, int fd, int master_fd)
{
	struct relay_config keys = {.from_fd = io_dup(fd), .ended = on_relay_ended, .data = s};
	struct relay_config screen = {.to_fd = io_dup(fd), .ended = on_relay_ended, .data = s};
	int r;

	keys.to_fd = io_dup(master_fd);
	screen.from_fd = io_dup(master_fd);
	if (keys.from_fd < 0 || keys.to_fd < 0 || screen.from_fd < 0 || screen.to_fd < 0) {
		close_fd(keys.from_fd);
		close_fd(keys.to_fd);
		close_fd(screen.from_fd);
		close_fd(screen.to_fd);
		return -EMFILE;
	}
	r = relay_new(s->console->loop, &keys, &s->keys);
	if (r < 0) {
		close_fd(screen.from_fd);
		close_fd(screen.to_fd);
		return r;
	}
	return relay_new(s->console->loop, &screen, &s->screen);
}

static struct session *new_session(struct console *console)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->console = console;
	list_add(&console->sessions, &s->link);
	console->n_sessions++;
	return s;
}

static int serve(struct console *console, int fd)
{
	auto_fd int master_fd = -1, slave_fd = -1;
	struct session *s;
	int r;

	if (console->n_sessions >= CONSOLE_MAX_SESSIONS)
		return -EBUSY;
	s = new_session(console);
	if (!s)
		return -ENOMEM;
	r = terminal_open(&master_fd, &slave_fd);
	if (r == 0)
		r = join(s, fd, master_fd);
	if (r == 0)
		r = start_shell(s, slave_fd);
	if (r < 0)
		close_session(s);
	else
		log_printf(LOG_INFO, "debug-console", "connection has shell %d", (int)s->pid);
	return r;
}

static void on_accepted(void *data, int fd, uint32_t peer_port)
{
	auto_fd int owned = fd;
	int r = serve(data, fd);

	(void)peer_port;
	if (r < 0)
		log_printf(LOG_WARN, "debug-console", "connection refused: %s", strerror(-r));
	(void)owned;
}

static int serve_device(struct console *console)
{
	struct session *s = new_session(console);
	int r;

	if (!s)
		return -ENOMEM;
	r = start_shell(s, -1);
	if (r < 0)
		close_session(s);
	return r;
}

int console_open(struct loop *loop, struct reaper *reaper, const struct options *options,
	struct console **ret, struct err *err)
{
	struct console *console = calloc(1, sizeof(*console));
	int r;

	if (!console)
		return err_sys(err, ENOMEM, "debug console");
	*console = (struct console){.loop = loop, .reaper = reaper, .shell = find_shell()};
	list_init(&console->sessions);
	if (!console->shell)
		r = err_set(err, ENOENT, "no shell");
	else if (options->debug_console_port > 0)
		r = port_listen(loop, options, options->debug_console_port, on_accepted, console,
			&console->port, err);
	else
		r = serve_device(console);
	if (r < 0) {
		console_close(console);
		return err_is_set(err) ? err_wrap(err, "debug console")
				       : err_sys(err, -r, "debug console");
	}
	*ret = console;
	return 0;
}

void console_close(struct console *console)
{
	if (!console)
		return;
	port_close(console->port);
	while (!list_is_empty(&console->sessions))
		close_session(container_of(console->sessions.next, struct session, link));
	free(console);
}
