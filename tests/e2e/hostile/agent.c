/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest: /init of an initrd, static, in the agent's place. It answers the shim like an
 * agent, with one container that runs until it is signalled, up to the moment that HOSTILE (a word
 * of the kernel's command line, which the kernel puts into our environment) names:
 *
 *	HOSTILE=WHAT:METHOD	does WHAT (see deeds) in place of the answer to METHOD
 *	HOSTILE=WHAT:log	on the log port
 *	HOSTILE=rings:SEED	before the agent's socket listens: guest_torture_rings
 *	HOSTILE=late-rings:SEED	the same while a container runs
 *
 * The wire format is written out by hand here: the code under test cannot say it wrong.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "../guest_modules.h"

enum { AGENT_PORT = 1024, LOG_PORT = 1025, HEADER = 10, RESPONSE = 2, MIB = 1 << 20 };
enum { TORTURE_S = 15 };
/* What is answered when the container has ended. */
enum { STDOUT, STDERR, WAIT, NOWHERE };

static const char *what = "", *when = "";
static uint8_t bytes[5 * MIB];

/* One connection of the shim. */
struct session {
	int fd;
	uint32_t stream;    /* of the request being answered */
	uint32_t parked[3]; /* reads and the wait that wait for the end; 0: none */
	int has_ended;
};

/* ---- What a good agent says ---- */

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static int send_header(int fd, uint32_t len, uint32_t stream, uint8_t type)
{
	uint8_t h[HEADER] = {0};

	put32(h, len);
	put32(h + 4, stream);
	h[8] = type;
	return guest_write(fd, h, sizeof(h));
}

static int reply(int fd, uint32_t stream, const void *p, size_t len)
{
	return send_header(fd, (uint32_t)len, stream, RESPONSE) && guest_write(fd, p, len);
}

static size_t put_varint(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v > 127; v >>= 7)
		to[n++] = (uint8_t)(v | 128);
	to[n++] = (uint8_t)v;
	return n;
}

/* Field 2 of the Response: its payload of len bytes, which follow. */
static size_t put_payload(uint8_t *to, size_t len)
{
	to[0] = 0x12;
	return 1 + put_varint(to + 1, len);
}

/* A ReadStreamResponse with len bytes of data (field 1). */
static int reply_data(const struct session *s, size_t len)
{
	uint8_t inner[12] = {0x0a}, outer[12];
	size_t n_inner = 1 + put_varint(inner + 1, len), n = put_payload(outer, n_inner + len);

	return send_header(s->fd, (uint32_t)(n + n_inner + len), s->stream, RESPONSE) &&
	       guest_write(s->fd, outer, n) && guest_write(s->fd, inner, n_inner) &&
	       guest_write(s->fd, bytes, len);
}

static int parking_place(const char *method)
{
	static const char *const names[] = {"ReadStdout", "ReadStderr", "WaitProcess"};
	int i = 0;

	while (i < NOWHERE && strcmp(method, names[i]) != 0)
		i++;
	return i;
}

/* An empty answer means OK to all methods, and that there is no output any more. */
static void answer_end(const struct session *s, uint32_t stream, int place)
{
	/* WaitProcessResponse{status: 137} */
	static const uint8_t killed[] = {0x12, 3, 0x08, 0x89, 0x01};

	(void)reply(s->fd, stream, killed, place == WAIT ? sizeof(killed) : 0);
}

static void answer(struct session *s, const char *method)
{
	int place = parking_place(method);

	if (place == NOWHERE) {
		(void)reply(s->fd, s->stream, NULL, 0);
	} else if (s->has_ended) {
		answer_end(s, s->stream, place);
	} else {
		s->parked[place] = s->stream;
	}
	if (strcmp(method, "SignalProcess") != 0)
		return;
	s->has_ended = 1;
	for (int i = 0; i < NOWHERE; i++)
		if (s->parked[i])
			answer_end(s, s->parked[i], i);
	memset(s->parked, 0, sizeof(s->parked));
}

/* ---- What a hostile one does ---- */

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static void fill_with_noise(void)
{
	uint64_t x = 88172645463325252;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = (uint8_t)x;
	}
}

static void pour(const struct session *s)
{
	while (guest_write(s->fd, bytes, sizeof(bytes)))
		;
}

static void send_garbage(struct session *s)
{
	fill_with_noise();
	pour(s);
}

static void send_uncalled(struct session *s)
{
	(void)reply(s->fd, s->stream + 200, NULL, 0);
}

static void send_even(struct session *s)
{
	(void)reply(s->fd, s->stream + 1, NULL, 0);
}

