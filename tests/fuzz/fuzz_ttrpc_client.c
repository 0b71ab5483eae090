/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client with three calls in flight and a server that sends the input. The first byte says how:
 * bit 0, as it is, or cut into responses (a stream, a length and the response's bytes each); the
 * rest, in how many pieces. Each call must be called back once, whatever comes.
 */
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "wire/message.h"
#include "wire/ttrpc.h"
#include "wire/ttrpc_client.h"

enum { N_CALLS = 3 };

static unsigned n_back[N_CALLS], n_closed;

static void on_reply(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	unsigned *n = data;

	if (++*n > 1 || (reply && err) || (err && !err_is_set(err)) || n_closed)
		abort();
}

static void on_closed(void *data, const struct err *why)
{
	(void)data;
	if (++n_closed > 1 || why->code != ECONNRESET)
		abort();
}

static void make_responses(struct slice in, struct buf *out)
{
	while (in.len >= 2) {
		size_t len = in.p[1] < in.len - 2 ? in.p[1] : in.len - 2;
		const struct ttrpc_header h = {
			.len = (uint32_t)len, .stream = in.p[0] % 8, .type = TTRPC_RESPONSE};
		uint8_t header[TTRPC_HEADER_SIZE];

		ttrpc_header_encode(&h, header);
		if (buf_append(out, header, sizeof(header)) < 0 ||
			buf_append(out, in.p + 2, len) < 0)
			abort();
		in = slice_of(in.p + 2 + len, in.len - 2 - len);
	}
}

static void start_calls(struct ttrpc_client *client)
{
	static const ProtobufCMessageDescriptor *const replies[N_CALLS] = {
		&grpc__wait_process_response__descriptor,
		&grpc__stats_container_response__descriptor, NULL};
	Grpc__WaitProcessRequest request = GRPC__WAIT_PROCESS_REQUEST__INIT;

	for (unsigned i = 0; i < N_CALLS; i++) {
		n_back[i] = 0;
		if (ttrpc_client_call(client, "grpc.AgentService", "WaitProcess", &request.base, 0,
			    replies[i], on_reply, &n_back[i], NULL) < 0)
			abort();
	}
	n_closed = 0;
}

static void run(struct loop *loop)
{
	if (loop_run_once(loop, 0) < 0)
		abort();
}

static void send_pieces(struct loop *loop, int fd, struct slice bytes, size_t piece)
{
	while (bytes.len && !n_closed) {
		size_t want = bytes.len < piece ? bytes.len : piece;
		ssize_t n = send(fd, bytes.p, want, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			bytes = slice_of(bytes.p + n, bytes.len - (size_t)n);
		run(loop);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf responses = BUF_INIT;
	struct ttrpc_client *client;
	struct slice bytes;
	struct loop *loop;
	int fds[2];

	if (size == 0)
		return 0;
	bytes = slice_of(data + 1, size - 1);
	if (data[0] & 1) {
		make_responses(bytes, &responses);
		bytes = buf_slice(&responses);
	}
	if (loop_new(&loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
		ttrpc_client_new(loop, fds[1], on_closed, NULL, &client) < 0)
		abort();
	start_calls(client);
	send_pieces(loop, fds[0], bytes, bytes.len / (1 + data[0] / 8) + 1);
	close(fds[0]);
	for (int i = 0; i < 3; i++)
		run(loop);
	for (unsigned i = 0; i < N_CALLS; i++)
		if (n_back[i] != 1)
			abort();
	if (n_closed != 1)
		abort();
	ttrpc_client_free(client);
	loop_free(loop);
	return 0;
}
