/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an empty ttRPC call costs, against the least that two processes can do: both ends of a raw
 * echo read and write as many bytes, blocking, and nothing else. All four processes share one core,
 * so that a figure is work and not the distance of two cores.
 *
 *	bench_ttrpc [CALLS]
 *
 * Prints "NAME VALUE UNIT" lines for tools/bench.
 */
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "empty.pb-c.h"
#include "wire/ttrpc_client.h"
#include "wire/ttrpc_server.h"

/* The frame of the call below: header, service, method, an empty payload. Its answer is shorter. */
enum { ECHO_SIZE = 10 + 21, IN_FLIGHT_MAX = 64 };

static const char service[] = "bench.Empty", method[] = "Call";

/* ---- Samples ---- */

struct samples {
	int64_t *ns; /* owned */
	size_t n, max;
};

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts; per_mille 500 is the median. */
static int64_t percentile(struct samples *s, size_t per_mille)
{
	qsort(s->ns, s->n, sizeof(*s->ns), compare);
	return s->ns[(s->n - 1) * per_mille / 1000];
}

/* ---- The other end ---- */

static pid_t spawn(int fds[2], void (*serve)(int fd))
{
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		err(1, "socketpair");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		serve(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	return pid;
}

static void serve_echo(int fd)
{
	char bytes[ECHO_SIZE];

	while (recv(fd, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes))
		if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
			break;
}

static void handle(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	(void)user;
	ttrpc_call_reply(call, NULL);
}

static void serve_ttrpc(int fd)
{
	static const struct ttrpc_method methods[] = {
		{service, method, &google__protobuf__empty__descriptor, handle},
	};
	const struct ttrpc_server_config config = {.methods = methods, .n_methods = 1};
	struct ttrpc_server *server;
	struct loop *loop;

	if (loop_new(&loop) < 0 || ttrpc_server_new(loop, -1, &config, &server) < 0 ||
		ttrpc_server_add(server, fd) < 0)
		_exit(1);
	if (loop_run(loop) < 0)
		_exit(1);
}

/* ---- This end ---- */

static void echo(struct samples *s)
{
	char bytes[ECHO_SIZE] = "";
	int fds[2];
	pid_t pid = spawn(fds, serve_echo);

	for (s->n = 0; s->n < s->max; s->n++) {
		int64_t from_ns = clock_now_ns();

		if (write(fds[0], bytes, sizeof(bytes)) != sizeof(bytes) ||
			recv(fds[0], bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
			err(1, "echo");
		s->ns[s->n] = clock_now_ns() - from_ns;
	}
	close(fds[0]);
	waitpid(pid, NULL, 0);
}

/* Keeps a number of calls in flight until enough have been answered. */
struct caller {
	struct ttrpc_client *client;
	struct loop *loop;
	struct samples *samples; /* borrowed; NULL: only counted */
	int64_t sent_ns;	 /* of the last; only where one is in flight */
	size_t left, unanswered;
};

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *e);

static void call_once(struct caller *c)
{
	static const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;

	c->left--;
	c->unanswered++;
	c->sent_ns = clock_now_ns();
	if (ttrpc_client_call(
		    c->client, service, method, &request.base, 0, NULL, on_reply, c, NULL) < 0)
		errx(1, "ttrpc: a call could not be sent");
}

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *e)
{
	struct caller *c = data;

	(void)reply;
	if (e)
		errx(1, "ttrpc: %s", e->msg);
	if (c->samples)
		c->samples->ns[c->samples->n++] = clock_now_ns() - c->sent_ns;
	c->unanswered--;
	if (c->left > 0)
		call_once(c);
	else if (c->unanswered == 0)
		loop_stop(c->loop, 0);
}

/* Returns the time for all calls. */
static int64_t calls(size_t n, size_t in_flight, struct samples *samples)
{
	struct caller c = {.left = n, .samples = samples};
	int64_t from_ns;
	int fds[2];
	pid_t pid = spawn(fds, serve_ttrpc);

	if (loop_new(&c.loop) < 0 || ttrpc_client_new(c.loop, fds[0], NULL, NULL, &c.client) < 0)
		errx(1, "ttrpc: no client");
	from_ns = clock_now_ns();
	for (size_t i = 0; i < in_flight; i++)
		call_once(&c);
	if (loop_run(c.loop) < 0)
		errx(1, "ttrpc: the loop failed");
	from_ns = clock_now_ns() - from_ns;
	ttrpc_client_free(c.client);
	loop_free(c.loop);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return from_ns;
}

static void show_rate(size_t n, size_t in_flight)
{
	double s = (double)calls(n, in_flight, NULL) / (double)NS_PER_S;

	printf("ttrpc_calls_%zu_in_flight %.0f /s\n", in_flight, (double)n / s);
}

static void pin(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		err(1, "sched_setaffinity");
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	struct samples s = {.ns = calloc(n, sizeof(int64_t)), .max = n};
	int64_t echo_ns, call_ns;

	if (n < IN_FLIGHT_MAX || !s.ns)
		errx(1, "usage: bench_ttrpc [CALLS], at least %d", IN_FLIGHT_MAX);
	pin();
	echo(&s);
	echo_ns = percentile(&s, 500);
	printf("echo_p50 %.2f us\necho_p99 %.2f us\n", (double)echo_ns / 1e3,
		(double)percentile(&s, 990) / 1e3);
	s.n = 0;
	calls(n, 1, &s);
	call_ns = percentile(&s, 500);
	printf("ttrpc_p50 %.2f us\nttrpc_p99 %.2f us\n", (double)call_ns / 1e3,
		(double)percentile(&s, 990) / 1e3);
	printf("ttrpc_to_echo %.2f x\n", (double)call_ns / (double)echo_ns);
	show_rate(n, 8);
	show_rate(n, 64);
	free(s.ns);
	return 0;
}
