/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's socket: who can reach it, and what becomes of one that is there already. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/path.h"
#include "shim/address.h"

struct fixture {
	char dir[40], private[48], path[56];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_address.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->private, sizeof(f->private), "%s/s", f->dir);
	snprintf(f->path, sizeof(f->path), "%s/socket", f->private);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

/* Nothing but the socket, no temporary name. */
static void assert_only_the_socket(struct fixture *f)
{
	struct stat st;

	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(rmdir(f->private), 0);
	assert_int_equal(lstat(f->private, &st), -1);
}

/* Who connects is accepted by fd. */
static void assert_served_by(struct fixture *f, int fd)
{
	struct pollfd in = {.fd = fd, .events = POLLIN};

	assert_true(address_is_served(f->path));
	assert_int_equal(poll(&in, 1, 0), 1);
	close(accept(fd, NULL, NULL));
}

static void the_socket_is_0600_in_a_directory_that_is_0700(void **state)
{
	struct fixture *f = *state;
	mode_t mask = umask(0);
	int fd = -1;

	assert_int_equal(address_listen(f->path, &fd, NULL), 0);
	umask(mask);
	assert_int_equal(mode_of(f->path), S_IFSOCK | 0600);
	assert_int_equal(mode_of(f->private), S_IFDIR | 0700);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_served_by(f, fd);
	close(fd);
	assert_only_the_socket(f);
}

static void a_directory_that_others_can_enter_is_closed_to_them(void **state)
{
	static const mode_t modes[] = {0755, 0711, 0777, 01777, 0750, 0600};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int fd = -1;

		assert_int_equal(mkdir(f->private, 0700), 0);
		assert_int_equal(chmod(f->private, modes[i]), 0);
		assert_int_equal(address_listen(f->path, &fd, NULL), 0);
		assert_int_equal(mode_of(f->private), S_IFDIR | 0700);
		close(fd);
		assert_only_the_socket(f);
	}
}

static void a_directory_that_is_not_ours_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(symlink("/tmp", f->private), 0);
	assert_true(address_listen(f->path, &fd, &err) < 0);
	assert_non_null(strstr(err.msg, f->private));
	assert_int_equal(unlink(f->private), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(mkdir(f->private, 0700), 0);
	assert_int_equal(chown(f->private, 65534, 65534), 0);
	assert_int_equal(address_listen(f->path, &fd, NULL), -EPERM);
	assert_int_equal(mode_of(f->private), S_IFDIR | 0700);
}

static void leave_dead_socket(struct fixture *f)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(mkdir(f->private, 0700), 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", f->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(access(f->path, F_OK), 0);
}

static void a_dead_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	int fd = -1;

	leave_dead_socket(f);
	assert_false(address_is_served(f->path));
	assert_int_equal(address_listen(f->path, &fd, NULL), 0);
	assert_served_by(f, fd);
	assert_int_equal(mode_of(f->path), S_IFSOCK | 0600);
	close(fd);
	assert_only_the_socket(f);
}

