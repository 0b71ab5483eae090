/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: start puts the processes together (qemu_launch.c) and waits for QMP to say
 * that the guest's CPUs run. From then on any of these ends the VM: a process that dies, a QMP
 * connection that breaks, QEMU's word that the guest has shut down, reset or stopped.
 *
 * Who is to blame? When QEMU dies its daemons see their sockets close and leave too, QMP ends, and
 * the order in which all this arrives is open. So a clean exit of a daemon and the end of QMP only
 * make a suspect, which is blamed when QEMU has not been reaped within BLAME_NS.
 *
 * The end has one way: state ENDING, QEMU is told to quit or killed, when it has been reaped the
 * daemons have HELPER_GRACE_NS to follow, and when nobody is left the waiting callbacks are called.
 * A daemon that has to be killed takes its own children along: each has a pid namespace.
 */
#include "hypervisor/qemu.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "hypervisor/qemu_config.h"
#include "hypervisor/qemu_vm.h"

static const int64_t BLAME_NS = 300 * NS_PER_MS, HELPER_GRACE_NS = NS_PER_S;

static struct qemu_vm *qemu_of(struct hypervisor *hv)
{
	return container_of(hv, struct qemu_vm, hv);
}

static const struct qemu_vm *qemu_of_const(const struct hypervisor *hv)
{
	return (const struct qemu_vm *)(const void *)((const char *)hv -
						      offsetof(struct qemu_vm, hv));
}

static bool is_alive(const struct qemu_vm *q)
{
	return q->state == QEMU_STARTING || q->state == QEMU_RUNNING;
}

static void span(const struct qemu_vm *q, const char *what, int64_t from_ns, int64_t to_ns)
{
	if (q->vm.span)
		q->vm.span(q->vm.span_data, what, from_ns, to_ns);
}

/* ---- The end ---- */

static bool anyone_runs(const struct qemu_vm *q)
{
	for (int i = 0; i < QEMU_PROCESS_COUNT; i++)
		if (q->processes[i].running)
			return true;
	return false;
}

static void release_sockets(struct qemu_vm *q)
{
	close_fd(q->control_fd);
	q->control_fd = -1;
	while (q->n_sockets > 0) {
		char *path = q->sockets[--q->n_sockets];

		if (path)
			(void)unlink(path);
		free(path);
	}
}

/* Nothing can be plugged in or out any more. */
static void end_devices(struct qemu_vm *q)
{
	qemu_plug_end(&q->plug);
	qemu_resize_end(&q->resize);
}

/* Calls who waits for the end; the VM may be gone afterwards. */
static void finish(struct qemu_vm *q)
{
	hypervisor_done_fn *start_done = q->start_done, *stop_done = q->stop_done;
	struct err why = q->suspect;

	q->state = QEMU_ENDED;
	end_devices(q);
	source_set_deadline(q->timer, INT64_MAX);
	release_sockets(q);
	q->start_done = q->stop_done = NULL;
	/* A start that has been stopped is answered by the stop. */
	if (stop_done)
		stop_done(q->stop_data, NULL);
	else if (start_done)
		start_done(q->start_data, &why);
}

/* QEMU has gone: its daemons have nothing to serve any more. */
static void dismiss_daemons(struct qemu_vm *q)
{
	close_fd(q->control_fd);
	q->control_fd = -1;
	source_set_deadline(q->timer, clock_now_ns() + (anyone_runs(q) ? HELPER_GRACE_NS : 0));
}

/* QEMU first: what it says at its end is better not about lost daemons. */
static void end_processes(struct qemu_vm *q, int64_t grace_ns)
{
	end_devices(q);
	if (!q->processes[QEMU_VMM].running) {
		dismiss_daemons(q);
	} else if (grace_ns > 0 && q->qmp && qmp_execute(q->qmp, "quit", NULL, NULL) == 0) {
		source_set_deadline(q->timer, clock_now_ns() + grace_ns);
	} else {
		source_set_deadline(q->timer, INT64_MAX);
		process_kill(&q->processes[QEMU_VMM]);
	}
}

static void on_grace_over(struct qemu_vm *q)
{
	if (!anyone_runs(q)) {
		finish(q);
		return;
	}
	if (q->processes[QEMU_VMM].running) {
		process_kill(&q->processes[QEMU_VMM]);
		return;
	}
	for (int i = 0; i < QEMU_PROCESS_COUNT; i++)
		process_kill(&q->processes[i]);
}

