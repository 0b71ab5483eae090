/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsockd without a shim. As the role itself (what boot_vm wants as VSOCKD):
 *
 *	vsockd --vhost-fd N ...		see vhost/vsockd.h
 *
 * or by hand, for a VMM that connects by path:
 *
 *	vsockd DIR CID
 *	qemu-system-x86_64 ... -chardev socket,id=v,path=DIR/vhost.sock -device
 * vhost-user-vsock-pci,chardev=v
 *
 * Then "CONNECT <port>\n" on DIR/vsock.sock reaches the guest, and the guest's connections to host
 * port P reach DIR/vsock.sock_P. Ends when the VMM does, or at the end of stdin.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/own.h"
#include "vhost/vsockd.h"

static int listen_at(const char *dir, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (n < 0 || (size_t)n >= sizeof(a.sun_path) || fd < 0)
		return -1;
	(void)unlink(a.sun_path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0)
		return -1;
	return take_fd(&fd);
}

static int run_role(int vhost_fd, int hybrid_fd, int dir_fd, int control_fd, const char *cid)
{
	auto_free char *text = NULL;
	char *argv[16], *save = NULL;
	int argc = 0;

	if (asprintf(&text,
		    "kata-vsockd --vhost-fd %d --hybrid-fd %d --guest-dir-fd %d --control-fd %d "
		    "--cid %s",
		    vhost_fd, hybrid_fd, dir_fd, control_fd, cid) < 0)
		return 1;
	for (char *word = strtok_r(text, " ", &save); word && argc < 15;
		word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return vsockd_main(argc, argv);
}

/* Waits for the end of vsockd, which the end of stdin asks for. */
static int wait_for(pid_t pid, int control_fd)
{
	struct pollfd fds[] = {{.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN}};
	char bytes[64];
	int status;

	while (poll(fds, 2, -1) >= 0 && fds[0].revents == 0) {
		if (fds[1].revents != 0 && read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0)
			break;
	}
	close(control_fd);
	close(fds[0].fd);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_by_hand(const char *dir, const char *cid)
{
	auto_fd int listen_fd = listen_at(dir, "vhost.sock"),
		    hybrid_fd = listen_at(dir, "vsock.sock");
	auto_fd int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int vhost_fd = -1;
	int control[2];
	pid_t pid;

	if (listen_fd < 0 || hybrid_fd < 0 || dir_fd < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0) {
		perror(dir);
		return 1;
	}
	vhost_fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (vhost_fd < 0) {
		perror("accept");
		return 1;
	}
	pid = fork();
	if (pid == 0) {
		close(control[0]);
		_exit(run_role(vhost_fd, hybrid_fd, dir_fd, control[1], cid));
	}
	close(control[1]);
	close_fd(take_fd(&vhost_fd));
	return wait_for(pid, control[0]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && argv[1][0] != '-')
		return run_by_hand(argv[1], argv[2]);
	return vsockd_main(argc, argv);
}
