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
#include "fixture.h"

enum { MAX_ARGS = 32 };

/* The last run: run_args() */
static struct {
	int status;
	char out[16384], err[4096];
} run;

static void read_back(const char *path, char *ret, size_t size)
{
	struct buf text = BUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, path, size - 1, &text), 0);
	snprintf(ret, size, "%s", buf_str(&text));
	buf_fini(&text);
}

static void exec_tool(const char *out, const char *err, const char *const *args)
{
	const char *argv[MAX_ARGS] = {"kata-agent-ctl"};
	union {
		const char **in;
		char **out;
	} u = {.in = argv};
	int out_fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int err_fd = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	dup2(out_fd, 1);
	dup2(err_fd, 2);
	execv(AGENT_CTL, u.out);
	_exit(127);
}

/* Runs the tool with the NULL-terminated args until it ends. */
static void run_args(const struct fixture *f, const char *const *args)
{
	char out[2 * PATH_SIZE], err[2 * PATH_SIZE];
	int status;
	pid_t pid;

	snprintf(out, sizeof(out), "%s/out", f->dir);
	snprintf(err, sizeof(err), "%s/err", f->dir);
	pid = fork();
	if (pid == 0)
		exec_tool(out, err, args);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	run.status = WEXITSTATUS(status);
	read_back(out, run.out, sizeof(run.out));
	read_back(err, run.err, sizeof(run.err));
}

/* With the agent's address in front. */
#define run_tool(f, ...) \
	run_args(f, (const char *const[]){"--server-address", (f)->address, __VA_ARGS__, NULL})

static void expect(int status, const char *out, const char *err)
{
	if (run.status != status || strcmp(run.out, out) != 0 || strcmp(run.err, err) != 0)
		fail_msg("status %d, stdout:\n%s\nstderr:\n%s", run.status, run.out, run.err);
}

static void write_bundle(const struct fixture *f, const char *dir, const char *script)
{
	struct buf text = BUF_INIT;
	char path[2 * PATH_SIZE];

	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/rootfs", dir);
	assert_int_equal(symlink(f->rootfs, path), 0);
	assert_int_equal(buf_printf(&text,
				 "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},"
				 "\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\","
				 "\"args\":[\"sh\",\"-c\",\"%s\"],\"env\":[\"PATH=/bin\"]},"
				 "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\","
				 "\"source\":\"proc\"}],\"linux\":{\"cgroupsPath\":\"%s/ctl\","
				 "\"namespaces\":[{\"type\":\"mount\"}]}}",
				 f->rootfs, script, f->cgroup),
		0);
	snprintf(path, sizeof(path), "%s/config.json", dir);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, buf_str(&text), buf_len(&text)), 0);
	buf_fini(&text);
}

static void a_container_lives_by_the_tool_alone(void **state)
{
	struct fixture *f = *state;
	char bundle[PATH_SIZE];

	snprintf(bundle, sizeof(bundle), "%.32s/bundle", f->dir);
	write_bundle(f, bundle, "read line; echo got $line; exit 7");
	run_tool(f, "connect", "--bundle-dir", bundle, "-c", "CreateSandbox sid=pod", "-c",
		"CreateContainer cid=one", "-c", "StartContainer", "-c",
		"ExecProcess exec_id=e process='{\"args\":[\"sh\",\"-c\",\"echo from exec; exit "
		"3\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"user\":{}}'",
		"-c", "ReadStdout exec_id=e len=100", "-c", "WaitProcess exec_id=e", "-c",
		"WriteStdin data='a line\n'", "-c", "ReadStdout len=100", "-c",
		"WaitProcess {\"container_id\":\"one\"}", "-c", "RemoveContainer");
	expect(0,
		"CreateSandbox: done\nCreateContainer: done\nStartContainer: done\n"
		"ExecProcess: done\nReadStdout:\n  data: |\n    from exec\n"
		"WaitProcess:\n  status: 3\nWriteStdin:\n  len: 7\n"
		"ReadStdout:\n  data: |\n    got a line\n"
		"WaitProcess:\n  status: 7\nRemoveContainer: done\n",
		"");
	run_tool(f, "StartContainer", "--container-id", "one");
	assert_int_equal(run.status, 1);
	assert_string_equal(run.out, "");
	assert_non_null(strstr(run.err, "kata-agent-ctl: StartContainer: "));
}

