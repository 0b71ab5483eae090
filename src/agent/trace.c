/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/trace.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agent/port.h"
#include "agent/trace_span.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/dial.h"

/* Longer than it takes a host to answer, or to refuse. */
#define CONNECT_NS (5 * NS_PER_S)

struct trace {
	struct loop *loop;
	char address[PORT_ADDRESS_SIZE];
	struct dial *dial; /* NULL: connected, or nothing to send */
	int fd;		   /* owned; -1: not connected */
	struct source *connection;
	struct buf unsent;  /* frames */
	size_t n_lost;	    /* spans, since the last one that could be queued */
	bool is_told;	    /* that the forwarder is not there */
	struct trace_id id; /* of the agent's own trace */
	uint64_t root;	    /* its span */
	uint64_t seed;
	int64_t start_ns;
};

static int64_t to_real(int64_t monotonic_ns)
{
	return clock_real_ns() - (clock_now_ns() - monotonic_ns);
}

/* Spreads the bits (splitmix64); never 0, which is no identifier. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return x ? x : 1;
}

/* The same at every step of the call, without having to be kept: no other call was at that place at
 * that time. */
static uint64_t id_of_call(const struct trace *trace, const struct ttrpc_call *call)
{
	uint64_t at = (uint64_t)(uintptr_t)call, since = (uint64_t)ttrpc_call_received_ns(call);

	return mix(trace->seed ^ mix(at ^ mix(since)));
}

static void disconnect(struct trace *trace)
{
	source_free(take_ptr(&trace->connection));
	close_fd(take_fd(&trace->fd));
}

/* The connection is no use; what waits for it is lost. */
static void lose_all(struct trace *trace, const char *why)
{
	disconnect(trace);
	if (buf_len(&trace->unsent) == 0)
		return;
	buf_fini(&trace->unsent);
	/* Once in a row: without a forwarder this comes with every span. */
	if (!trace->is_told)
		log_printf(LOG_WARN, "tracing", "spans are lost: %s: %s", trace->address, why);
	trace->is_told = true;
}

static void flush(struct trace *trace)
{
	while (buf_len(&trace->unsent) > 0) {
		struct slice rest = buf_slice(&trace->unsent);
		ssize_t n = send(trace->fd, rest.p, rest.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			lose_all(trace, strerror(errno));
			return;
		}
		buf_consume(&trace->unsent, (size_t)n);
	}
	if (source_set_events(trace->connection,
		    buf_len(&trace->unsent) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN) < 0)
		lose_all(trace, "out of memory");
}

static void on_connection(void *data, int fd, uint32_t events)
{
	struct trace *trace = data;
	uint8_t ignored[256];

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		ssize_t n = recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT);

		/* It has nothing to tell us but that it leaves. */
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			lose_all(trace, "the forwarder has gone");
			return;
		}
	}
	if (events & EPOLLOUT)
		flush(trace);
}

static void on_dialled(void *data, int fd, const struct err *err)
{
	struct trace *trace = data;
	int r;

	trace->dial = NULL;
	if (fd < 0) {
		lose_all(trace, err->msg);
		return;
	}
	trace->fd = fd;
	r = loop_add_io(trace->loop, fd, EPOLLIN, on_connection, trace, &trace->connection);
	if (r < 0) {
		lose_all(trace, strerror(-r));
		return;
	}
	trace->is_told = false;
	flush(trace);
}

static void connect_or_flush(struct trace *trace)
{
	struct err err = ERR_INIT;
	int64_t deadline_ns = clock_now_ns() + CONNECT_NS;
	struct dial_config config = {.address = trace->address,
		.retry_ns = CONNECT_NS,
		.deadline_ns = deadline_ns,
		.attempt_ns = CONNECT_NS};

	if (trace->dial)
		return;
	if (trace->fd >= 0)
		flush(trace);
	else if (dial_start(trace->loop, &config, on_dialled, trace, &trace->dial, &err) < 0)
		lose_all(trace, err.msg);
}