/* Makes the sentence that is reported: what happened, and the most telling line of the console. */
static void compose(struct qemu_vm *q, const struct err *why)
{
	const char *line;
	struct err text = ERR_INIT;

	lines_drain(&q->console);
	line = lines_tail(&q->console);
	if (*line)
		err_set(&text, why->code, "%s (the console's last line: %s)", why->msg, line);
	else
		text = *why;
	q->suspect = text;
}

/* The VM has failed by itself. The VM may be gone afterwards. */
static void fail(struct qemu_vm *q, const struct err *why)
{
	bool was_running = q->state == QEMU_RUNNING;

	if (!is_alive(q))
		return;
	compose(q, why);
	q->state = QEMU_ENDING;
	end_processes(q, 0);
	if (was_running) {
		struct err text = q->suspect;

		q->on_exit(q->exit_data, &text);
	}
}

/* The guest has ended itself. Only then is its word of a panic taken for the reason. */
static void fail_by_guest(struct qemu_vm *q, const struct err *why)
{
	struct err text = ERR_INIT;

	lines_drain(&q->console);
	if (q->console.panic[0]) {
		err_set(&text, ECHILD, "guest panicked");
		why = &text;
	}
	fail(q, why);
}

static void set_suspect(struct qemu_vm *q, const struct err *why)
{
	if (err_is_set(&q->suspect))
		return;
	q->suspect = *why;
	source_set_deadline(q->timer, clock_now_ns() + BLAME_NS);
}

