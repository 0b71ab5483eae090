/* SPDX-License-Identifier: Apache-2.0 */
/* kata-agent-ctl as people run it: against the agent, and against peers that are none. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "ctl.h"
#include "fixture.h"

static void a_container_lives_by_the_tool_alone(void **state)
{
	struct fixture *f = *state;
	char bundle[PATH_SIZE];

	snprintf(bundle, sizeof(bundle), "%.32s/bundle", f->dir);
	ctl_write_bundle(f, bundle, "read line; echo got $line; exit 7");
	ctl_call(f, "connect", "--bundle-dir", bundle, "-c", "CreateSandbox sid=pod", "-c",
		"CreateContainer cid=one", "-c", "StartContainer", "-c",
		"ExecProcess exec_id=e process='{\"args\":[\"sh\",\"-c\",\"echo from exec; exit "
		"3\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"user\":{}}'",
		"-c", "ReadStdout exec_id=e len=100", "-c", "WaitProcess exec_id=e", "-c",
		"WriteStdin data='a line\n'", "-c", "ReadStdout len=100", "-c",
		"WaitProcess {\"container_id\":\"one\"}", "-c", "RemoveContainer");
	ctl_expect(0,
		"CreateSandbox: done\nCreateContainer: done\nStartContainer: done\n"
		"ExecProcess: done\nReadStdout:\n  data: |\n    from exec\n"
		"WaitProcess:\n  status: 3\nWriteStdin:\n  len: 7\n"
		"ReadStdout:\n  data: |\n    got a line\n"
		"WaitProcess:\n  status: 7\nRemoveContainer: done\n",
		"");
	ctl_call(f, "StartContainer", "--container-id", "one");
	assert_int_equal(ctl_last.status, 1);
	assert_string_equal(ctl_last.out, "");
	assert_non_null(strstr(ctl_last.err, "kata-agent-ctl: StartContainer: "));
}

static void a_running_container_is_paused_and_measured(void **state)
{
	struct fixture *f = *state;
	char bundle[PATH_SIZE];

	snprintf(bundle, sizeof(bundle), "%.32s/bundle", f->dir);
	ctl_write_bundle(f, bundle, "sleep 1000");
	ctl_call(f, "connect", "-c", "CreateSandbox", "--bundle-dir", bundle, "-c",
		"CreateContainer cid=one", "-c", "StartContainer", "-c", "PauseContainer", "-c",
		"ResumeContainer", "-c", "UpdateContainer resources={}");
	ctl_expect(0,
		"CreateSandbox: done\nCreateContainer: done\nStartContainer: done\n"
		"PauseContainer: done\nResumeContainer: done\nUpdateContainer: done\n",
		"");
	ctl_call(f, "--json", "StatsContainer", "cid=one");
	assert_int_equal(ctl_last.status, 0);
	assert_int_equal(strncmp(ctl_last.out, "{\"cgroup_stats\":{\"cpu_stats\":{", 30), 0);
	ctl_call(f, "--timeout", "50ms", "GetOOMEvent");
	assert_int_equal(ctl_last.status, 1);
	assert_non_null(strstr(ctl_last.err, "GetOOMEvent: DEADLINE_EXCEEDED (4): "));
	ctl_call(f, "connect", "-c", "SignalProcess cid=one signal=kill", "-c", "WaitProcess", "-c",
		"RemoveContainer");
	ctl_expect(
		0, "SignalProcess: done\nWaitProcess:\n  status: 137\nRemoveContainer: done\n", "");
}

static void replies_are_lines_of_json(void **state)
{
	struct fixture *f = *state;

	ctl_call(f, "--json", "Check");
	ctl_expect(0, "{\"status\":\"SERVING\"}\n", "");
	ctl_call(f, "--json", "GetGuestDetails", "mem_block_size=true");
	assert_int_equal(ctl_last.status, 0);
	assert_non_null(
		strstr(ctl_last.out, "\"agent_details\":{\"version\":\"" KIHON_VERSION "\","));
	assert_ptr_equal(strchr(ctl_last.out, '\n'), ctl_last.out + strlen(ctl_last.out) - 1);
	ctl_call(f, "--json", "ResizeVolume");
	assert_int_equal(ctl_last.status, 1);
	assert_non_null(strstr(ctl_last.out, "{\"error\":{\"method\":\"ResizeVolume\",\"status\":"
					     "\"UNIMPLEMENTED\",\"code\":12,"));
}

static void a_failed_call_ends_the_run_unless_errors_are_ignored(void **state)
{
	struct fixture *f = *state;

	ctl_call(f, "connect", "-c", "ResizeVolume", "-c", "Check");
	assert_int_equal(ctl_last.status, 1);
	assert_string_equal(ctl_last.out, "");
	assert_non_null(strstr(ctl_last.err, "kata-agent-ctl: ResizeVolume: UNIMPLEMENTED (12): "));
	ctl_call(f, "connect", "--ignore-errors", "-c", "ResizeVolume", "-c", "Check");
	assert_int_equal(ctl_last.status, 0);
	assert_string_equal(ctl_last.out, "Check:\n  status: SERVING\n");
	ctl_call(f, "connect", "-c", "Check", "-c", "Chekc");
	ctl_expect(2, "", "kata-agent-ctl: unknown command \"Chekc\": \"list\" names all\n");
}

static void calls_are_repeated_and_timed(void **state)
{
	struct fixture *f = *state;

	ctl_call(f, "-q", "--repeat", "100", "Check");
	assert_int_equal(ctl_last.status, 0);
	assert_non_null(strstr(ctl_last.out, "Check: 100 calls: min 0."));
	ctl_call(f, "connect", "-c", "repeat 2", "-c", "Check", "-c", "Check", "-c", "sleep 1ms",
		"-c", "echo end", "-c", "quit", "-c", "Check");
	assert_int_equal(ctl_last.status, 0);
	assert_int_equal(strncmp(ctl_last.out,
				 "Check:\n  status: SERVING\nCheck:\n  status: SERVING\n"
				 "Check: 2 calls: min ",
				 69),
		0);
	assert_non_null(strstr(ctl_last.out, " ms\nCheck:\n  status: SERVING\nend\n"));
}

static void the_list_needs_no_agent(void **state)
{
	struct fixture *f = *state;

	ctl_run(f, (const char *const[]){"list", NULL});
	assert_int_equal(ctl_last.status, 0);
	assert_non_null(strstr(ctl_last.out, "\n  StatsContainer\n"));
	ctl_run(f, (const char *const[]){"Check", NULL});
	ctl_expect(1, "", "kata-agent-ctl: need --server-address\n");
	ctl_run(f, (const char *const[]){"generate-cid", NULL});
	assert_int_equal(strlen(ctl_last.out), 65);
}

static int listen_at(const struct fixture *f, struct sockaddr_un *address, char *text)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "%.32s/peer", f->dir);
	snprintf(text, PATH_SIZE, "unix://%.64s", address->sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void a_peer_that_never_answers_is_left_in_time(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address;
	char text[PATH_SIZE];
	int fd = listen_at(f, &address, text);
	int64_t start_ns = clock_now_ns();

	ctl_run(f, (const char *const[]){
			   "--server-address", text, "--timeout", "100ms", "Check", NULL});
	ctl_expect(1, "",
		"kata-agent-ctl: Check: DEADLINE_EXCEEDED (4): grpc.Health/Check: no answer "
		"within 100 ms\n");
	assert_in_range(clock_now_ns() - start_ns, 100 * NS_PER_MS, 10 * NS_PER_S);
	/* The handshake of hybrid vsock too. */
	ctl_run(f, (const char *const[]){"connect", "--server-address", text, "--hybrid-vsock",
			   "--timeout", "100ms", "-c", "Check", NULL});
	assert_int_equal(ctl_last.status, 1);
	assert_non_null(strstr(ctl_last.err, "Connection timed out"));
	close(fd);
	ctl_run(f, (const char *const[]){"--server-address", text, "Check", NULL});
	assert_non_null(strstr(ctl_last.err, "Connection refused"));
}