static void emit(struct trace *trace, const struct trace_span *span)
{
	struct trace_span without = *span;
	int r = buf_len(&trace->unsent) < TRACE_MAX_UNSENT ? trace_span_encode(span, &trace->unsent)
							   : -ENOBUFS;

	/* Texts of hosts are in errors. */
	if (r == -EILSEQ) {
		without.error = span->error ? "not UTF-8" : NULL;
		memset(without.attributes, 0, sizeof(without.attributes));
		r = trace_span_encode(&without, &trace->unsent);
	}
	if (r < 0) {
		if (trace->n_lost++ == 0)
			log_printf(LOG_WARN, "tracing", "spans are lost: %s", strerror(-r));
		return;
	}
	if (trace->n_lost > 0)
		log_printf(LOG_WARN, "tracing", "%zu spans were lost", trace->n_lost);
	trace->n_lost = 0;
	connect_or_flush(trace);
}

/* Whose trace the call belongs to; false: it is not to be traced. */
static bool find_context(
	const struct trace *trace, const struct ttrpc_call *call, struct trace_context *ret)
{
	const char *parent = ttrpc_call_metadata(call, "traceparent");

	if (!parent || !trace_context_parse(parent, ret))
		*ret = (struct trace_context){
			.trace = trace->id, .parent = trace->root, .is_sampled = true};
	return ret->is_sampled;
}

void trace_call(struct trace *trace, const struct ttrpc_call *call, const char *text)
{
	const struct ttrpc_method *method = ttrpc_call_method(call);
	struct trace_context context;
	char name[TRACE_NAME_SIZE];

	if (!trace_name_call(method, name) || !find_context(trace, call, &context))
		return;
	emit(trace, &(struct trace_span){
			    .trace = context.trace,
			    .id = id_of_call(trace, call),
			    .parent = context.parent,
			    .kind = "Server",
			    .name = name,
			    .from_ns = to_real(ttrpc_call_received_ns(call)),
			    .to_ns = clock_real_ns(),
			    .attributes = {{"rpc.service", method->service},
				    {"rpc.method", method->method}},
			    .error = text,
		    });
}

void trace_step(struct trace *trace, const struct ttrpc_call *call, const char *what,
	const char *id, int64_t from_ns)
{
	struct trace_context context;
	char name[TRACE_NAME_SIZE];

	if (!trace_name_call(ttrpc_call_method(call), name) || !find_context(trace, call, &context))
		return;
	emit(trace, &(struct trace_span){
			    .trace = context.trace,
			    .id = mix(id_of_call(trace, call) ^ (uint64_t)clock_now_ns()),
			    .parent = id_of_call(trace, call),
			    .kind = "Internal",
			    .name = what,
			    .from_ns = to_real(from_ns),
			    .to_ns = clock_real_ns(),
			    .attributes = {{id ? "id" : NULL, id}},
		    });
}

static int choose_ids(struct trace *trace)
{
	uint64_t random[4];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	trace->id = (struct trace_id){.high = mix(random[0]), .low = random[1]};
	trace->root = mix(random[2]);
	trace->seed = random[3];
	return 0;
}

int trace_open(
	struct loop *loop, const struct options *options, struct trace **ret, struct err *err)
{
	struct trace *trace = calloc(1, sizeof(*trace));
	int r;

	if (!trace)
		return err_sys(err, ENOMEM, "tracing");
	*trace = (struct trace){.loop = loop, .fd = -1, .start_ns = clock_now_ns()};
	port_format_host(options, TRACE_PORT, trace->address);
	r = choose_ids(trace);
	if (r < 0) {
		free(trace);
		return err_sys(err, -r, "tracing: random numbers");
	}
	*ret = trace;
	return 0;
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	if (trace->fd >= 0)
		emit(trace, &(struct trace_span){
				    .trace = trace->id,
				    .id = trace->root,
				    .kind = "Internal",
				    .name = "root-span",
				    .from_ns = to_real(trace->start_ns),
				    .to_ns = clock_real_ns(),
			    });
	dial_cancel(trace->dial);
	disconnect(trace);
	buf_fini(&trace->unsent);
	free(trace);
}
