/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's methods, through its real server and table: requests with any content, in any order,
 * while jobs and launches end well or badly. It is a dry run (dry_agent.h) in namespaces of its own
 * (confine.h).
 *
 * Input: steps of a byte. One of a method's number is followed by the length of its request (two
 * bytes, little endian) and the request; others are events, see struct event.
 *
 * Whatever comes: each answer is a decodable response with a status, printable where it is text;
 * only processes of the agent's own are signalled; and when the peer has left and the sandbox is
 * destroyed, no container, storage, job, memory or descriptor is left.
 */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/rpc.h"
#include "base/utf8.h"
#include "confine.h"
#include "dry_agent.h"
#include "ttrpc.pb-c.h"
#include "wire/frames.h"
#include "wire/message.h"

/* Seeds name them by their place: new ones come last. */
static const char *const names[] = {"Check", "Version", "CreateSandbox", "DestroySandbox",
	"CreateContainer", "StartContainer", "RemoveContainer", "ExecProcess", "SignalProcess",
	"WaitProcess", "WriteStdin", "ReadStdout", "ReadStderr", "CloseStdin", "TtyWinResize",
	"GetGuestDetails", "SetGuestDateTime", "ReseedRandomDev", "UpdateContainer",
	"UpdateEphemeralMounts", "StatsContainer", "PauseContainer", "ResumeContainer",
	"RemoveStaleVirtiofsShareMounts", "GetDiagnosticData", "UpdateInterface", "UpdateRoutes",
	"ListInterfaces", "ListRoutes", "AddARPNeighbors", "GetIPTables", "SetIPTables",
	"GetMetrics", "MemAgentMemcgSet", "MemAgentCompactSet", "OnlineCPUMem", "MemHotplugByProbe",
	"CopyFile", "GetOOMEvent", "AddSwap", "AddSwapPath", "GetVolumeStats", "ResizeVolume",
	"SetPolicy"};

enum { MAX_ROUNDS = 10000 };

struct world {
	struct agent *agent;
	struct frames peer;
	uint32_t stream;
};

static const struct ttrpc_method *find_method(const char *name)
{
	for (size_t i = 0; i < rpc_n_methods; i++)
		if (strcmp(rpc_methods[i].method, name) == 0)
			return &rpc_methods[i];
	abort();
}

static struct options options;
static int null_fd;

static void set_up_once(void)
{
	static bool is_done;

	if (is_done)
		return;
	is_done = true;
	/* As main does. */
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	assert(ARRAY_SIZE(names) == rpc_n_methods);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)find_method(names[i]);
	options_init(&options);
	snprintf(options.server_addr, sizeof(options.server_addr), "unix:///run/fuzz.sock");
	snprintf(options.run_dir, sizeof(options.run_dir), "/run/kata-containers");
	(void)mkdir(options.run_dir, 0711);
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	log_init(&(struct log_config){.level = LOG_CRIT, .name = "", .source = "", .fd = -1});
}

