/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte chooses: an address as text, or what a hybrid vsock device answers (each byte of
 * 0xff in it is a pause, so that the answer comes in pieces).
 */
#include <sys/socket.h>

#include <stdio.h>

#include "base/clock.h"
#include "base/io.h"
#include "wire/address.h"
#include "wire/dial.h"

static int listen_fd = -1;
static char hybrid_address[64];

static void fuzz_address(struct slice text)
{
	auto_free char *s = NULL;
	struct address a;
	struct err err = ERR_INIT;

	if (slice_to_cstr(text, 4096, &s) < 0)
		return;
	if (address_parse(s, &a, &err) == 0 ? a.sa_len > sizeof(a.sa) : err.code != EINVAL)
		abort();
}

static void on_dialled(void *data, int fd, const struct err *err)
{
	bool *done = data;

	if ((fd >= 0) == (err != NULL))
		abort();
	close_fd(fd);
	*done = true;
}

static void answer(struct loop *loop, int fd, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		/* Hung up on already: nothing to see. */
		if (text.p[i] != 0xff)
			(void)!send(fd, text.p + i, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		else if (loop_run_once(loop, 0) < 0)
			abort();
	}
}

static void fuzz_answer(struct slice text)
{
	const struct dial_config config = {.address = hybrid_address,
		.retry_ns = INT64_MAX,
		.deadline_ns = INT64_MAX,
		.attempt_ns = INT64_MAX};
	struct loop *loop;
	struct dial *dial;
	bool done = false;
	int fd;

	if (loop_new(&loop) < 0 || dial_start(loop, &config, on_dialled, &done, &dial, NULL) < 0)
		abort();
	/* The first round connects, the second sees that it is connected. */
	if (loop_run_once(loop, 0) < 0 || loop_run_once(loop, 0) < 0)
		abort();
	fd = accept(listen_fd, NULL, NULL);
	if (fd < 0)
		abort();
	answer(loop, fd, text);
	close(fd);
	while (!done)
		if (loop_run_once(loop, -1) < 0)
			abort();
	loop_free(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char address[64];

	if (listen_fd < 0) {
		snprintf(address, sizeof(address), "unix://@fuzz_dial.%d", (int)getpid());
		listen_fd = dial_listen(address, NULL);
		if (listen_fd < 0 || io_set_nonblock(listen_fd, false) < 0)
			abort();
		snprintf(hybrid_address, sizeof(hybrid_address), "hvsock://@fuzz_dial.%d:1024",
			(int)getpid());
	}
	if (size == 0)
		return 0;
	if (data[0] % 2)
		fuzz_address(slice_of(data + 1, size - 1));
	else
		fuzz_answer(slice_of(data + 1, size - 1 < 512 ? size - 1 : 512));
	return 0;
}
