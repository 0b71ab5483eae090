/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a QEMU VM is put together. Every socket between its processes is made here and handed over
 * connected, so that all of them can start at once and nobody waits for a file to appear: the first
 * to need another waits in its own read.
 */
#include "hypervisor/qemu_vm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "hypervisor/accel.h"
#include "hypervisor/kernel_params.h"
#include "hypervisor/local_socket.h"
#include "hypervisor/qemu_args.h"
#include "hypervisor/qemu_config.h"
#include "hypervisor/virtiofsd.h"
#include "hypervisor/vsock_cid.h"

/* vsockd's guest is alone on its device, so any cid will do. */
enum { USER_VSOCK_CID = 3 };

static const char fs_tag[] = "kataShared";
static const char monitor_name[] = "extra-monitor.sock", hybrid_name[] = "vsock.sock",
		  virtiofsd_name[] = "virtiofsd.sock";
static const char self_exe[] = "/proc/self/exe";

/* ---- Files ---- */

static int check_file(const char *key, const char *path, int access_mode, struct err *err)
{
	struct stat st;

	if (!path || !*path)
		return err_set(err, EINVAL, "hypervisor.qemu.%s: not set", key);
	if (stat(path, &st) < 0)
		return err_sys(err, errno, "hypervisor.qemu.%s: %s", key, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "hypervisor.qemu.%s: %s: not a file", key, path);
	if (access(path, access_mode) < 0)
		return err_sys(err, errno, "hypervisor.qemu.%s: %s", key, path);
	return 0;
}

int qemu_launch_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *hv = &config->hypervisor;
	int r = check_file("path", hv->path, X_OK, err);

	if (r == 0)
		r = check_file("kernel", hv->kernel, R_OK, err);
	if (r == 0)
		r = check_file("initrd", hv->initrd, R_OK, err);
	if (r == 0)
		r = check_file("virtio_fs_daemon", hv->virtio_fs_daemon, X_OK, err);
	return r;
}

/* ---- Sockets ---- */

/* Journals the path of a socket to be, and keeps it to be unlinked. */
static int note_socket(struct qemu_vm *q, const char *name)
{
	const struct hypervisor_journal *journal = &q->vm.journal;
	auto_buf struct buf path = BUF_INIT;
	int r = buf_printf(&path, "%s/%s", q->run_dir, name);

	if (r == 0 && journal->note_path)
		r = journal->note_path(journal->data, buf_str(&path));
	if (r < 0)
		return r;
	q->sockets[q->n_sockets] = buf_take_str(&path);
	return q->sockets[q->n_sockets++] ? 0 : -ENOMEM;
}

/* One end for us, non-blocking, one for a process. */
static int make_channel(int *ret_ours, int *ret_theirs)
{
	auto_fd int ours = -1, theirs = -1;
	int r = local_socket_pair(&ours, &theirs);

	if (r == 0)
		r = io_set_nonblock(ours, true);
	if (r < 0)
		return r;
	*ret_ours = take_fd(&ours);
	*ret_theirs = take_fd(&theirs);
	return 0;
}

/* ---- The daemons ---- */

static int start_process(struct qemu_vm *q, enum qemu_process which,
	const struct process_config *config, const struct qemu_launch_handlers *handlers,
	struct err *err)
{
	struct process *p = &q->processes[which];
	int64_t from_ns = clock_now_ns();
	int r = process_start(p, q->loop, &q->vm.journal, config, handlers->on_exit, q, err);

	if (r == 0 && q->vm.span)
		q->vm.span(q->vm.span_data, p->role, from_ns, clock_now_ns());
	return r;
}

