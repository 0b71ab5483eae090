/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: QEMU is asked again after each CPU, so what is reported is its own count and not
 * ours. DIMMs and CPUs are stacks: the number of the last is in its name. The plug says when a device
 * has come or gone; a guest that keeps a device ends a resize early.
 */
#include "hypervisor/qemu_resize.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "hypervisor/qemu_cpus.h"

enum { MIB_SHIFT = 20 };

/* How long a guest may take to take or give back what virtio-mem offers it; then what it has counts. */
static const int64_t VIRTIO_MEM_LIMIT_NS = 20 * NS_PER_S;

static const char virtio_mem_path[] = "/machine/peripheral/virtiomem0";

/* ---- Calls ---- */

static bool is_vcpus(const struct qemu_resize_call *call)
{
	return call == &call->resize->vcpus_call;
}

/* The owner may be gone afterwards. */
static void finish(struct qemu_resize_call *call)
{
	const struct hypervisor_size *size = &call->resize->size;
	hypervisor_resized_fn *done = call->done;
	struct err failure = call->failure;

	source_set_deadline(call->timer, INT64_MAX);
	call->done = NULL;
	if (done)
		done(call->data, is_vcpus(call) ? size->vcpus : size->memory_mib,
			err_is_set(&failure) ? &failure : NULL);
}

static void fail(struct qemu_resize_call *call, const struct err *why)
{
	call->failure = *why;
	finish(call);
}

static void fail_ask(struct qemu_resize_call *call, int r)
{
	struct err why = ERR_INIT;

	err_sys(&why, -r, "ask QEMU");
	fail(call, &why);
}

static void on_timer(void *data)
{
	struct qemu_resize_call *call = data;

	if (!err_is_set(&call->failure) && !is_vcpus(call) &&
		call->resize->size.memory_mib < call->target)
		err_set(&call->failure, ETIMEDOUT, "the guest has not taken the memory in time");
	finish(call);
}

static int begin(struct qemu_resize_call *call, uint64_t target, uint64_t max,
	hypervisor_resized_fn *done, void *data, struct err *err)
{
	const char *what = is_vcpus(call) ? "vCPUs" : "MiB of memory";

	if (call->resize->plug->phase != QEMU_PLUG_HOT)
		return err_set(err, ENOTCONN, "the virtual machine does not run");
	if (call->done)
		return err_set(err, EBUSY, "a change of the %s is under way", what);
	if (target > max)
		return err_set(err, ERANGE, "%" PRIu64 " %s: the virtual machine can have %" PRIu64,
			target, what, max);
	call->failure = (struct err)ERR_INIT;
	call->target = target;
	call->done = done;
	call->data = data;
	return 0;
}

/* For on_* callbacks: whether there is a call to go on with. */
static bool goes_on(const struct qemu_resize_call *call)
{
	return call->done && !call->resize->is_over;
}

/* ---- CPUs ---- */

static int query_cpus(struct qemu_resize_call *call);

static void on_cpu_added(
	void *data, const struct hypervisor_guest_address *address, const struct err *err)
{
	struct qemu_resize_call *call = data;
	int r;

	(void)address;
	if (!goes_on(call))
		return;
	if (err) {
		fail(call, err);
		return;
	}
	call->resize->n_cpus++;
	r = query_cpus(call);
	if (r < 0)
		fail_ask(call, r);
}

static void on_cpu_removed(void *data, const struct err *err)
{
	struct qemu_resize_call *call = data;
	int r;

	if (!goes_on(call))
		return;
	/* The guest keeps it: it has what it had. */
	if (err) {
		finish(call);
		return;
	}
	call->resize->n_cpus--;
	r = query_cpus(call);
	if (r < 0)
		fail_ask(call, r);
}

static void add_cpu(struct qemu_resize_call *call, const struct qemu_cpus *cpus)
{
	struct qemu_parts parts = {.n = 0};
	struct err err = ERR_INIT;
	char id[HYPERVISOR_DEVICE_ID_SIZE];

	(void)snprintf(id, sizeof(id), "cpu-%u", call->resize->n_cpus + 1);
	qemu_cpus_describe(cpus, id, &parts);
	if (qemu_plug_add_parts(call->resize->plug, id, &parts, on_cpu_added, call, &err) < 0)
		fail(call, &err);
}