static void send_twice(struct session *s)
{
	(void)reply(s->fd, s->stream, NULL, 0);
	(void)reply(s->fd, s->stream, NULL, 0);
}

static void send_type(struct session *s)
{
	(void)send_header(s->fd, 0, s->stream, 9);
}

static void send_request(struct session *s)
{
	(void)send_header(s->fd, 0, s->stream, 1);
}

static void send_4gib(struct session *s)
{
	(void)send_header(s->fd, UINT32_MAX, s->stream, RESPONSE);
	pour(s);
}

/* As much as ttRPC allows at all, of a field that no message has. */
static void send_4mib(struct session *s)
{
	uint8_t front[12] = {0x7a};
	size_t n = 1 + put_varint(front + 1, 4 * MIB - 16);

	(void)send_header(s->fd, (uint32_t)(4 * MIB - 16 + n), s->stream, RESPONSE);
	(void)guest_write(s->fd, front, n);
	(void)guest_write(s->fd, bytes, 4 * MIB - 16);
}

/* GuestDetailsResponse.agent_details.storage_handlers: many empty strings in few bytes. */
static void send_bomb(struct session *s)
{
	enum { N = 200000 };
	uint8_t front[12], middle[12] = {0x12};
	size_t n_middle = 1 + put_varint(middle + 1, N * 2),
	       n = put_payload(front, n_middle + N * 2);

	for (size_t i = 0; i < N; i++) {
		bytes[2 * i] = 0x22;
		bytes[2 * i + 1] = 0;
	}
	(void)send_header(s->fd, (uint32_t)(n + n_middle + N * 2), s->stream, RESPONSE);
	(void)guest_write(s->fd, front, n);
	(void)guest_write(s->fd, middle, n_middle);
	(void)guest_write(s->fd, bytes, N * 2);
}

static void send_half(struct session *s)
{
	(void)send_header(s->fd, 100, s->stream, RESPONSE);
	(void)guest_write(s->fd, bytes, 50);
	sleep_for_ever();
}

static void send_half_header(struct session *s)
{
	(void)guest_write(s->fd, bytes, 5);
	sleep_for_ever();
}

/* Status{code: 13 (INTERNAL), message}. */
static void send_status(struct session *s, size_t len)
{
	uint8_t front[32], inner[16] = {0x08, 13, 0x12};
	size_t n_inner = 3 + put_varint(inner + 3, len), n;

	front[0] = 0x0a;
	n = 1 + put_varint(front + 1, n_inner + len);
	(void)send_header(s->fd, (uint32_t)(n + n_inner + len), s->stream, RESPONSE);
	(void)guest_write(s->fd, front, n);
	(void)guest_write(s->fd, inner, n_inner);
	(void)guest_write(s->fd, bytes, len);
}

static void send_text(struct session *s)
{
	static const char start[] = "evil\n\033[2Jtime=now level=error msg=\"forged\"\n\r\a";

	memset(bytes, '\033', sizeof(bytes));
	memcpy(bytes, start, sizeof(start) - 1);
	send_status(s, 256 << 10);
}

static void send_nul(struct session *s)
{
	send_status(s, 100);
}

static void send_more(struct session *s)
{
	(void)reply_data(s, 300000);
}

static void send_flood(struct session *s)
{
	(void)reply_data(s, 64 << 10);
}

static void close_it(struct session *s)
{
	(void)s;
	_exit(0);
}

static void be_deaf(struct session *s)
{
	(void)s;
	sleep_for_ever();
}

static void be_silent(struct session *s)
{
	while (guest_read(s->fd, bytes, 1))
		;
}

static void torture(struct session *s)
{
	(void)s;
	kill(1, SIGUSR1);
}

/* always: not the first time only. */
static const struct {
	const char *name;
	void (*fn)(struct session *s);
	int always;
} deeds[] = {
	{"garbage", send_garbage, 0},
	{"uncalled", send_uncalled, 0},
	{"even", send_even, 0},
	{"twice", send_twice, 0},
	{"type", send_type, 0},
	{"request", send_request, 0},
	{"4gib", send_4gib, 0},
	{"4mib", send_4mib, 1},
	{"bomb", send_bomb, 1},
	{"half", send_half, 0},
	{"half-header", send_half_header, 0},
	{"text", send_text, 1},
	{"nul", send_nul, 1},
	{"more", send_more, 1},
	{"flood", send_flood, 1},
	{"close", close_it, 0},
	{"deaf", be_deaf, 0},
	{"silence", be_silent, 0},
	{"late-rings", torture, 0},
};

