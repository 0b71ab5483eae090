/* SPDX-License-Identifier: Apache-2.0 */
/* The management endpoint, asked over its socket, with a guest that runs on the same loop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "csi.pb-c.h"
#include "guest_rig.h"
#include "runtime/management.h"
#include "wire/message.h"

struct fixture {
	struct guest_rig rig;
	struct hypervisor hv;
	struct management *management;
	char path[80];
	bool fails;
	struct ttrpc_call *parked;
	bool parks;
};

/* ---- The guest ---- */

static bool refuse(struct fixture *f, struct ttrpc_call *call)
{
	struct err err = ERR_INIT;

	if (!f->fails)
		return false;
	err_set(&err, ENOENT, "no such program");
	ttrpc_call_fail(call, &err);
	return true;
}

static void on_metrics(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__Metrics reply = GRPC__METRICS__INIT;
	char text[] = "kata_guest_load 1\n";
	struct fixture *f = user;

	(void)request;
	reply.metrics = text;
	if (f->parks)
		f->parked = call;
	else if (!refuse(f, call))
		ttrpc_call_reply(call, &reply.base);
}

static void on_get_tables(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	const Grpc__GetIPTablesRequest *r = (const void *)request;
	Grpc__GetIPTablesResponse reply = GRPC__GET_IPTABLES_RESPONSE__INIT;
	uint8_t four[] = "*four\n", six[] = "*six\n";

	if (refuse(user, call))
		return;
	reply.has_data = 1;
	reply.data.data = r->is_ipv6 ? six : four;
	reply.data.len = strlen((char *)reply.data.data);
	ttrpc_call_reply(call, &reply.base);
}

static void on_set_tables(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	const Grpc__SetIPTablesRequest *r = (const void *)request;
	Grpc__SetIPTablesResponse reply = GRPC__SET_IPTABLES_RESPONSE__INIT;

	(void)user;
	assert_true(r->is_ipv6);
	reply.has_data = 1;
	reply.data = r->data;
	ttrpc_call_reply(call, &reply.base);
}

static void on_stats(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	const Grpc__VolumeStatsRequest *r = (const void *)request;
	Grpc__VolumeStatsResponse reply = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Grpc__VolumeUsage usage = GRPC__VOLUME_USAGE__INIT, *usages[] = {&usage};
	Grpc__VolumeCondition condition = GRPC__VOLUME_CONDITION__INIT;
	char message[] = "say \"hi\"";

	(void)user;
	assert_string_equal(r->volume_guest_path, "/run/a volume");
	MESSAGE_SET(&usage, available, 1);
	MESSAGE_SET(&usage, total, UINT64_MAX);
	MESSAGE_SET(&usage, used, 2);
	MESSAGE_SET(&usage, unit, GRPC__VOLUME_USAGE__UNIT__BYTES);
	condition.message = message;
	reply.usage = usages;
	reply.n_usage = 1;
	reply.volume_condition = &condition;
	ttrpc_call_reply(call, &reply.base);
}