/* A forked peer that ends with this process. */
static pid_t fork_peer(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void end_peer(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void send_garbage(int listener, const void *bytes, size_t len)
{
	char request[256];
	int fd = accept(listener, NULL, NULL);

	if (read(fd, request, sizeof(request)) > 0)
		(void)!write(fd, bytes, len);
	pause();
}

static void garbage_is_an_error(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *status;
	} rows[] = {
		{"HTTP/1.1 400 Bad Request\r\n", 26, "Check: "},
		{"\xff\xff\xff\xff\0\0\0\1\2\0", 10, "Check: "},
		{"\0\0\0\4\0\0\0\1\2\0\xff\xff\xff\xff", 14, "Check: "},
		/* A reply whose payload is no HealthCheckResponse. */
		{"\0\0\0\6\0\0\0\1\2\0\x12\4\x0a\5\xff\xff", 16, "Check: "},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sockaddr_un address;
		char text[PATH_SIZE];
		int fd = listen_at(f, &address, text);
		pid_t peer = fork_peer();

		if (peer == 0)
			send_garbage(fd, rows[i].bytes, rows[i].len);
		close(fd);
		ctl_run(f, (const char *const[]){
				   "--server-address", text, "--timeout", "20s", "Check", NULL});
		end_peer(peer);
		assert_int_equal(unlink(address.sun_path), 0);
		assert_int_equal(ctl_last.status, 1);
		assert_string_equal(ctl_last.out, "");
		assert_non_null(strstr(ctl_last.err, rows[i].status));
		assert_null(strstr(ctl_last.err, "no answer within"));
	}
}

static bool copy_once(int from, int to)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes));

	return n > 0 && io_write_full(to, bytes, (size_t)n) == 0;
}