/* True if it is what HOSTILE asks for. */
static int misbehave(struct session *s, const char *method)
{
	const char *moment = strcmp(what, "late-rings") == 0 ? "ReadStderr" : when;

	if (strcmp(moment, method) != 0)
		return 0;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		if (strcmp(deeds[i].name, what) != 0)
			continue;
		printf("hostile: %s at %s\n", what, method);
		deeds[i].fn(s);
		return 1;
	}
	return 0;
}

/* ---- The two ports ---- */

/* Copies string field number field of a ttrpc.Request; "" if it is not there. */
static void find_text(const uint8_t *p, size_t len, uint8_t field, char *to, size_t size)
{
	to[0] = '\0';
	for (size_t at = 0; at + 2 <= len;) {
		uint8_t tag = p[at], n = p[at + 1];

		/* The names come first and are short; the payload behind them ends the search. */
		if ((tag & 7) != 2 || (n & 128) || at + 2 + n > len)
			return;
		if (tag >> 3 == field && n < size) {
			memcpy(to, p + at + 2, n);
			to[n] = '\0';
			return;
		}
		at += 2 + (size_t)n;
	}
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void serve_agent(int fd)
{
	struct session s = {.fd = fd};
	static uint8_t request[4 * MIB];
	uint8_t h[HEADER];
	char method[64];

	while (guest_read(fd, h, sizeof(h))) {
		uint32_t len = get32(h);

		if (len > sizeof(request) || !guest_read(fd, request, len))
			return;
		s.stream = get32(h + 4);
		find_text(request, len, 2, method, sizeof(method));
		if (!misbehave(&s, method))
			answer(&s, method);
	}
}

static void serve_log(int fd)
{
	static const char forged[] = "{\"level\":\"INFO\",\"msg\":\"a\\nb\\u001b[2J\\u0000\"}\n"
				     "\033[2J\r\ntime=now level=fatal msg=forged\n\n\n";

	if (strcmp(when, "log") != 0)
		sleep_for_ever();
	memset(bytes, strcmp(what, "line") == 0 ? 'x' : '[', sizeof(bytes));
	if (strcmp(what, "lines") == 0)
		for (size_t i = 0; i + sizeof(forged) <= sizeof(bytes); i += sizeof(forged) - 1)
			memcpy(bytes + i, forged, sizeof(forged) - 1);
	pour(&(struct session){.fd = fd});
}

static void serve(unsigned port, int listener)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			close(listener);
			if (port == AGENT_PORT)
				serve_agent(fd);
			else
				serve_log(fd);
			_exit(0);
		}
		close(fd);
	}
	printf("accept on %u: %s\n", port, strerror(errno));
	_exit(1);
}

static void listen_on(unsigned port)
{
	int fd = guest_listen(port);

	if (fd < 0)
		printf("listen on %u: %s\n", port, strerror(errno));
	if (fork() == 0)
		serve(port, fd);
	close(fd);
}

/* ---- What guest.h promises ---- */

int guest_listen(unsigned port)
{
	struct sockaddr_vm a = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0)
		return -1;
	return fd;
}

int guest_write(int fd, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n <= 0)
			return 0;
		at += n;
		len -= (size_t)n;
	}
	return 1;
}

int guest_read(int fd, void *p, size_t len)
{
	uint8_t *at = p;

	while (len > 0) {
		ssize_t n = read(fd, at, len);

		if (n <= 0)
			return 0;
		at += n;
		len -= (size_t)n;
	}
	return 1;
}

/* ---- The start ---- */

static void read_orders(void)
{
	static char text[128];
	const char *orders = getenv("HOSTILE");
	char *colon;

	if (!orders || strlen(orders) >= sizeof(text))
		return;
	memcpy(text, orders, strlen(orders));
	what = text;
	colon = strchr(text, ':');
	if (!colon)
		return;
	*colon = '\0';
	when = colon + 1;
}

int main(void)
{
	sigset_t orders;

	setvbuf(stdout, NULL, _IONBF, 0);
	(void)sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	sigemptyset(&orders);
	sigaddset(&orders, SIGUSR1);
	sigprocmask(SIG_BLOCK, &orders, NULL);
	(void)mount("proc", "/proc", "proc", 0, NULL);
	(void)mount("sys", "/sys", "sysfs", 0, NULL);
	read_orders();
	load_modules();
	if (strcmp(what, "rings") == 0)
		guest_torture_rings(strtoull(when, NULL, 0), TORTURE_S);
	listen_on(AGENT_PORT);
	listen_on(LOG_PORT);
	while (sigwaitinfo(&orders, NULL) < 0)
		;
	guest_torture_rings(strtoull(when, NULL, 0), TORTURE_S);
	sleep_for_ever();
}