static void on_resize(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	const Grpc__ResizeVolumeRequest *r = (const void *)request;

	(void)user;
	assert_string_equal(r->volume_guest_path, "/v");
	assert_int_equal(r->size, 5 << 20);
	ttrpc_call_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {
	GUEST_METHOD("GetMetrics", get_metrics_request, on_metrics),
	GUEST_METHOD("GetIPTables", get_iptables_request, on_get_tables),
	GUEST_METHOD("SetIPTables", set_iptables_request, on_set_tables),
	GUEST_METHOD("GetVolumeStats", volume_stats_request, on_stats),
	GUEST_METHOD("ResizeVolume", resize_volume_request, on_resize),
};

/* ---- The client ---- */

static const char *agent_address(const struct hypervisor *hv)
{
	(void)hv;
	return "vsock://3:1024";
}

static int set_up(void **state)
{
	static const struct hypervisor_ops ops = {.agent_address = agent_address};
	struct fixture *f = calloc(1, sizeof(*f));
	struct management_config config = {.path = f->path, .hv = &f->hv, .vmm_pid = getpid()};

	guest_rig_init(&f->rig, methods, ARRAY_SIZE(methods), f);
	f->hv.ops = &ops;
	snprintf(f->path, sizeof(f->path), "%s/monitor", f->rig.dir);
	config.agent = f->rig.agent;
	assert_int_equal(management_new(f->rig.loop, &config, &f->management, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	management_free(f->management);
	assert_int_equal(access(f->path, F_OK), -1);
	guest_rig_fini(&f->rig);
	free(f);
	return 0;
}

static int dial(struct fixture *f, const char *request)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	return fd;
}

/* The whole answer; the request has to ask for the connection's end. */
static void converse(struct fixture *f, const char *request, struct buf *answer)
{
	auto_fd int fd = dial(f, request);

	buf_clear(answer);
	for (;;) {
		uint8_t *p = buf_reserve(answer, 4096);
		ssize_t n = read(fd, p, 4096);

		if (n == 0)
			return;
		if (n > 0)
			buf_commit(answer, (size_t)n);
		else
			assert_int_equal(loop_run_once(f->rig.loop, NS_PER_S), 0);
	}
}

#define LAST "Connection: close\r\n"
#define ASK(method, path) method " " path " HTTP/1.1\r\n" LAST "\r\n"

static void assert_holds(const struct buf *b, const char *text)
{
	if (!strstr(buf_str(b), text))
		fail_msg("no \"%s\" in: %s", text, buf_str(b));
}

/* ---- Tests ---- */

static void each_url_has_its_answer(void **state)
{
	static const struct {
		const char *request, *status, *text;
	} cases[] = {
		{ASK("GET", "/agent-url"), " 200 ", "\r\n\r\nvsock://3:1024"},
		{ASK("GET", "/iptables"), " 200 ", "\r\n\r\n*four\n"},
		{ASK("GET", "/ip6tables"), " 200 ", "\r\n\r\n*six\n"},
		{"PUT /ip6tables HTTP/1.1\r\n" LAST "Content-Length: 4\r\n\r\n*new", " 200 ",
			"\r\n\r\n*new"},
		{ASK("GET", "/direct-volume/stats?path=%2Frun%2Fa%20volume"), " 200 ",
			"{\"usage\":[{\"available\":1,\"total\":18446744073709551615,\"used\":2,"
			"\"unit\":1}],\"volume_condition\":{\"abnormal\":false,\"message\":\"say "
			"\\\"hi\\\"\"}}"},
		{ASK("POST", "/direct-volume/stats?path=/run/a%20volume"), " 200 ", "\"usage\""},
		{ASK("GET", "/direct-volume/stats"), " 400 ", "path=GUEST_PATH"},
		{ASK("GET", "/direct-volume/stats?path=%00"), " 400 ", "path=GUEST_PATH"},
		{"POST /direct-volume/resize HTTP/1.1\r\n" LAST "Content-Length: 44\r\n\r\n"
		 "{\"volume_guest_path\": \"/v\", \"size\": 5242880}",
			" 200 ", "Content-Length: 0"},
		{"POST /direct-volume/resize HTTP/1.1\r\n" LAST "Content-Length: 19\r\n\r\n"
		 "{\"volume_path\": \"\"}\n",
			" 400 ", "volume_path"},
		{ASK("PUT", "/metrics"), " 405 ", ""},
		{ASK("DELETE", "/iptables"), " 405 ", ""},
		{ASK("GET", "/"), " 404 ", "URL NOT FOUND"},
		{ASK("GET", "/metrics/"), " 404 ", "URL NOT FOUND"},
	};
	struct fixture *f = *state;
	auto_buf struct buf answer = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		converse(f, cases[i].request, &answer);
		assert_holds(&answer, cases[i].status);
		assert_holds(&answer, cases[i].text);
	}
}

static void metrics_are_of_all_three(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf answer = BUF_INIT;

	converse(f, ASK("GET", "/metrics"), &answer);
	assert_holds(&answer, "text/plain; version=0.0.4");
	assert_holds(&answer, "\nkata_shim_threads 1\n");
	assert_holds(&answer, "\nkata_shim_proc_status{item=\"rssanon\"} ");
	assert_holds(&answer, "\nkata_hypervisor_netdev{interface=\"lo\",item=\"recv_bytes\"} ");
	assert_holds(&answer, "\nkata_hypervisor_proc_stat{item=\"utime\"} ");
	assert_holds(&answer, "\nkata_shim_io_stat{item=\"rchar\"} ");
	assert_holds(&answer, "\nkata_shim_fds ");
	assert_holds(&answer, "\nkata_guest_load 1\n");
}

static void a_guest_that_fails_is_told_of(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf answer = BUF_INIT;

	f->fails = true;
	converse(f, ASK("GET", "/iptables"), &answer);
	assert_holds(&answer, " 500 ");
	assert_holds(&answer, "no such program");
	converse(f, ASK("GET", "/metrics"), &answer);
	assert_holds(&answer, " 200 ");
	assert_holds(&answer, "\nkata_shim_threads 1\n");
}

static void a_guest_that_is_gone_is_told_of(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf answer = BUF_INIT;

	guest_hang_up(&f->rig);
	run_until(&f->rig, &f->rig.n_lost, 1);
	converse(f, ASK("GET", "/iptables"), &answer);
	assert_holds(&answer, " 503 ");
}

static void a_client_that_leaves_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int fd;

	f->parks = true;
	fd = dial(f, ASK("GET", "/metrics"));
	settle(&f->rig);
	assert_non_null(f->parked);
	close(fd);
	settle(&f->rig);
	err_set(&err, EIO, "late");
	ttrpc_call_fail(f->parked, &err);
	settle(&f->rig);
}

static void the_socket_is_its_owner_s(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_url_has_its_answer),
		TEST(metrics_are_of_all_three),
		TEST(a_guest_that_fails_is_told_of),
		TEST(a_guest_that_is_gone_is_told_of),
		TEST(a_client_that_leaves_is_forgotten),
		TEST(the_socket_is_its_owner_s),
	};

	return cmocka_run_group_tests_name("management", tests, NULL, NULL);
}
