/* SPDX-License-Identifier: Apache-2.0 */
/* The program itself: its command line, its configuration, its beginning and its end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "fixture.h"
#include "health.pb-c.h"

enum { MAX_ARGS = 4, MAX_OUTPUT = 64 << 10 };

struct service {
	char dir[PATH_SIZE], socket[2 * PATH_SIZE], log[2 * PATH_SIZE], config[2 * PATH_SIZE];
	char address[3 * PATH_SIZE];
	struct buf output;
};

static int set_up(void **state)
{
	struct service *s = calloc(1, sizeof(*s));

	*state = s;
	snprintf(s->dir, sizeof(s->dir), "/tmp/kihon-service.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->socket, sizeof(s->socket), "%s/sock", s->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
	snprintf(s->config, sizeof(s->config), "%s/agent.toml", s->dir);
	snprintf(s->address, sizeof(s->address), "unix://%s", s->socket);
	return 0;
}

static int tear_down(void **state)
{
	struct service *s = *state;

	buf_fini(&s->output);
	assert_int_equal(path_remove_tree(AT_FDCWD, s->dir), 0);
	free(s);
	return 0;
}

/* address NULL: none in the environment. */
static pid_t start(const struct service *s, const char *address, const char *a1, const char *a2)
{
	const char *argv[MAX_ARGS] = {"kata-agent", a1, a2, NULL};
	pid_t pid = fork();

	if (pid == 0) {
		char run_dir[2 * PATH_SIZE];
		int fd = open(s->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		snprintf(run_dir, sizeof(run_dir), "%.32s/run", s->dir);
		setenv("KIHON_AGENT_RUN_DIR", run_dir, 1);
		unsetenv("KATA_AGENT_SERVER_ADDR");
		if (address)
			setenv("KATA_AGENT_SERVER_ADDR", address, 1);
		execv(AGENT, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static int end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char *output(struct service *s)
{
	buf_fini(&s->output);
	assert_int_equal(io_read_file(AT_FDCWD, s->log, MAX_OUTPUT, &s->output), 0);
	return buf_str(&s->output);
}

/* Connects as soon as it listens. */
static int connect_to(const struct service *s, pid_t pid)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int64_t deadline_ns = clock_now_ns() + 10 * NS_PER_S;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", s->socket);
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		assert_true(clock_now_ns() < deadline_ns);
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(2000);
	}
	return fd;
}

static void write_config(const struct service *s, const char *text)
{
	assert_int_equal(io_replace_file(AT_FDCWD, s->config, 0600, text, strlen(text)), 0);
}

static void version_and_help_are_printed(void **state)
{
	struct service *s = *state;

	assert_int_equal(end(start(s, NULL, "--version", NULL)), 0);
	assert_int_equal(strncmp(output(s), "kata-agent version ", 19), 0);
	assert_non_null(strstr(output(s), "api version: 0.0.1"));
	assert_non_null(strstr(output(s), "commit version: "));
	assert_non_null(strstr(output(s), "seccomp"));
	assert_int_equal(end(start(s, NULL, "-v", NULL)), 0);
	assert_int_equal(end(start(s, NULL, "--help", NULL)), 0);
	assert_non_null(strstr(output(s), "--config FILE"));
}

static void wrong_arguments_are_refused(void **state)
{
	struct service *s = *state;

	assert_int_equal(end(start(s, NULL, "--nosuch", NULL)), 2);
	assert_non_null(strstr(output(s), "usage: "));
	assert_int_equal(end(start(s, NULL, "word", NULL)), 2);
	assert_non_null(strstr(output(s), "word"));
	assert_int_equal(end(start(s, NULL, "--config", NULL)), 2);
}

static void check_config_form(struct service *s, const char *a1, const char *a2)
{
	pid_t pid = start(s, NULL, a1, a2);

	close(connect_to(s, pid));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end(pid), 0);
	assert_non_null(strstr(output(s), "\"msg\":\"announce\""));
	assert_non_null(strstr(output(s), "nosuch: unknown key: ignored"));
	assert_non_null(strstr(output(s), "agent.toml:2:1"));
}

static void every_form_of_config_works(void **state)
{
	struct service *s = *state;
	char text[4 * PATH_SIZE], joined[4 * PATH_SIZE];

	snprintf(text, sizeof(text), "server_addr = \"%s\"\nnosuch = 1\n", s->address);
	write_config(s, text);
	check_config_form(s, "--config", s->config);
	check_config_form(s, "-c", s->config);
	snprintf(joined, sizeof(joined), "--config=%s", s->config);
	check_config_form(s, joined, NULL);
}

static void a_configuration_that_cannot_be_used_ends_the_start(void **state)
{
	struct service *s = *state;

	assert_int_equal(end(start(s, s->address, "-c", "/nonexistent/a.toml")), 1);
	assert_non_null(strstr(output(s), "/nonexistent/a.toml: No such file or directory"));
	write_config(s, "log_level = \"info\"\nlog_vport = \"x\"\n");
	assert_int_equal(end(start(s, s->address, "-c", s->config)), 1);
	assert_non_null(strstr(output(s), "agent.toml:2:1: log_vport: "));
	assert_int_equal(access(s->socket, F_OK), -1);
}

static void the_environment_comes_on_top_of_the_file(void **state)
{
	struct service *s = *state;
	pid_t pid;

	write_config(s, "server_addr = \"unix:///nonexistent/dir/sock\"\n");
	pid = start(s, s->address, "-c", s->config);
	close(connect_to(s, pid));
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(end(pid), 0);
}

static void an_address_that_cannot_be_bound_is_an_error(void **state)
{
	static const char *const rows[] = {
		"unix:///nonexistent/dir/sock", "tcp://127.0.0.1:1", "vsock://x:1", "nonsense"};
	struct service *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(end(start(s, rows[i], NULL, NULL)), 1);
		assert_non_null(strstr(output(s), rows[i]));
	}
}

