/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent takes, run as a program, from its execve to the answer of the first Check:
 *
 *	bench_agent_start AGENT RUNS
 *
 * A line for each run: its processor time (getrusage(2)) and the time that passed, in milliseconds. Each
 * agent is killed as soon as it has answered, so that its end is not in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "health.pb-c.h"
#include "wire/dial.h"
#include "wire/ttrpc_client.h"

enum { PATH_SIZE = 64, MAX_RUNS = 1000 };
#define LIMIT_NS (30 * NS_PER_S)
#define RETRY_NS (NS_PER_MS / 4)

struct run {
	const char *agent;
	char dir[PATH_SIZE], address[PATH_SIZE + 32];
	pid_t pid;
	struct loop *loop;
	struct dial *dial;
	struct ttrpc_client *client;
	int r; /* 1: goes on */
};

static _Noreturn void be_agent(const struct run *run)
{
	char address[sizeof(run->address) + 32], run_dir[PATH_SIZE + 32];
	char *argv[] = {(char[]){"kata-agent"}, NULL}, *env[] = {address, run_dir, NULL};
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(address, sizeof(address), "KATA_AGENT_SERVER_ADDR=%s", run->address);
	snprintf(run_dir, sizeof(run_dir), "KIHON_AGENT_RUN_DIR=%s/run", run->dir);
	(void)dup2(null_fd, STDOUT_FILENO);
	execve(run->agent, argv, env);
	_exit(127);
}

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct run *run = data;

	(void)reply;
	if (err)
		fprintf(stderr, "bench_agent_start: Check: %s\n", err->msg);
	run->r = err ? -err->code : 0;
}

static void on_connected(void *data, int fd, const struct err *err)
{
	Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;
	struct run *run = data;

	run->dial = NULL;
	if (err) {
		fprintf(stderr, "bench_agent_start: %s\n", err->msg);
		run->r = -err->code;
		return;
	}
	run->r = ttrpc_client_new(run->loop, fd, NULL, NULL, &run->client);
	if (run->r == 0)
		run->r = ttrpc_client_call(run->client, "grpc.Health", "Check", &request.base,
			LIMIT_NS, &grpc__health_check_response__descriptor, on_reply, run, NULL);
	if (run->r == 0)
		run->r = 1;
}

static int ask(struct run *run)
{
	const struct dial_config config = {.address = run->address,
		.retry_ns = RETRY_NS,
		.deadline_ns = clock_now_ns() + LIMIT_NS,
		.attempt_ns = LIMIT_NS};
	struct err err = ERR_INIT;

	run->r = loop_new(&run->loop);
	if (run->r == 0)
		run->r = dial_start(run->loop, &config, on_connected, run, &run->dial, &err);
	if (run->r == 0)
		run->r = 1;
	while (run->r == 1)
		if (loop_run_once(run->loop, LIMIT_NS) < 0)
			run->r = -EIO;
	return run->r;
}

static double ms_of(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static int measure(const char *agent)
{
	struct run run = {.agent = agent, .dir = "/tmp/bench-agent-XXXXXX"};
	struct rusage usage = {.ru_maxrss = 0};
	int64_t from_ns, passed_ns;
	int r;

	if (!mkdtemp(run.dir))
		return -errno;
	snprintf(run.address, sizeof(run.address), "unix://%s/agent.sock", run.dir);
	from_ns = clock_now_ns();
	run.pid = fork();
	if (run.pid == 0)
		be_agent(&run);
	r = run.pid < 0 ? -errno : ask(&run);
	passed_ns = clock_now_ns() - from_ns;
	if (run.pid > 0) {
		(void)kill(run.pid, SIGKILL);
		if (wait4(run.pid, NULL, 0, &usage) < 0)
			r = -errno;
	}
	if (r == 0)
		printf("%.3f %.3f\n", ms_of(usage.ru_utime) + ms_of(usage.ru_stime),
			(double)passed_ns / 1e6);
	dial_cancel(run.dial);
	ttrpc_client_free(run.client);
	if (run.loop)
		loop_free(run.loop);
	return path_remove_tree(AT_FDCWD, run.dir) < 0 ? -EIO : r;
}

int main(int argc, char **argv)
{
	long runs = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (runs < 1 || runs > MAX_RUNS) {
		fprintf(stderr, "usage: bench_agent_start AGENT RUNS\n");
		return 2;
	}
	for (long i = 0; i < runs; i++)
		if (measure(argv[1]) < 0)
			return 1;
	return 0;
}