static void a_living_one_stays(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct stat before, after;
	int fd = -1, other = -1;

	assert_int_equal(address_listen(f->path, &fd, NULL), 0);
	assert_int_equal(stat(f->path, &before), 0);
	assert_int_equal(address_listen(f->path, &other, &err), -EADDRINUSE);
	assert_false(err_is_set(&err));
	assert_int_equal(other, -1);
	assert_int_equal(stat(f->path, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	/* The question was a connection as well. */
	close(accept(fd, NULL, NULL));
	assert_served_by(f, fd);
	close(fd);
	assert_only_the_socket(f);
}

static void what_cannot_be_replaced_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(path_mkdir(f->path, 0700), 0);
	assert_int_equal(address_listen(f->path, &fd, &err), -EISDIR);
	assert_non_null(strstr(err.msg, f->path));
	assert_int_equal(rmdir(f->path), 0);
	assert_int_equal(rmdir(f->private), 0);
}

/* Listens when told, says how that went, and keeps listening until the end of everything. */
static _Noreturn void race(struct fixture *f, int go_fd, int result_fd, int end_fd)
{
	char c;
	int fd = -1, r;

	(void)!read(go_fd, &c, 1);
	r = address_listen(f->path, &fd, NULL);
	c = r == 0 ? 'w' : r == -EADDRINUSE ? 'l' : '?';
	(void)!write(result_fd, &c, 1);
	(void)!read(end_fd, &c, 1);
	_exit(0);
}

enum { RACERS = 6 };

/* How it went for each. Whoever listens goes on until *ret_end_fd is closed. */
static void run_race(struct fixture *f, char results[RACERS], int *ret_end_fd)
{
	int go[2], result[2], end[2];

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(result, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	for (int k = 0; k < RACERS; k++) {
		if (fork() == 0) {
			close(go[1]);
			close(end[1]);
			race(f, go[0], result[1], end[0]);
		}
	}
	close(go[0]);
	close(go[1]);
	close(result[1]);
	close(end[0]);
	assert_int_equal(io_read_full(result[0], results, RACERS), 0);
	close(result[0]);
	*ret_end_fd = end[1];
}

static void of_many_at_once_one_wins(void **state)
{
	struct fixture *f = *state;

	/* The socket that one round leaves is the dead one of the next. */
	leave_dead_socket(f);
	for (int i = 0; i < 30; i++) {
		char results[RACERS];
		int end_fd, n_won = 0;

		run_race(f, results, &end_fd);
		for (int k = 0; k < RACERS; k++) {
			assert_int_not_equal(results[k], '?');
			n_won += results[k] == 'w';
		}
		assert_int_equal(n_won, 1);
		assert_true(address_is_served(f->path));
		close(end_fd);
		while (wait(NULL) > 0)
			;
	}
	assert_only_the_socket(f);
}

static void only_a_dead_socket_is_removed(void **state)
{
	struct fixture *f = *state;
	int fd = -1;

	/* Nothing there, not even the directory. */
	address_remove_dead(f->path);
	assert_int_equal(address_listen(f->path, &fd, NULL), 0);
	address_remove_dead(f->path);
	assert_true(address_is_served(f->path));
	close(fd);
	address_remove_dead(f->path);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(rmdir(f->private), 0);
}

/* A process that holds the socket alone. It waits for somebody to connect, hangs up on them if it is
 * to live on, and ends otherwise. */
static pid_t fork_holder(struct fixture *f, bool lives_on)
{
	int fd = -1;
	pid_t pid;

	assert_int_equal(address_listen(f->path, &fd, NULL), 0);
	pid = fork();
	if (pid == 0) {
		struct pollfd in = {.fd = fd, .events = POLLIN};

		if (poll(&in, 1, 10000) != 1 || !lives_on)
			_exit(0);
		close(accept(fd, NULL, NULL));
		pause();
	}
	assert_true(pid > 0);
	close(fd);
	return pid;
}

static void one_that_is_dying_does_not_stay(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork_holder(f, false);

	assert_false(address_stays_served(f->path, 10000));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(address_stays_served(f->path, 10000));
	assert_only_the_socket(f);
}

static void one_that_hangs_up_stays(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork_holder(f, true);

	assert_true(address_stays_served(f->path, 10000));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_only_the_socket(f);
}

static void one_that_does_not_answer_stays(void **state)
{
	struct fixture *f = *state;
	int fd = -1;

	assert_int_equal(address_listen(f->path, &fd, NULL), 0);
	assert_true(address_stays_served(f->path, 10));
	close(fd);
	assert_only_the_socket(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_socket_is_0600_in_a_directory_that_is_0700),
		TEST(a_directory_that_others_can_enter_is_closed_to_them),
		TEST(a_directory_that_is_not_ours_is_refused),
		TEST(a_dead_socket_is_replaced),
		TEST(a_living_one_stays),
		TEST(what_cannot_be_replaced_is_an_error),
		TEST(of_many_at_once_one_wins),
		TEST(only_a_dead_socket_is_removed),
		TEST(one_that_is_dying_does_not_stay),
		TEST(one_that_hangs_up_stays),
		TEST(one_that_does_not_answer_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