static void remove_cpu(struct qemu_resize_call *call)
{
	struct err err = ERR_INIT;
	char id[HYPERVISOR_DEVICE_ID_SIZE];

	(void)snprintf(id, sizeof(id), "cpu-%u", call->resize->n_cpus);
	if (qemu_plug_remove(call->resize->plug, id, on_cpu_removed, call, &err) < 0)
		fail(call, &err);
}

static void on_cpus(void *data, const struct value *ret, const struct err *err)
{
	struct qemu_resize_call *call = data;
	struct qemu_resize *resize = call->resize;
	struct err why = ERR_INIT;
	struct qemu_cpus cpus;

	if (!goes_on(call))
		return;
	if (err || qemu_cpus_parse(ret, &cpus, &why) < 0) {
		why = err ? *err : why;
		err_wrap(&why, "query-hotpluggable-cpus");
		fail(call, &why);
		return;
	}
	resize->size.vcpus = cpus.n_present;
	if (cpus.n_present < call->target && cpus.type[0] && resize->n_cpus < QEMU_CPUS_MAX)
		add_cpu(call, &cpus);
	else if (cpus.n_present > call->target && resize->n_cpus > 0)
		remove_cpu(call);
	else
		finish(call);
}

static int query_cpus(struct qemu_resize_call *call)
{
	return qmp_execute(call->resize->plug->qmp, "query-hotpluggable-cpus", on_cpus, call);
}

int qemu_resize_vcpus(struct qemu_resize *resize, uint32_t n, hypervisor_resized_fn *done,
	void *data, struct err *err)
{
	struct qemu_resize_call *call = &resize->vcpus_call;
	int r;

	if (n < resize->boot_vcpus)
		n = resize->boot_vcpus;
	r = begin(call, n, resize->size.max_vcpus, done, data, err);
	if (r < 0)
		return r;
	r = query_cpus(call);
	if (r < 0) {
		call->done = NULL;
		return err_sys(err, -r, "ask QEMU");
	}
	return 0;
}

/* ---- DIMMs ---- */

static void shrink(struct qemu_resize_call *call);

static void on_dimm_added(
	void *data, const struct hypervisor_guest_address *address, const struct err *err)
{
	struct qemu_resize_call *call = data;
	struct qemu_resize *resize = call->resize;

	(void)address;
	if (!goes_on(call))
		return;
	if (err) {
		fail(call, err);
		return;
	}
	resize->size.memory_mib += resize->dimm_mib[resize->n_dimms++];
	finish(call);
}

static int grow(struct qemu_resize_call *call, struct err *err)
{
	struct qemu_resize *resize = call->resize;
	uint64_t mib = call->target - resize->size.memory_mib;
	struct qemu_parts parts = {.n = 0};
	char id[HYPERVISOR_DEVICE_ID_SIZE];

	if (resize->n_dimms >= resize->memory_slots || resize->n_dimms >= QEMU_DIMMS_MAX)
		return err_set(err, ENOSPC, "no room left for memory (memory_slots: %u)",
			resize->memory_slots);
	(void)snprintf(id, sizeof(id), "mem-%u", resize->n_dimms + 1);
	qemu_memory_describe_dimm(&resize->memory, id, resize->n_dimms + 1, mib, &parts);
	resize->dimm_mib[resize->n_dimms] = (uint32_t)mib;
	return qemu_plug_add_parts(resize->plug, id, &parts, on_dimm_added, call, err);
}

static void on_dimm_removed(void *data, const struct err *err)
{
	struct qemu_resize_call *call = data;
	struct qemu_resize *resize = call->resize;

	if (!goes_on(call))
		return;
	/* Its memory may be in use: the guest has what it had. */
	if (err) {
		finish(call);
		return;
	}
	resize->size.memory_mib -= resize->dimm_mib[--resize->n_dimms];
	shrink(call);
}

/* Takes the last DIMM out if the guest has enough without it. The answer comes from the loop. */
static void shrink(struct qemu_resize_call *call)
{
	struct qemu_resize *resize = call->resize;
	uint32_t n = resize->n_dimms;
	char id[HYPERVISOR_DEVICE_ID_SIZE];
	struct err err = ERR_INIT;

	(void)snprintf(id, sizeof(id), "mem-%u", n);
	if (n > 0 && resize->size.memory_mib - resize->dimm_mib[n - 1] >= call->target &&
		qemu_plug_remove(resize->plug, id, on_dimm_removed, call, &err) == 0)
		return;
	call->failure = err;
	source_set_deadline(call->timer, clock_now_ns());
}