/* Where the job that creates a sandbox leaves its namespaces. */
static void make_namespaces(void)
{
	static const char *const paths[] = {
		"/run/kata-containers/ns-ipc", "/run/kata-containers/ns-uts"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		close_fd(open(paths[i], O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void connect_peer(struct world *w)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ||
		ttrpc_server_add(w->agent->server, fds[0]) < 0)
		abort();
	frames_init(&w->peer, fds[1]);
	w->stream = 1;
}

static void open_world(struct world *w)
{
	struct err err = ERR_INIT;

	/* Its records go through the formatter, and then nowhere. */
	log_set_level(LOG_CRIT);
	if (agent_new(&options, false, &w->agent, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	log_set_fd(null_fd);
	log_set_level(LOG_TRACE);
	make_namespaces();
	connect_peer(w);
}

static void check_text(const char *text)
{
	for (size_t i = 0, len = strlen(text); i < len;) {
		size_t n = utf8_sequence(text + i, len - i);

		assert(n > 0 && (uint8_t)text[i] >= ' ');
		i += n;
	}
}

static void check_response(const struct ttrpc_header *h, struct slice payload)
{
	const Ttrpc__Response *response;
	ProtobufCMessage *msg;

	assert(h->type == TTRPC_RESPONSE && !h->flags);
	if (message_decode(&ttrpc__response__descriptor, payload, NULL, &msg, NULL) < 0)
		abort();
	response = (const Ttrpc__Response *)msg;
	assert(response->status && response->status->code <= 16);
	assert(response->status->code == 0 || *response->status->message);
	if (response->status->message)
		check_text(response->status->message);
	message_free(msg, NULL);
}

/* Rounds of the loop until nothing more comes. False: the server has hung up. */
static bool run(struct world *w)
{
	struct ttrpc_header h;
	struct slice payload;
	int r;

	for (int i = 0; i < 4; i++)
		if (loop_run_once(w->agent->loop, 0) < 0)
			abort();
	do {
		while (frames_next(&w->peer, &h, &payload) != FRAME_NONE)
			check_response(&h, payload);
		r = frames_fill(&w->peer);
	} while (r > 0);
	return r == -EAGAIN;
}

static void send_request(struct world *w, const char *name, struct slice payload)
{
	const struct ttrpc_method *method = find_method(name);
	Ttrpc__Request request = TTRPC__REQUEST__INIT;

	request.service = message_text(method->service);
	request.method = message_text(method->method);
	request.has_payload = 1;
	request.payload = (ProtobufCBinaryData){payload.len, (uint8_t *)(uintptr_t)payload.p};
	if (frames_begin(&w->peer) < 0 || message_encode(&request.base, &w->peer.out) < 0 ||
		frames_end(&w->peer, w->stream, TTRPC_REQUEST) < 0)
		abort();
	w->stream += 2;
	while (frames_flush(&w->peer) == 0 && frames_unsent(&w->peer) > 0)
		if (!run(w))
			break;
}

static void leave(struct world *w)
{
	frames_fini(&w->peer);
	for (int i = 0; i < 4; i++)
		if (loop_run_once(w->agent->loop, 0) < 0)
			abort();
}

enum event { JOB_DONE, JOB_FAILED, LAUNCHED, LAUNCH_FAILED, EXITED, KILLED, LEAVES, EVENT_COUNT };

/* byte: the kind of event, and which of those that could end. */
static void let_happen(struct world *w, uint8_t byte)
{
	size_t n = byte / EVENT_COUNT;

	switch ((enum event)(byte % EVENT_COUNT)) {
	case JOB_DONE:
	case JOB_FAILED:
		(void)dry_end_job(n, byte % EVENT_COUNT == JOB_DONE);
		break;
	case LAUNCHED:
	case LAUNCH_FAILED:
		(void)dry_end_launch(n, byte % EVENT_COUNT == LAUNCHED);
		break;
	case EXITED:
		(void)dry_end_process(n, (int)(n % 4) << 8);
		break;
	case KILLED:
		(void)dry_end_process(n, 9);
		break;
	case LEAVES:
	case EVENT_COUNT:
		leave(w);
		connect_peer(w);
	}
}

static void play(struct world *w, struct slice in)
{
	while (in.len > 0) {
		uint8_t step = in.p[0];
		size_t len;

		in = slice_of(in.p + 1, in.len - 1);
		if (step >= ARRAY_SIZE(names)) {
			let_happen(w, (uint8_t)(step - ARRAY_SIZE(names)));
		} else if (in.len >= 2) {
			len = in.p[0] | (size_t)in.p[1] << 8;
			in = slice_of(in.p + 2, in.len - 2);
			len = len < in.len ? len : in.len;
			send_request(w, names[step], slice_of(in.p, len));
			in = slice_of(in.p + len, in.len - len);
		}
		if (!run(w)) {
			leave(w);
			connect_peer(w);
		}
	}
}

/* One way or the other everything that is under way ends. */
static void drain(struct world *w)
{
	for (int i = 0; i < MAX_ROUNDS; i++) {
		if (loop_run_once(w->agent->loop, 0) < 0)
			abort();
		if (!dry_end_job(0, true) && !dry_end_launch(0, true) && !dry_end_process(0, 0))
			return;
	}
	abort();
}

static void close_world(struct world *w)
{
	struct agent *agent = w->agent;

	leave(w);
	drain(w);
	if (agent->sandbox.state != SANDBOX_DESTROYING && sandbox_destroy(agent, NULL) < 0)
		abort();
	drain(w);
	assert(agent->sandbox.containers.n_entries == 0 && agent->sandbox.storages.n_entries == 0);
	assert(ttrpc_server_is_idle(agent->server));
	agent_free(agent);
	assert(dry_is_idle());
}

/* The lowest descriptor that is free. */
static int free_fd(void)
{
	int fd = dup(null_fd);

	(void)close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.stream = 1};
	int fd;

	set_up_once();
	fd = free_fd();
	open_world(&w);
	play(&w, slice_of(data, size));
	close_world(&w);
	assert(free_fd() == fd);
	return 0;
}