/* What a VMM does: one line, and then the stream is the guest's. */
static void serve_hybrid(const struct fixture *f, int listener)
{
	static const char hello[] = "CONNECT 1024\n", ok[] = "OK 5\n";
	char line[sizeof(hello)] = "";
	int fd = accept(listener, NULL, NULL), agent = fixture_socket(f);
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = agent, .events = POLLIN}};

	if (io_read_full(fd, line, strlen(hello)) < 0 || strcmp(line, hello) != 0 ||
		io_write_full(fd, ok, strlen(ok)) < 0)
		_exit(1);
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !copy_once(fd, agent))
			break;
		if (fds[1].revents && !copy_once(agent, fd))
			break;
	}
	_exit(0);
}

static void hybrid_vsock_is_dialled(void **state)
{
	static const char *const forms[] = {"unix", "hvsock"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct sockaddr_un address;
		char text[PATH_SIZE];
		int fd = listen_at(f, &address, text);
		pid_t peer = fork_peer();

		if (peer == 0)
			serve_hybrid(f, fd);
		close(fd);
		snprintf(text, sizeof(text), "%s://%.64s%s", forms[i], address.sun_path,
			i ? ":1024" : "");
		ctl_run(f, (const char *const[]){"--server-address", text,
				   i ? "--quiet" : "--hybrid-vsock", "Check", NULL});
		end_peer(peer);
		assert_int_equal(unlink(address.sun_path), 0);
		ctl_expect(0, i ? "" : "Check:\n  status: SERVING\n", "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(a_container_lives_by_the_tool_alone),
		agent_test(a_running_container_is_paused_and_measured),
		agent_test(replies_are_lines_of_json),
		agent_test(a_failed_call_ends_the_run_unless_errors_are_ignored),
		agent_test(calls_are_repeated_and_timed),
		agent_test(the_list_needs_no_agent),
		agent_test(a_peer_that_never_answers_is_left_in_time),
		agent_test(garbage_is_an_error),
		agent_test(hybrid_vsock_is_dialled),
	};

	unsetenv("KATA_AGENT_SERVER_ADDR");
	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