/* Its socket is connected here and unlinked at once: nobody else can. */
static int make_fs_socket(struct qemu_vm *q, int *ret_listen_fd, int *ret_fd)
{
	auto_fd int listen_fd = -1, fd = -1;
	int r = note_socket(q, virtiofsd_name);

	if (r < 0)
		return r;
	listen_fd = local_socket_listen(q->run_dir, virtiofsd_name);
	if (listen_fd < 0)
		return listen_fd;
	fd = local_socket_connect(q->run_dir, virtiofsd_name);
	q->n_sockets--;
	(void)unlink(q->sockets[q->n_sockets]);
	free(q->sockets[q->n_sockets]);
	if (fd < 0)
		return fd;
	*ret_listen_fd = take_fd(&listen_fd);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int add_fs(struct qemu_vm *q, struct qemu_args *args,
	const struct qemu_launch_handlers *handlers, struct err *err)
{
	const struct config_hypervisor *hv = &q->vm.config->hypervisor;
	struct virtiofsd_args daemon;
	auto_fd int listen_fd = -1, fd = -1;
	int r = make_fs_socket(q, &listen_fd, &fd);

	if (r < 0)
		return err_sys(err, -r, "virtiofsd: socket in %s", q->run_dir);
	r = virtiofsd_args_init(
		&daemon, hv->virtio_fs_daemon, q->share_dir, hv->virtio_fs_cache, err);
	if (r < 0)
		return r;
	r = start_process(q, QEMU_VIRTIOFSD,
		&(struct process_config){.program = hv->virtio_fs_daemon,
			.argv = daemon.argv,
			.fds = &listen_fd,
			.n_fds = 1,
			.own_pid_namespace = true},
		handlers, err);
	virtiofsd_args_fini(&daemon);
	if (r == 0)
		qemu_args_add_fs(args, take_fd(&fd), fs_tag, hv->virtio_fs_queue_size);
	return r;
}

static int start_vsockd(struct qemu_vm *q, int vhost_fd,
	const struct qemu_launch_handlers *handlers, struct err *err)
{
	static const char *const argv[] = {"kata-vsockd", "--vhost-fd", "3", "--hybrid-fd", "4",
		"--guest-dir-fd", "5", "--control-fd", "6", "--cid", "3", NULL};
	auto_fd int hybrid_fd = -1, dir_fd = -1, control_fd = -1;
	int r = note_socket(q, hybrid_name);

	_Static_assert(USER_VSOCK_CID == 3, "--cid above");
	if (r == 0)
		hybrid_fd = r = local_socket_listen(q->run_dir, hybrid_name);
	if (r < 0)
		return err_sys(err, -r, "vsockd: socket %s/%s", q->run_dir, hybrid_name);
	dir_fd = open(q->run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_sys(err, errno, "vsockd: %s", q->run_dir);
	r = local_socket_pair(&q->control_fd, &control_fd);
	if (r < 0)
		return err_sys(err, -r, "vsockd: control socket");
	return start_process(q, QEMU_VSOCKD,
		&(struct process_config){.program = q->vm.self ? q->vm.self : self_exe,
			.argv = argv,
			.fds = (int[]){vhost_fd, hybrid_fd, dir_fd, control_fd},
			.n_fds = 4,
			.own_pid_namespace = true},
		handlers, err);
}

static int add_user_vsock(struct qemu_vm *q, struct qemu_args *args,
	const struct qemu_launch_handlers *handlers, struct err *err)
{
	auto_fd int daemon_fd = -1, fd = -1;
	int r = local_socket_pair(&daemon_fd, &fd), n;

	if (r < 0)
		return err_sys(err, -r, "vsockd: vhost-user socket");
	n = snprintf(q->agent_address, sizeof(q->agent_address), "hvsock://%s/%s:%u", q->run_dir,
		hybrid_name, q->vm.config->agent.server_port);
	if (n < 0 || (size_t)n >= sizeof(q->agent_address))
		return err_sys(err, ENAMETOOLONG, "vsockd: %s/%s", q->run_dir, hybrid_name);
	r = start_vsockd(q, daemon_fd, handlers, err);
	if (r == 0)
		qemu_args_add_user_vsock(args, take_fd(&fd));
	return r;
}

/* The kernel's vsock where this machine has it, else our own. */
static int add_vsock(struct qemu_vm *q, struct qemu_args *args,
	const struct qemu_launch_handlers *handlers, struct err *err)
{
	auto_fd int fd = -1;
	uint32_t cid;
	int r = vsock_cid_open(&fd, &cid, err);

	if (r == -ENOENT)
		return add_user_vsock(q, args, handlers, err);
	if (r < 0)
		return r;
	(void)snprintf(q->agent_address, sizeof(q->agent_address), "vsock://%u:%u", cid,
		q->vm.config->agent.server_port);
	qemu_args_add_kernel_vsock(args, take_fd(&fd), cid);
	return 0;
}

/* ---- QEMU ---- */

/* What is there for the guest's memory, and for who looks into QEMU. */
static int add_extras(struct qemu_vm *q, struct qemu_args *args)
{
	const struct config_hypervisor *hv = &q->vm.config->hypervisor;
	const struct qemu_resize *resize = &q->resize;
	auto_buf struct buf path = BUF_INIT;
	int r = 0;

	if (hv->reclaim_guest_freed_memory)
		qemu_args_add_balloon(args);
	if (resize->has_virtio_mem)
		qemu_args_add_virtio_mem(args, &resize->memory,
			resize->size.max_memory_mib - resize->boot_memory_mib);
	/* It can do whatever QEMU can: only for those who debug. */
	if (!hv->enable_debug || !hv->extra_monitor_socket || !*hv->extra_monitor_socket)
		return 0;
	r = note_socket(q, monitor_name);
	if (r == 0)
		r = buf_printf(&path, "%s/%s", q->run_dir, monitor_name);
	if (r == 0)
		qemu_args_add_monitor(args, hv->extra_monitor_socket, buf_str(&path));
	return r;
}

static int add_machine(struct qemu_vm *q, struct qemu_args *args, struct err *err)
{
	const struct config_hypervisor *hv = &q->vm.config->hypervisor;
	auto_buf struct buf params = BUF_INIT;
	struct qemu_machine machine;
	int r = kernel_params_format(q->vm.config, &params);

	if (r < 0)
		return err_sys(err, -r, "hypervisor.qemu.kernel_params");
	qemu_args_set_program(args, hv->path);
	qemu_args_add_base(args, q->id);
	qemu_config_machine(hv, &q->resize, &machine);
	machine.kvm = accel_has_kvm();
	qemu_args_add_machine(args, &machine);
	qemu_args_add_kernel(args, hv->kernel, hv->initrd, buf_str(&params));
	if (hv->enable_iommu)
		qemu_args_add_iommu(args);
	/* First of all that is plugged in: their places on the root bus are fixed. */
	qemu_plug_write(&q->plug, args);
	qemu_args_add_rng(args, hv->entropy_source);
	qemu_args_add_sandbox(args, hv->seccomp_sandbox);
	r = add_extras(q, args);
	return r < 0 ? err_sys(err, -r, "qemu's command line") : 0;
}

static int add_channels(struct qemu_vm *q, struct qemu_args *args,
	const struct qemu_launch_handlers *handlers, struct err *err)
{
	auto_fd int console_fd = -1, qmp_fd = -1;
	int ours, r = make_channel(&ours, &console_fd);

	if (r == 0)
		r = lines_attach(&q->console, q->loop, ours);
	if (r < 0)
		return err_sys(err, -r, "console socket");
	qemu_args_add_console(args, take_fd(&console_fd));
	r = make_channel(&ours, &qmp_fd);
	if (r == 0)
		r = qmp_new(q->loop, ours, handlers->qmp, q, &q->qmp);
	if (r < 0)
		return err_sys(err, -r, "QMP socket");
	qemu_args_add_qmp(args, take_fd(&qmp_fd));
	return 0;
}

static int launch(struct qemu_vm *q, struct qemu_args *args,
	const struct qemu_launch_handlers *handlers, struct err *err)
{
	int r = add_machine(q, args, err);

	if (r == 0)
		r = add_fs(q, args, handlers, err);
	if (r == 0)
		r = add_vsock(q, args, handlers, err);
	if (r == 0)
		r = add_channels(q, args, handlers, err);
	if (r < 0)
		return r;
	r = qemu_args_finish(args);
	if (r < 0)
		return err_sys(err, -r, "qemu's command line");
	return start_process(q, QEMU_VMM,
		&(struct process_config){.program = q->vm.config->hypervisor.path,
			.argv = (const char *const *)args->argv,
			.fds = args->fds,
			.n_fds = args->n_fds,
			.netns_fd = q->vm.netns_fd},
		handlers, err);
}

int qemu_launch(struct qemu_vm *q, const struct qemu_launch_handlers *handlers, struct err *err)
{
	struct qemu_args args = QEMU_ARGS_INIT;
	int r = launch(q, &args, handlers, err);

	qemu_args_fini(&args);
	q->launched_ns = clock_now_ns();
	return r;
}