static void a_running_container_is_paused_and_measured(void **state)
{
	struct fixture *f = *state;
	char bundle[PATH_SIZE];

	snprintf(bundle, sizeof(bundle), "%.32s/bundle", f->dir);
	write_bundle(f, bundle, "sleep 1000");
	run_tool(f, "connect", "-c", "CreateSandbox", "--bundle-dir", bundle, "-c",
		"CreateContainer cid=one", "-c", "StartContainer", "-c", "PauseContainer", "-c",
		"ResumeContainer", "-c", "UpdateContainer resources={}");
	expect(0,
		"CreateSandbox: done\nCreateContainer: done\nStartContainer: done\n"
		"PauseContainer: done\nResumeContainer: done\nUpdateContainer: done\n",
		"");
	run_tool(f, "--json", "StatsContainer", "cid=one");
	assert_int_equal(run.status, 0);
	assert_int_equal(strncmp(run.out, "{\"cgroup_stats\":{\"cpu_stats\":{", 30), 0);
	run_tool(f, "--timeout", "50ms", "GetOOMEvent");
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.err, "GetOOMEvent: DEADLINE_EXCEEDED (4): "));
	run_tool(f, "connect", "-c", "SignalProcess cid=one signal=kill", "-c", "WaitProcess", "-c",
		"RemoveContainer");
	expect(0, "SignalProcess: done\nWaitProcess:\n  status: 137\nRemoveContainer: done\n", "");
}

static void replies_are_lines_of_json(void **state)
{
	struct fixture *f = *state;

	run_tool(f, "--json", "Check");
	expect(0, "{\"status\":\"SERVING\"}\n", "");
	run_tool(f, "--json", "GetGuestDetails", "mem_block_size=true");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "\"agent_details\":{\"version\":\"" KIHON_VERSION "\","));
	assert_ptr_equal(strchr(run.out, '\n'), run.out + strlen(run.out) - 1);
	run_tool(f, "--json", "ResizeVolume");
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.out, "{\"error\":{\"method\":\"ResizeVolume\",\"status\":"
					"\"UNIMPLEMENTED\",\"code\":12,"));
}

static void a_failed_call_ends_the_run_unless_errors_are_ignored(void **state)
{
	struct fixture *f = *state;

	run_tool(f, "connect", "-c", "ResizeVolume", "-c", "Check");
	assert_int_equal(run.status, 1);
	assert_string_equal(run.out, "");
	assert_non_null(strstr(run.err, "kata-agent-ctl: ResizeVolume: UNIMPLEMENTED (12): "));
	run_tool(f, "connect", "--ignore-errors", "-c", "ResizeVolume", "-c", "Check");
	assert_int_equal(run.status, 0);
	assert_string_equal(run.out, "Check:\n  status: SERVING\n");
	run_tool(f, "connect", "-c", "Check", "-c", "Chekc");
	expect(2, "", "kata-agent-ctl: unknown command \"Chekc\": \"list\" names all\n");
}

static void calls_are_repeated_and_timed(void **state)
{
	struct fixture *f = *state;

	run_tool(f, "-q", "--repeat", "100", "Check");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "Check: 100 calls: min 0."));
	run_tool(f, "connect", "-c", "repeat 2", "-c", "Check", "-c", "Check", "-c", "sleep 1ms",
		"-c", "echo end", "-c", "quit", "-c", "Check");
	assert_int_equal(run.status, 0);
	assert_int_equal(strncmp(run.out,
				 "Check:\n  status: SERVING\nCheck:\n  status: SERVING\n"
				 "Check: 2 calls: min ",
				 69),
		0);
	assert_non_null(strstr(run.out, " ms\nCheck:\n  status: SERVING\nend\n"));
}

static void the_list_needs_no_agent(void **state)
{
	struct fixture *f = *state;

	run_args(f, (const char *const[]){"list", NULL});
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "\n  StatsContainer\n"));
	run_args(f, (const char *const[]){"Check", NULL});
	expect(1, "", "kata-agent-ctl: need --server-address\n");
	run_args(f, (const char *const[]){"generate-cid", NULL});
	assert_int_equal(strlen(run.out), 65);
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

	run_args(f, (const char *const[]){
			    "--server-address", text, "--timeout", "100ms", "Check", NULL});
	expect(1, "",
		"kata-agent-ctl: Check: DEADLINE_EXCEEDED (4): grpc.Health/Check: no answer "
		"within 100 ms\n");
	assert_in_range(clock_now_ns() - start_ns, 100 * NS_PER_MS, 10 * NS_PER_S);
	/* The handshake of hybrid vsock too. */
	run_args(f, (const char *const[]){"connect", "--server-address", text, "--hybrid-vsock",
			    "--timeout", "100ms", "-c", "Check", NULL});
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.err, "Connection timed out"));
	close(fd);
	run_args(f, (const char *const[]){"--server-address", text, "Check", NULL});
	assert_non_null(strstr(run.err, "Connection refused"));
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
		run_args(f, (const char *const[]){
				    "--server-address", text, "--timeout", "20s", "Check", NULL});
		end_peer(peer);
		assert_int_equal(unlink(address.sun_path), 0);
		assert_int_equal(run.status, 1);
		assert_string_equal(run.out, "");
		assert_non_null(strstr(run.err, rows[i].status));
		assert_null(strstr(run.err, "no answer within"));
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
		run_args(f, (const char *const[]){"--server-address", text,
				    i ? "--quiet" : "--hybrid-vsock", "Check", NULL});
		end_peer(peer);
		assert_int_equal(unlink(address.sun_path), 0);
		expect(0, i ? "" : "Check:\n  status: SERVING\n", "");
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