static void a_socket_is_replaced_if_stale_and_removed_at_the_end(void **state)
{
	struct service *s = *state;
	struct stat st;
	pid_t first = start(s, s->address, NULL, NULL), second;

	close(connect_to(s, first));
	assert_int_equal(stat(s->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Somebody listens there. */
	assert_int_equal(end(start(s, s->address, NULL, NULL)), 1);
	assert_int_equal(access(s->socket, F_OK), 0);
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitpid(first, NULL, 0), first);
	assert_int_equal(access(s->socket, F_OK), 0);
	second = start(s, s->address, NULL, NULL);
	close(connect_to(s, second));
	assert_int_equal(kill(second, SIGTERM), 0);
	assert_int_equal(end(second), 0);
	assert_int_equal(access(s->socket, F_OK), -1);
}

static void a_service_does_not_do_what_an_init_does(void **state)
{
	struct service *s = *state;
	char before[65] = "", after[65] = "";
	struct buf mounts[2] = {BUF_INIT, BUF_INIT};
	pid_t pid;

	assert_int_equal(gethostname(before, sizeof(before)), 0);
	assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts[0]), 0);
	pid = start(s, s->address, NULL, NULL);
	close(connect_to(s, pid));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end(pid), 0);
	assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts[1]), 0);
	assert_string_equal(buf_str(&mounts[0]), buf_str(&mounts[1]));
	assert_int_equal(gethostname(after, sizeof(after)), 0);
	assert_string_equal(before, after);
	buf_fini(&mounts[0]);
	buf_fini(&mounts[1]);
}

#define service_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		service_test(version_and_help_are_printed),
		service_test(wrong_arguments_are_refused),
		service_test(every_form_of_config_works),
		service_test(a_configuration_that_cannot_be_used_ends_the_start),
		service_test(the_environment_comes_on_top_of_the_file),
		service_test(an_address_that_cannot_be_bound_is_an_error),
		service_test(a_socket_is_replaced_if_stale_and_removed_at_the_end),
		service_test(a_service_does_not_do_what_an_init_does),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
