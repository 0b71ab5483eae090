/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/vsockd.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/io.h"
#include "guestmem/le.h"
#include "linux/jail.h"
#include "vhost/vhost_user_backend.h"
#include "vhost/vsock_dial.h"
#include "virtio/vsock.h"

enum {
	NOBODY = 65534,
	/* One per connection, those of two queues, a message's, and the process's own. */
	FILES_MAX = VSOCK_CONNS_MAX + 3 * VSOCK_N_QUEUES + VHOST_USER_FDS_MAX + 32,
	/* A guest can break its queues and reset the device for ever: then somebody has to stop
	 * writing it down. */
	LINES_MAX = 100,
};

/* clang-format off */
static const struct jail_rule loop_rules[] = {
	{.nr = SYS_epoll_wait},
	{.nr = SYS_epoll_pwait},	/* what musl's epoll_wait is */
	{.nr = SYS_epoll_ctl},
	{.nr = SYS_read},		/* the control socket */
	JAIL_RULES_END,
};

static const struct jail_rule wait_rules[] = {
	{.nr = SYS_wait4},
	JAIL_RULES_END,
};
/* clang-format on */

struct options {
	int vhost_fd, hybrid_fd, guest_dir_fd, control_fd; /* owned by the process */
	uint32_t cid;
	uid_t uid;
	gid_t gid;
};

struct vsockd {
	struct loop *loop;
	struct vhost_user_backend *backend;
	struct vsock *dev;
	int dial_fd; /* borrowed */
	struct source *control, *dial;
	le64 config; /* the device's configuration space: the guest's cid */
};

/* One line on stderr, which the shim keeps. stdio would ask for more system calls. */
static void say(const char *fmt, ...) printf_like(1, 2);

