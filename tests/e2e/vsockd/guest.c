/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest of the vsockd tests: /init of an initrd, static. Loads the modules in
 * /lib/modules/load and then serves vsock streams, a child for each:
 *
 *	port 5000	echoes until its end, then closes
 *	port 5001	counts and sums bytes until their end, then answers "COUNT SUM\n"
 *	port 5002	reads "COUNT\n" and sends that many bytes of the pattern
 *	port 5003	reads "PORT\n", connects to that port of the host, sends "hello from the
 *guest\n" and half-closes there, and copies what comes back, or "ERRNO\n", to its client port 5004
 *discards bytes until their end, then answers "COUNT\n"
 *
 * Prints "ready" on the console when it listens.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "../guest_modules.h"

enum { ECHO = 5000, SINK, SOURCE, DIAL, DISCARD, N_PORTS = 5 };
enum { CHUNK = 256 << 10 };

static uint8_t bytes[CHUNK];

static int socket_to(unsigned cid, unsigned port, int listening)
{
	struct sockaddr_vm a = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0), r;

	r = listening ? bind(fd, (struct sockaddr *)&a, sizeof(a))
		      : connect(fd, (struct sockaddr *)&a, sizeof(a));
	if (r == 0 && listening)
		r = listen(fd, 128);
	return r == 0 ? fd : -1;
}

static int write_all(int fd, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static void copy(int from, int to)
{
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		if (write_all(to, bytes, (size_t)n) < 0)
			return;
}

/* FNV-1a. */
static uint64_t sum(uint64_t h, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void sink(int fd)
{
	uint64_t count = 0, h = UINT64_C(0xcbf29ce484222325);
	char line[64];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		h = sum(h, bytes, (size_t)n);
		count += (uint64_t)n;
	}
	n = snprintf(line, sizeof(line), "%llu %llx\n", (unsigned long long)count,
		(unsigned long long)h);
	(void)write_all(fd, line, (size_t)n);
}

static unsigned long read_number(int fd)
{
	char line[32] = "";

	for (size_t i = 0; i < sizeof(line) - 1 && read(fd, line + i, 1) == 1; i++)
		if (line[i] == '\n')
			break;
	return strtoul(line, NULL, 10);
}

/* The pattern has a period of 251, so no shift by a power of two goes unseen. */
static void source(int fd)
{
	unsigned long left = read_number(fd), at = 0;

	while (left > 0) {
		size_t n = left < sizeof(bytes) ? left : sizeof(bytes);

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)((at + i) % 251);
		if (write_all(fd, bytes, n) < 0)
			return;
		at += n;
		left -= n;
	}
}

static void dial(int fd)
{
	static const char hello[] = "hello from the guest\n";
	int host = socket_to(VMADDR_CID_HOST, (unsigned)read_number(fd), 0);
	char line[32];

	if (host < 0) {
		(void)write_all(fd, line, (size_t)snprintf(line, sizeof(line), "%d\n", errno));
		return;
	}
	(void)write_all(host, hello, sizeof(hello) - 1);
	shutdown(host, SHUT_WR);
	copy(host, fd);
}

static void discard(int fd)
{
	uint64_t count = 0;
	char line[32];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		count += (uint64_t)n;
	n = snprintf(line, sizeof(line), "%llu\n", (unsigned long long)count);
	(void)write_all(fd, line, (size_t)n);
}

static void serve(unsigned port, int fd)
{
	switch (port) {
	case ECHO:
		copy(fd, fd);
		break;
	case SINK:
		sink(fd);
		break;
	case SOURCE:
		source(fd);
		break;
	case DIAL:
		dial(fd);
		break;
	default:
		discard(fd);
		break;
	}
}

static void listen_on(unsigned port)
{
	int fd = socket_to(VMADDR_CID_ANY, port, 1), client;

	if (fd < 0)
		printf("listen on %u: %s\n", port, strerror(errno));
	if (fork() != 0)
		return;
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			close(fd);
			serve(port, client);
			_exit(0);
		}
		close(client);
	}
	printf("accept on %u: %s\n", port, strerror(errno));
	_exit(1);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	(void)sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	load_modules();
	for (unsigned i = 0; i < N_PORTS; i++)
		listen_on(ECHO + i);
	printf("ready\n");
	for (;;)
		pause();
}
