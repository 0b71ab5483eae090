/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /init of these tests' initrd. It executes the agent as it is released (/agent), which so is PID 1,
 * and leaves a child beside it that kills it, as no signal could:
 *
 *	without FAULT		when somebody connects to vsock port FAULT_PORT
 *	FAULT=create-container	when it is about to tell this span of its own, with "-" for each space:
 *				the step is done, and nobody knows (a word of the kernel's command
 *				line, which the kernel puts into our environment)
 *
 * The kernel panics then, as it does when an agent crashes.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { AGENT = 1, FAULT_PORT = 1099, RECORD_SIZE = 4096, RETRY_US = 10000 };

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

/* It has been stopped by ptrace. Where it goes on is no code; and who is traced, is PID 1 and faults
 * is spared, so it is let go first. */
static void kill_stopped_agent(void)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, AGENT, 0, &regs) < 0)
		die("PTRACE_GETREGS");
	regs.rip = 0;
	regs.orig_rax = (unsigned long long)-1; /* no system call to be restarted */
	if (ptrace(PTRACE_SETREGS, AGENT, 0, &regs) < 0 || ptrace(PTRACE_DETACH, AGENT, 0, 0) < 0)
		die("PTRACE_DETACH");
}

/* ---- When it is told to ---- */

/* The agent loads the socket family's module, and tells nobody. */
static int open_socket(void)
{
	int fd;

	while ((fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		usleep(RETRY_US);
	return fd;
}

static void wait_for_word(void)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = FAULT_PORT};
	int fd = open_socket();

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		die("listen");
	if (accept(fd, NULL, NULL) < 0)
		die("accept");
}

static void kill_when_told(int ready_fd)
{
	close(ready_fd);
	wait_for_word();
	if (ptrace(PTRACE_SEIZE, AGENT, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, AGENT, 0, 0) < 0 ||
		waitpid(AGENT, NULL, __WALL) != AGENT)
		die("PTRACE_SEIZE");
	kill_stopped_agent();
}

/* ---- At a step ---- */

/* At the beginning of a system call: does it write the record of this span? */
static int is_step(const char *span)
{
	char record[RECORD_SIZE];
	struct user_regs_struct regs;
	struct iovec ours = {record, sizeof(record)}, its;
	ssize_t n;

	if (ptrace(PTRACE_GETREGS, AGENT, 0, &regs) < 0)
		die("PTRACE_GETREGS");
	if (regs.orig_rax != SYS_write || regs.rax != (unsigned long long)-ENOSYS)
		return 0;
	its = (struct iovec){(void *)regs.rsi, regs.rdx < RECORD_SIZE ? regs.rdx : RECORD_SIZE};
	n = process_vm_readv(AGENT, &ours, 1, &its, 1, 0);
	return n > 0 && memmem(record, (size_t)n, span, strlen(span));
}

static void kill_at(const char *step, int ready_fd)
{
	char span[64];
	int status, signo = 0;

	snprintf(span, sizeof(span), "\"what\":\"%s\"", step);
	for (char *p = span; (p = strchr(p, '-'));)
		*p = ' ';
	if (ptrace(PTRACE_SEIZE, AGENT, 0, PTRACE_O_TRACESYSGOOD) < 0 ||
		ptrace(PTRACE_INTERRUPT, AGENT, 0, 0) < 0)
		die("PTRACE_SEIZE");
	close(ready_fd);
	while (waitpid(AGENT, &status, __WALL) == AGENT && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && is_step(span)) {
			kill_stopped_agent();
			return;
		}
		/* What is no stop of ours is a signal, to be handed on. */
		signo = WSTOPSIG(status) == (SIGTRAP | 0x80) || status >> 16 ? 0 : WSTOPSIG(status);
		if (ptrace(PTRACE_SYSCALL, AGENT, 0, signo) < 0)
			die("PTRACE_SYSCALL");
	}
}

int main(int argc, char **argv)
{
	const char *step = getenv("FAULT");
	int ready[2];
	char byte;
	pid_t pid;

	(void)argc;
	if (pipe(ready) < 0 || (pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		close(ready[0]);
		if (step)
			kill_at(step, ready[1]);
		else
			kill_when_told(ready[1]);
		return 0;
	}
	close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	close(ready[0]);
	execv("/agent", argv);
	die("/agent");
}