static void say(const char *fmt, ...)
{
	static unsigned n_lines;
	char line[ERR_MSG_SIZE + 32];
	size_t len;
	va_list ap;

	if (n_lines++ >= LINES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	/* Nobody is left to tell if this fails. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

/* ---- the device process ---- */

static bool on_process(void *data, unsigned i)
{
	struct vsockd *d = data;

	return i == VSOCK_RX_QUEUE ? vsock_process_rx(d->dev) : vsock_process_tx(d->dev);
}

static void on_restart(void *data)
{
	struct vsockd *d = data;

	vsock_reset(d->dev);
}

static void on_notify(void *data, struct vq *vq)
{
	struct vsockd *d = data;

	vhost_user_backend_notify(d->backend, vq);
}

static void on_broken(void *data, struct vq *vq)
{
	struct vsockd *d = data;

	if (vhost_user_backend_report_broken(d->backend, vq))
		say("the guest broke a virtqueue: %s", vq_broken(vq));
}

static int on_dial(void *data, uint32_t port, uint64_t id)
{
	struct vsockd *d = data;

	return vsock_dial_request(d->dial_fd, port, id);
}

static void on_dialled(void *data, int fd, uint32_t events)
{
	struct vsockd *d = data;
	uint64_t id;
	int connected_fd, r = vsock_dial_receive(fd, &id, &connected_fd);

	(void)events;
	if (r == 0) {
		vsock_dialled(d->dev, id, connected_fd);
	} else if (r != -EAGAIN) {
		say("the process that connects for the guest has gone");
		loop_stop(d->loop, 1);
	}
}

static void on_control(void *data, int fd, uint32_t events)
{
	struct vsockd *d = data;
	char byte;
	ssize_t n = read(fd, &byte, 1);

	(void)events;
	if (n > 0)
		say("the control socket takes no orders");
	loop_stop(d->loop, n == 0 ? 0 : 1);
}

static void on_vmm_end(void *data, const struct err *err)
{
	struct vsockd *d = data;

	if (err)
		say("%s", err->msg);
	loop_stop(d->loop, err ? 1 : 0);
}

static int make_backend(struct vsockd *d, const struct options *o)
{
	struct vhost_user_device device = {.n_queues = VSOCK_N_QUEUES,
		.config = &d->config,
		.config_size = sizeof(d->config),
		.process = on_process,
		.restart = on_restart,
		.data = d};

	d->config = le64_of(o->cid);
	return vhost_user_backend_new(d->loop, o->vhost_fd, &device, &d->backend);
}

static int make_device(struct vsockd *d, const struct options *o)
{
	struct vsock_config config = {.loop = d->loop,
		.rx = vhost_user_backend_queue(d->backend, VSOCK_RX_QUEUE),
		.tx = vhost_user_backend_queue(d->backend, VSOCK_TX_QUEUE),
		.guest_cid = o->cid,
		.listen_fd = o->hybrid_fd,
		.notify = on_notify,
		.broken = on_broken,
		.dial = on_dial,
		.data = d};

	return vsock_new(&config, &d->dev);
}

static int prepare(struct vsockd *d, const struct options *o, struct err *err)
{
	int r = loop_new(&d->loop);

	if (r == 0)
		r = make_backend(d, o);
	if (r == 0)
		r = make_device(d, o);
	if (r == 0)
		r = loop_add_io(d->loop, o->control_fd, EPOLLIN, on_control, d, &d->control);
	if (r == 0)
		r = loop_add_io(d->loop, d->dial_fd, EPOLLIN, on_dialled, d, &d->dial);
	return r < 0 ? err_sys(err, -r, "prepare the device") : 0;
}

static int jail_device(const struct options *o, struct err *err)
{
	const struct jail_rule *const lists[] = {jail_base_rules, loop_rules, vsock_rules,
		vhost_user_message_rules, vhost_user_memory_rules, vhost_user_backend_rules,
		vsock_dial_client_rules};
	int r = jail_change_root(-1, err);

	if (r == 0)
		r = jail_drop_privileges(
			&(struct jail_identity){
				.uid = o->uid, .gid = o->gid, .death_signal = SIGKILL},
			err);
	if (r == 0)
		r = jail_restrict_files(err);
	return r < 0 ? r : jail_filter(lists, ARRAY_SIZE(lists), err);
}

static int run_device(const struct options *o, int dial_fd)
{
	struct vsockd d = {.dial_fd = dial_fd};
	struct err err = ERR_INIT;
	int r = prepare(&d, o, &err);

	if (r == 0)
		r = jail_device(o, &err);
	if (r == 0)
		r = vhost_user_backend_start(d.backend, on_vmm_end);
	if (r == 0)
		r = loop_run(d.loop);
	if (err_is_set(&err))
		say("%s", err.msg);
	else if (r < 0)
		say("wait for events: %s", strerror(-r));
	/* The process ends here; what it holds goes with it. */
	return r == 0 ? 0 : 1;
}

/* ---- the process that connects for the guest ---- */

static int jail_dialler(const struct options *o, struct err *err)
{
	const struct jail_rule *const lists[] = {
		jail_base_rules, vsock_dial_server_rules, wait_rules};
	struct stat st;
	int r;

	if (fstat(o->guest_dir_fd, &st) < 0)
		return err_sys(err, errno, "the guest's directory");
	r = jail_change_root(o->guest_dir_fd, err);
	close_fd(o->guest_dir_fd);
	if (r == 0)
		r = jail_drop_privileges(
			&(struct jail_identity){
				.uid = st.st_uid, .gid = st.st_gid, .death_signal = SIGKILL},
			err);
	if (r == 0)
		r = jail_restrict_files(err);
	return r < 0 ? r : jail_filter(lists, ARRAY_SIZE(lists), err);
}

/* The device's end, as an exit status. */
static int wait_for_device(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	say("the device was killed by signal %d (%s)", WTERMSIG(status),
		strsignal(WTERMSIG(status)));
	return 1;
}

static int run_dialler(const struct options *o, int dial_fd, const char *name, pid_t device)
{
	struct err err = ERR_INIT;
	int r = jail_dialler(o, &err);

	if (r == 0)
		r = vsock_dial_serve(dial_fd, name, &err);
	close_fd(dial_fd); /* ends the device if it has not ended */
	if (r < 0)
		say("%s", err.msg);
	return wait_for_device(device) == 0 && r == 0 ? 0 : 1;
}

/* ---- start ---- */

static int parse_number(const char *text, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long value;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end || value > max)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

enum { VHOST_FD, HYBRID_FD, GUEST_DIR_FD, CONTROL_FD, CID, UID, GID, N_OPTIONS };

static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option names[] = {{"vhost-fd", required_argument, NULL, VHOST_FD},
		{"hybrid-fd", required_argument, NULL, HYBRID_FD},
		{"guest-dir-fd", required_argument, NULL, GUEST_DIR_FD},
		{"control-fd", required_argument, NULL, CONTROL_FD},
		{"cid", required_argument, NULL, CID}, {"uid", required_argument, NULL, UID},
		{"gid", required_argument, NULL, GID}, {NULL, 0, NULL, 0}};
	uint32_t values[N_OPTIONS] = {[UID] = NOBODY, [GID] = NOBODY};
	bool seen[N_OPTIONS] = {[UID] = true, [GID] = true};
	int i;

	while ((i = getopt_long(argc, argv, "", names, NULL)) != -1) {
		/* VMADDR_CID_ANY and (uid_t)-1 are no values; the first three cids are not a
		 * guest's. */
		uint32_t max = i <= CONTROL_FD ? INT32_MAX : UINT32_MAX - 1;

		if (i < 0 || i >= N_OPTIONS)
			return -EINVAL; /* getopt_long has said why */
		if (parse_number(optarg, max, &values[i]) < 0 || (i == CID && values[i] < 3)) {
			say("--%s: %s is no such number", names[i].name, optarg);
			return -EINVAL;
		}
		seen[i] = true;
	}
	for (i = 0; i < N_OPTIONS; i++) {
		if (!seen[i]) {
			say("--%s is missing", names[i].name);
			return -EINVAL;
		}
	}
	*ret = (struct options){.vhost_fd = (int)values[VHOST_FD],
		.hybrid_fd = (int)values[HYBRID_FD],
		.guest_dir_fd = (int)values[GUEST_DIR_FD],
		.control_fd = (int)values[CONTROL_FD],
		.cid = values[CID],
		.uid = values[UID],
		.gid = values[GID]};
	return 0;
}

/* The last component of the path that the socket is bound to. */
static int get_name(
	int fd, char name[static sizeof(((struct sockaddr_un *)0)->sun_path)], struct err *err)
{
	union {
		struct sockaddr_un un;
		char bytes[sizeof(struct sockaddr_un) + 1];
	} address = {.bytes = {0}};
	socklen_t len = sizeof(address.un);
	const char *slash;

	if (getsockname(fd, (struct sockaddr *)&address.un, &len) < 0)
		return err_sys(err, errno, "--hybrid-fd");
	slash = strrchr(address.un.sun_path, '/');
	if (address.un.sun_family != AF_UNIX || !slash || !slash[1])
		return err_set(err, EINVAL, "--hybrid-fd is not bound to a path");
	memcpy(name, slash + 1, strlen(slash + 1) + 1);
	return 0;
}

static int start(const struct options *o, const char *name, struct err *err)
{
	int dial_fd, serve_fd, r = vsock_dial_pair(&dial_fd, &serve_fd);
	pid_t pid;

	if (r < 0)
		return err_sys(err, -r, "create a socket pair");
	pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "fork");
	if (pid == 0) {
		close_fd(serve_fd);
		close_fd(o->guest_dir_fd);
		(void)prctl(PR_SET_NAME, "vsockd", 0, 0, 0);
		_exit(run_device(o, dial_fd));
	}
	close_fd(dial_fd);
	close_fd(o->vhost_fd);
	close_fd(o->hybrid_fd);
	close_fd(o->control_fd);
	(void)prctl(PR_SET_NAME, "vsockd-dial", 0, 0, 0);
	return run_dialler(o, serve_fd, name, pid);
}

int vsockd_main(int argc, char **argv)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct options o;
	struct err err = ERR_INIT;
	int r;

	if (parse_options(argc, argv, &o) < 0)
		return 1;
	r = jail_keep_fds((const int[]){o.vhost_fd, o.hybrid_fd, o.guest_dir_fd, o.control_fd}, 4,
		&(struct jail_limits){.n_files = FILES_MAX}, &err);
	if (r == 0)
		r = get_name(o.hybrid_fd, name, &err);
	if (r == 0 && io_set_nonblock(o.hybrid_fd, true) < 0)
		r = err_set(&err, EINVAL, "--hybrid-fd cannot be non-blocking");
	if (r == 0)
		r = jail_unshare(&err);
	if (r == 0)
		r = start(&o, name, &err);
	if (r < 0)
		say("%s", err.msg);
	return r == 0 ? 0 : 1;
}
