/* SPDX-License-Identifier: Apache-2.0 */
/* Spans, as a trace forwarder reads them. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/trace.h"
#include "base/io.h"
#include "fixture.h"
#include "health.pb-c.h"
#include "text/json.h"
#include "ttrpc.pb-c.h"
#include "wire/ttrpc.h"

#define LIMIT_NS (20 * NS_PER_S)

static int listen_fd = -1, forwarder_fd = -1;

static void open_forwarder(const struct fixture *f)
{
	listen_fd = fixture_listen_port(f, TRACE_PORT);
}

static int set_up_alone(void **state)
{
	return fixture_set_up_with(state, "tracing = true\nlaunch_process_timeout = 60\n");
}

static int set_up(void **state)
{
	int r = set_up_alone(state);

	open_forwarder(*state);
	return r;
}

static int set_up_off(void **state)
{
	int r = fixture_set_up(state);

	open_forwarder(*state);
	return r;
}

static int tear_down(void **state)
{
	close_fd(take_fd(&listen_fd));
	close_fd(take_fd(&forwarder_fd));
	return fixture_tear_down(state);
}

static void accept_agent(void)
{
	struct pollfd p = {.fd = listen_fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 20000), 1);
	forwarder_fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(forwarder_fd >= 0);
}

/* False at the end. */
static bool read_full(void *to, size_t len)
{
	struct pollfd p = {.fd = forwarder_fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 20000), 1);
	return recv(forwarder_fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

struct span {
	char name[64], kind[16], status[16], message[1024], trace[48], id[64];
	uint64_t span_id, parent, from_s, to_s;
};

static void copy(const struct value *table, const char *key, char *to, size_t size)
{
	struct err err = ERR_INIT;
	const char *s;

	if (!value_find(table, key) || value_get_string(value_find(table, key), &s, &err) < 0)
		fail_msg("%s: %s", key, err.msg);
	snprintf(to, size, "%s", s);
}

static uint64_t number(const struct value *table, const char *key)
{
	uint64_t n;

	assert_non_null(value_find(table, key));
	assert_int_equal(value_get_u64(value_find(table, key), 0, UINT64_MAX, &n, NULL), 0);
	return n;
}

/* Our reader takes no numbers of 128 bits: the digits become a string. */
static void cut_trace_id(char *json, struct span *span)
{
	static const char key[] = "\"trace_id\":";
	char *at = strstr(json, key);
	size_t n;

	assert_non_null(at);
	at += strlen(key);
	n = strspn(at, "0123456789");
	assert_true(n > 0 && n < sizeof(span->trace));
	memcpy(span->trace, at, n);
	span->trace[n] = '\0';
	memset(at, ' ', n);
	*at = '0';
}

static void parse_span(const char *json, struct span *span)
{
	auto_document struct document *doc = NULL;
	const struct value *root, *context, *id;
	struct err err = ERR_INIT;

	if (json_parse("span", slice_of_str(json), 1 << 16, &doc, &err) < 0)
		fail_msg("%s", err.msg);
	root = document_root(doc);
	context = value_find(root, "span_context");
	copy(root, "name", span->name, sizeof(span->name));
	copy(root, "span_kind", span->kind, sizeof(span->kind));
	copy(root, "status_code", span->status, sizeof(span->status));
	copy(root, "status_message", span->message, sizeof(span->message));
	span->span_id = number(context, "span_id");
	assert_int_equal(number(context, "trace_flags"), 1);
	span->parent = number(root, "parent_span_id");
	span->from_s = number(value_find(root, "start_time"), "secs_since_epoch");
	span->to_s = number(value_find(root, "end_time"), "secs_since_epoch");
	id = value_find(value_find(value_find(root, "attributes"), "map"), "id");
	span->id[0] = '\0';
	if (id)
		copy(id, "String", span->id, sizeof(span->id));
}

static bool read_span(struct span *span)
{
	uint8_t header[8];
	uint64_t len = 0;
	char *json;

	if (!read_full(header, sizeof(header)))
		return false;
	for (size_t i = 0; i < sizeof(header); i++)
		len = len << 8 | header[i];
	assert_true(len > 0 && len < 1 << 16);
	json = calloc(1, len + 1);
	assert_true(read_full(json, len));
	cut_trace_id(json, span);
	parse_span(json, span);
	free(json);
	return true;
}

static void expect_span(const char *name, struct span *span)
{
	assert_true(read_span(span));
	assert_string_equal(span->name, name);
}

/* A call that has a span, and fails. */
static void call_nothing(struct fixture *f)
{
	assert_int_equal(signal_process(f, "nosuch", "", 0, NULL), WIRE_INVALID_ARGUMENT);
}

static void calls_and_their_steps_become_spans(void **state)
{
	struct container_options o = {.id = "c1", .script = "exit 3"};
	struct fixture *f = *state;
	uint64_t now_s = (uint64_t)(clock_real_ns() / NS_PER_S);
	struct span prepare, step, create, failed;

	assert_int_equal(create_container(f, &o, NULL), 0);
	accept_agent();
	expect_span("prepare container", &prepare);
	expect_span("create container", &step);
	expect_span("create_container", &create);
	assert_string_equal(create.kind, "Server");
	assert_string_equal(create.status, "Unset");
	assert_true(create.parent != 0 && create.span_id != 0);
	assert_true(create.from_s >= now_s && create.from_s <= create.to_s &&
		    create.to_s <= now_s + 30);
	assert_string_equal(step.kind, "Internal");
	assert_string_equal(step.id, "c1");
	assert_true(step.parent == create.span_id && prepare.parent == create.span_id);
	assert_true(step.span_id != prepare.span_id && step.span_id != create.span_id);
	assert_string_equal(step.trace, create.trace);
	call_nothing(f);
	expect_span("signal_process", &failed);
	assert_string_equal(failed.status, "Error");
	assert_string_equal(failed.message, "invalid container id nosuch");
	assert_string_equal(failed.trace, create.trace);
	assert_true(failed.parent == create.parent);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(wait_process(f, "c1", ""), 3);
	expect_span("start container", &step);
	expect_span("start_container", &create);
	expect_span("wait_process", &create);
	assert_string_equal(create.status, "Unset");
}

static int tear_down_and_read_root(void **state)
{
	struct span span;
	int r;

	close_fd(take_fd(&listen_fd));
	r = fixture_tear_down(state);
	expect_span("root-span", &span);
	assert_true(span.parent == 0);
	assert_false(read_span(&span));
	close_fd(take_fd(&forwarder_fd));
	return r;
}

static void the_agents_own_span_is_the_last(void **state)
{
	struct fixture *f = *state;
	struct span span;

	call_nothing(f);
	accept_agent();
	expect_span("signal_process", &span);
}

/* Sends a SignalProcess for a container that is not there. */
static void call_with_context(const struct fixture *f, const char *traceparent)
{
	static char service[] = "grpc.AgentService", method[] = "SignalProcess";
	static char key[] = "traceparent";
	char value[128];
	Ttrpc__KeyValue pair = TTRPC__KEY_VALUE__INIT, *pairs[] = {&pair};
	Ttrpc__Request request = TTRPC__REQUEST__INIT;
	struct ttrpc_header h = {.stream = 1, .type = TTRPC_REQUEST};
	uint8_t bytes[512], reply[1024];
	int fd = fixture_socket(f);

	snprintf(value, sizeof(value), "%s", traceparent);
	pair.key = key;
	pair.value = value;
	request.service = service;
	request.method = method;
	request.metadata = pairs;
	request.n_metadata = 1;
	h.len = (uint32_t)ttrpc__request__pack(&request, bytes + TTRPC_HEADER_SIZE);
	ttrpc_header_encode(&h, bytes);
	assert_int_equal(send(fd, bytes, TTRPC_HEADER_SIZE + h.len, 0), TTRPC_HEADER_SIZE + h.len);
	assert_true(recv(fd, reply, sizeof(reply), 0) > TTRPC_HEADER_SIZE);
	close(fd);
}

static void a_call_is_a_part_of_its_callers_trace(void **state)
{
	struct fixture *f = *state;
	struct span own, span;

	call_nothing(f);
	accept_agent();
	expect_span("signal_process", &own);
	call_with_context(f, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	expect_span("signal_process", &span);
	assert_string_equal(span.trace, "100985939111033328018442752961257817910");
	assert_true(span.parent == UINT64_C(0x00f067aa0ba902b7));
	/* Not sampled: no span. Then one of nonsense. */
	call_with_context(f, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
	call_with_context(f, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz");
	expect_span("signal_process", &span);
	assert_string_equal(span.trace, own.trace);
	assert_true(span.parent == own.parent);
}

static void streams_events_and_health_are_not_traced(void **state)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	struct span span;

	assert_int_equal(call(f, "Check", &check.base, NULL), 0);
	assert_int_equal(read_once(f, "ReadStdout", "c1", "", &out), -WIRE_INVALID_ARGUMENT);
	assert_int_equal(read_once(f, "ReadStderr", "c1", "", &out), -WIRE_INVALID_ARGUMENT);
	assert_int_equal(write_stdin(f, "c1", "", slice_of("x", 1)), WIRE_INTERNAL);
	call_nothing(f);
	accept_agent();
	expect_span("signal_process", &span);
	buf_fini(&out);
}

static bool log_holds(const struct fixture *f, const char *text)
{
	struct buf log = BUF_INIT;
	char path[2 * PATH_SIZE];
	bool holds;

	snprintf(path, sizeof(path), "%s/log", f->dir);
	assert_int_equal(io_read_file(AT_FDCWD, path, 16 << 20, &log), 0);
	holds = strstr(buf_str(&log), text);
	buf_fini(&log);
	return holds;
}

static void a_forwarder_may_come_late_and_go(void **state)
{
	struct fixture *f = *state;
	struct span span;

	for (int i = 0; i < 10; i++)
		call_nothing(f);
	assert_true(log_holds(f, "spans are lost: "));
	open_forwarder(f);
	call_nothing(f);
	accept_agent();
	expect_span("signal_process", &span);
	close_fd(take_fd(&forwarder_fd));
	/* Those that are sent before its end is seen are lost. */
	for (int i = 0; i < 10; i++)
		call_nothing(f);
	accept_agent();
	expect_span("signal_process", &span);
}

static void a_forwarder_that_does_not_read_holds_up_nothing(void **state)
{
	struct fixture *f = *state;
	struct span span;
	size_t before;
	int n = 0;

	call_nothing(f);
	accept_agent();
	before = fixture_agent_memory_kb(f);
	for (int i = 0; i < 3000; i++)
		call_nothing(f);
#ifndef __SANITIZE_ADDRESS__
	/* A buffer grows by doubling, and is copied as it does. */
	assert_true(fixture_agent_memory_kb(f) < before + 2 * TRACE_MAX_UNSENT / 1024 + 300);
#endif
	(void)before;
	assert_true(log_holds(f, "spans are lost: No buffer space available"));
	/* What was kept is whole, and what comes then too. */
	while (n < 3000 && poll(&(struct pollfd){.fd = forwarder_fd, .events = POLLIN}, 1, 300)) {
		expect_span("signal_process", &span);
		n++;
	}
	assert_true(n > 100 && n < 3000);
	call_nothing(f);
	expect_span("signal_process", &span);
	assert_true(log_holds(f, "spans were lost"));
}

static void nothing_is_traced_unless_asked_for(void **state)
{
	struct fixture *f = *state;
	struct pollfd p = {.fd = listen_fd, .events = POLLIN};

	call_nothing(f);
	call_with_context(f, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	assert_int_equal(poll(&p, 1, 100), 0);
}

#define trace_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		trace_test(calls_and_their_steps_become_spans),
		cmocka_unit_test_setup_teardown(
			the_agents_own_span_is_the_last, set_up, tear_down_and_read_root),
		trace_test(a_call_is_a_part_of_its_callers_trace),
		trace_test(streams_events_and_health_are_not_traced),
		cmocka_unit_test_setup_teardown(
			a_forwarder_may_come_late_and_go, set_up_alone, tear_down),
		trace_test(a_forwarder_that_does_not_read_holds_up_nothing),
		cmocka_unit_test_setup_teardown(
			nothing_is_traced_unless_asked_for, set_up_off, tear_down),
	};

	fixture_require();
#ifdef OVER_VSOCK
	fixture_require_vsock();
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