/* ---- virtio-mem ---- */

static void on_requested(void *data, const struct value *ret, const struct err *err)
{
	struct qemu_resize_call *call = data;

	(void)ret;
	if (err && goes_on(call))
		fail(call, err);
}

static int request(struct qemu_resize_call *call)
{
	struct qemu_resize *resize = call->resize;
	uint64_t mib = call->target - resize->boot_memory_mib;
	auto_buf struct buf arguments = BUF_INIT;
	struct qmp_command command = {.name = "qom-set", .fd = -1};
	int r = buf_printf(&arguments,
		"{\"path\":\"%s\",\"property\":\"requested-size\",\"value\":%" PRIu64 "}",
		virtio_mem_path, mib << MIB_SHIFT);

	if (r < 0)
		return r;
	command.arguments = buf_slice(&arguments);
	source_set_deadline(call->timer, clock_now_ns() + VIRTIO_MEM_LIMIT_NS);
	return qmp_execute_command(resize->plug->qmp, &command, on_requested, call);
}

void qemu_resize_handle_event(
	struct qemu_resize *resize, const char *name, const struct value *args)
{
	struct qemu_resize_call *call = &resize->memory_call;
	const struct value *size = value_find(args, "size");
	uint64_t max = resize->size.max_memory_mib - resize->boot_memory_mib, bytes;

	if (strcmp(name, "MEMORY_DEVICE_SIZE_CHANGE") != 0 || !resize->has_virtio_mem || !size ||
		value_get_u64(size, 0, max << MIB_SHIFT, &bytes, NULL) < 0)
		return;
	resize->size.memory_mib = resize->boot_memory_mib + (bytes >> MIB_SHIFT);
	if (goes_on(call) && resize->size.memory_mib == call->target)
		finish(call);
}

/* ---- Memory ---- */

static uint64_t round_up(uint64_t mib)
{
	return (mib + HYPERVISOR_MEMORY_BLOCK_MIB - 1) / HYPERVISOR_MEMORY_BLOCK_MIB *
	       HYPERVISOR_MEMORY_BLOCK_MIB;
}

int qemu_resize_memory(struct qemu_resize *resize, uint64_t mib, hypervisor_resized_fn *done,
	void *data, struct err *err)
{
	struct qemu_resize_call *call = &resize->memory_call;
	uint64_t boot = resize->boot_memory_mib, max = resize->size.max_memory_mib, target = boot;
	int r;

	/* Whole blocks above what it started with. */
	if (mib > boot && mib <= max)
		target = boot + round_up(mib - boot);
	else if (mib > boot)
		target = mib;
	r = begin(call, target, max, done, data, err);
	if (r < 0)
		return r;
	if (target == resize->size.memory_mib)
		source_set_deadline(call->timer, clock_now_ns());
	else if (resize->has_virtio_mem)
		r = request(call);
	else if (target > resize->size.memory_mib)
		r = grow(call, err);
	else
		shrink(call);
	if (r < 0)
		call->done = NULL;
	if (r < 0 && resize->has_virtio_mem)
		return err_sys(err, -r, "ask QEMU");
	return r;
}

/* ---- Life ---- */

int qemu_resize_init(struct qemu_resize *resize, struct loop *loop, struct qemu_plug *plug)
{
	struct qemu_resize_call *vcpus = &resize->vcpus_call, *memory = &resize->memory_call;
	int r;

	resize->plug = plug;
	vcpus->resize = memory->resize = resize;
	r = loop_add_timer(loop, INT64_MAX, on_timer, vcpus, &vcpus->timer);
	return r < 0 ? r : loop_add_timer(loop, INT64_MAX, on_timer, memory, &memory->timer);
}

void qemu_resize_fini(struct qemu_resize *resize)
{
	source_free(resize->vcpus_call.timer);
	source_free(resize->memory_call.timer);
}

static void end_call(struct qemu_resize_call *call)
{
	if (!call->done)
		return;
	call->failure = (struct err)ERR_INIT;
	err_set(&call->failure, ECONNRESET, "the virtual machine has ended");
	source_set_deadline(call->timer, clock_now_ns());
}

void qemu_resize_end(struct qemu_resize *resize)
{
	if (resize->is_over)
		return;
	resize->is_over = true;
	end_call(&resize->vcpus_call);
	end_call(&resize->memory_call);
}