static void on_process_exit(void *data, struct process *p, int status, const struct err *why)
{
	struct qemu_vm *q = data;
	bool is_vmm = p == &q->processes[QEMU_VMM];

	if (q->state == QEMU_ENDING) {
		if (!anyone_runs(q))
			finish(q);
		else if (is_vmm)
			dismiss_daemons(q);
		return;
	}
	if (!is_vmm && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
		q->processes[QEMU_VMM].running) {
		set_suspect(q, why);
		return;
	}
	/* Its word about the guest may still be on the way. */
	if (is_vmm && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		fail_by_guest(q, why);
	else
		fail(q, why);
}

static void on_timer(void *data)
{
	struct qemu_vm *q = data;
	struct err why = ERR_INIT;

	switch (q->state) {
	case QEMU_STARTING:
	case QEMU_RUNNING:
		if (err_is_set(&q->suspect))
			why = q->suspect;
		else
			err_set(&why, ETIMEDOUT, "qemu did not start in time");
		fail(q, &why);
		return;
	case QEMU_ENDING:
		on_grace_over(q);
		return;
	case QEMU_NEW:
	case QEMU_ENDED:
		finish(q);
		return;
	}
}

/* ---- QMP ---- */

static void on_status(void *data, const struct value *ret, const struct err *err)
{
	struct qemu_vm *q = data;
	const struct value *status = value_find(ret, "status");
	hypervisor_done_fn *done = q->start_done;
	struct err why = ERR_INIT;
	const char *word = "nothing";

	if (q->state != QEMU_STARTING)
		return;
	if (status && value_get_string(status, &word, &why) < 0)
		err = &why;
	else if (!err && strcmp(word, "running") != 0) {
		err_set(&why, EIO, "qemu does not run the guest: its status is %s", word);
		err = &why;
	}
	if (err) {
		fail(q, err);
		return;
	}
	q->state = QEMU_RUNNING;
	qemu_plug_start(&q->plug, q->qmp);
	source_set_deadline(
		q->timer, err_is_set(&q->suspect) ? clock_now_ns() + BLAME_NS : INT64_MAX);
	span(q, "qmp", q->launched_ns, clock_now_ns());
	q->start_done = NULL;
	done(q->start_data, NULL);
}

static void on_qmp_ready(void *data)
{
	struct qemu_vm *q = data;
	struct err err = ERR_INIT;
	int r = qmp_execute(q->qmp, "query-status", on_status, q);

	if (r < 0) {
		err_sys(&err, -r, "qemu: query-status");
		fail(q, &err);
	}
}

/* The reasons of QEMU's ShutdownCause that a guest can bring about, in words. */
static const char *shutdown_text(const char *reason)
{
	static const char *const texts[][2] = {
		{"guest-shutdown", "the guest has powered itself off"},
		{"guest-reset", "the guest has reset itself"},
		{"guest-panic", "the guest has panicked"},
		{"host-signal", "qemu was told to end by a signal"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcmp(texts[i][0], reason) == 0)
			return texts[i][1];
	return "qemu has shut the guest down";
}

static void on_qmp_event(void *data, const char *name, const struct value *args)
{
	struct qemu_vm *q = data;
	const struct value *value = value_find(args, "reason");
	struct err why = ERR_INIT;
	const char *reason = "";

	log_write(LOG_DEBUG, "qmp", "event", "event", name, NULL);
	qemu_plug_handle_event(&q->plug, name, args);
	qemu_resize_handle_event(&q->resize, name, args);
	if (value && value_get_string(value, &reason, NULL) < 0)
		reason = "";
	if (strcmp(name, "SHUTDOWN") == 0)
		err_set(&why, ECHILD, "%s", shutdown_text(reason));
	else if (strcmp(name, "GUEST_PANICKED") == 0)
		err_set(&why, ECHILD, "the guest has panicked");
	else if (strcmp(name, "STOP") == 0)
		/* Nobody here stops guests: QEMU does, when the CPU cannot go on. */
		err_set(&why, ECHILD, "qemu has stopped the guest after an internal error");
	else
		return;
	fail_by_guest(q, &why);
}

static void on_qmp_closed(void *data, const struct err *why)
{
	struct qemu_vm *q = data;

	end_devices(q);
	qmp_free(q->qmp);
	q->qmp = NULL;
	if (!is_alive(q))
		return;
	if (why->code == EPIPE)
		set_suspect(q, why);
	else
		fail(q, why);
}

static const struct qmp_handlers qmp_handlers = {
	.ready = on_qmp_ready, .event = on_qmp_event, .closed = on_qmp_closed};

/* ---- struct hypervisor_ops ---- */

/* Ends what a failed start or an owner in a hurry leaves behind, without the loop. */
static void end_now(struct qemu_vm *q)
{
	process_fini(&q->processes[QEMU_VMM], 0);
	close_fd(q->control_fd);
	q->control_fd = -1;
	for (int i = 0; i < QEMU_PROCESS_COUNT; i++)
		process_fini(&q->processes[i], HELPER_GRACE_NS);
	end_devices(q);
	qmp_free(q->qmp);
	q->qmp = NULL;
	lines_detach(&q->console);
	release_sockets(q);
	q->state = QEMU_ENDED;
}

static int start(struct hypervisor *hv, int64_t deadline_ns, hypervisor_done_fn *done, void *data,
	struct err *err)
{
	static const struct qemu_launch_handlers handlers = {on_process_exit, &qmp_handlers};
	struct qemu_vm *q = qemu_of(hv);
	int64_t begin_ns = clock_now_ns();
	int r;

	if (q->state != QEMU_NEW)
		return err_set(err, EBUSY, "the VM has been started already");
	r = qemu_launch_check(q->vm.config, err);
	if (r < 0)
		return r;
	r = qemu_launch(q, &handlers, err);
	if (r < 0) {
		end_now(q);
		return r;
	}
	span(q, "launch", begin_ns, q->launched_ns);
	q->state = QEMU_STARTING;
	q->start_done = done;
	q->start_data = data;
	source_set_deadline(q->timer, deadline_ns);
	return 0;
}

static void stop(struct hypervisor *hv, int64_t grace_ns, hypervisor_done_fn *done, void *data)
{
	struct qemu_vm *q = qemu_of(hv);

	q->stop_done = done;
	q->stop_data = data;
	if (is_alive(q)) {
		q->state = QEMU_ENDING;
		end_processes(q, grace_ns);
	} else if (q->state != QEMU_ENDING)
		source_set_deadline(q->timer, clock_now_ns());
}

static const char *agent_address(const struct hypervisor *hv)
{
	return qemu_of_const(hv)->agent_address;
}

static pid_t vmm_pid(const struct hypervisor *hv)
{
	return qemu_of_const(hv)->processes[QEMU_VMM].spawn.pid;
}

static const char *console_tail(const struct hypervisor *hv)
{
	return lines_tail(&qemu_of_const(hv)->console);
}

static void free_vm(struct hypervisor *hv)
{
	struct qemu_vm *q = qemu_of(hv);

	end_now(q);
	qemu_resize_fini(&q->resize);
	qemu_plug_fini(&q->plug);
	source_free(q->timer);
	free(q->id);
	free(q->run_dir);
	free(q->share_dir);
	free(q);
}

static int add_net(struct hypervisor *hv, const struct hypervisor_net *net,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	return qemu_plug_add_net(&qemu_of(hv)->plug, net, added, data, err);
}

static int add_vhost_user_net(struct hypervisor *hv, const struct hypervisor_vhost_user_net *net,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	return qemu_plug_add_vhost_user_net(&qemu_of(hv)->plug, net, added, data, err);
}

static int add_block(struct hypervisor *hv, const struct hypervisor_block *block,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	return qemu_plug_add_block(&qemu_of(hv)->plug, block, added, data, err);
}

static int add_vhost_user_blk(struct hypervisor *hv, const struct hypervisor_vhost_user_blk *blk,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	return qemu_plug_add_vhost_user_blk(&qemu_of(hv)->plug, blk, added, data, err);
}

static int add_vfio(struct hypervisor *hv, const struct hypervisor_vfio *vfio,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	return qemu_plug_add_vfio(&qemu_of(hv)->plug, vfio, added, data, err);
}

static int remove_device(struct hypervisor *hv, const char *id, hypervisor_done_fn *done,
	void *data, struct err *err)
{
	return qemu_plug_remove(&qemu_of(hv)->plug, id, done, data, err);
}

static void get_capacity(const struct hypervisor *hv, struct hypervisor_capacity *ret)
{
	qemu_bus_get_capacity(&qemu_of_const(hv)->plug.bus, ret);
}

static int resize_vcpus(
	struct hypervisor *hv, uint32_t n, hypervisor_resized_fn *done, void *data, struct err *err)
{
	return qemu_resize_vcpus(&qemu_of(hv)->resize, n, done, data, err);
}

static int resize_memory(struct hypervisor *hv, uint64_t mib, hypervisor_resized_fn *done,
	void *data, struct err *err)
{
	return qemu_resize_memory(&qemu_of(hv)->resize, mib, done, data, err);
}

static void get_size(const struct hypervisor *hv, struct hypervisor_size *ret)
{
	*ret = qemu_of_const(hv)->resize.size;
}

static const struct hypervisor_ops qemu_ops = {
	.free = free_vm,
	.start = start,
	.stop = stop,
	.agent_address = agent_address,
	.pid = vmm_pid,
	.console_tail = console_tail,
	.add_net = add_net,
	.add_vhost_user_net = add_vhost_user_net,
	.add_block = add_block,
	.add_vhost_user_blk = add_vhost_user_blk,
	.add_vfio = add_vfio,
	.remove_device = remove_device,
	.get_capacity = get_capacity,
	.resize_vcpus = resize_vcpus,
	.resize_memory = resize_memory,
	.get_size = get_size,
};

/* QEMU hangs: nothing that was asked of it can be relied on. */
static void on_plug_broken(void *data, const struct err *why)
{
	fail(data, why);
}

static int init(struct qemu_vm *q, const struct hypervisor_vm *vm)
{
	int r;

	q->id = strdup(vm->id);
	q->run_dir = strdup(vm->run_dir);
	q->share_dir = strdup(vm->share_dir);
	if (!q->id || !q->run_dir || !q->share_dir)
		return -ENOMEM;
	q->vm = *vm;
	qemu_config_plug(&vm->config->hypervisor, &q->plug);
	qemu_config_size(vm->config, &q->resize);
	r = qemu_resize_init(&q->resize, q->loop, &q->plug);
	return r < 0 ? r : loop_add_timer(q->loop, INT64_MAX, on_timer, q, &q->timer);
}

int qemu_new(struct loop *loop, const struct hypervisor_vm *vm, hypervisor_exit_fn *on_exit,
	void *data, struct hypervisor **ret, struct err *err)
{
	struct qemu_vm *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return err_sys(err, ENOMEM, "qemu");
	*q = (struct qemu_vm){
		.hv.ops = &qemu_ops,
		.loop = loop,
		.processes = {[QEMU_VMM] = PROCESS_INIT("qemu"),
			[QEMU_VIRTIOFSD] = PROCESS_INIT("virtiofsd"),
			[QEMU_VSOCKD] = PROCESS_INIT("vsockd")},
		.console = LINES_INIT("console"),
		.control_fd = -1,
		.on_exit = on_exit,
		.exit_data = data,
	};
	qemu_plug_init(&q->plug, loop, on_plug_broken, q);
	r = init(q, vm);
	if (r < 0) {
		free_vm(&q->hv);
		return err_sys(err, -r, "qemu");
	}
	*ret = &q->hv;
	return 0;
}
