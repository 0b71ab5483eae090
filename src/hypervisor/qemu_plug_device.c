/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a device counts how many of its parts are made (at) and how many fds of the next
 * one QEMU holds by name (n_sent). Adding walks up, undoing and releasing walk down the same ladder, so
 * that whatever fails, what is below it is taken away again. One command of a device is under way at a
 * time; its reply takes the next step. Taking out waits for DEVICE_DELETED between the device that the
 * guest sees and what is behind it; a guest may also let go of a device unasked, or long after we have
 * given up waiting, and what is behind it is then released as well.
 *
 * When the machine ends, commands under way get no reply or a meaningless one: devices are kept until
 * the end of it all, and only whoever waits is answered.
 */
#include "hypervisor/qemu_plug_device.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* QEMU answers a command at once, unless it hangs, or this machine is overloaded beyond use. */
static const int64_t COMMAND_LIMIT_NS = 60 * NS_PER_S;

static void undo_next(struct device *d);
static void add_next(struct device *d);

/* ---- Devices ---- */

void device_free(struct device *d)
{
	qemu_bus_release(&d->plug->bus, &d->place);
	source_free(d->timer);
	qemu_parts_fini(&d->parts);
	if (d->link.next)
		list_remove(&d->link);
	free(d);
}

/* What the guest sees. */
static const struct qemu_part *front_of(const struct device *d)
{
	return &d->parts.list[d->parts.n - 1];
}

/* ---- Answers; the device, and all else, may be gone afterwards ---- */

static void tell(struct device *d, const struct err *err)
{
	hypervisor_added_fn *added = d->added;
	hypervisor_done_fn *removed = d->removed;
	struct hypervisor_guest_address address;

	d->added = NULL;
	d->removed = NULL;
	qemu_place_format_address(&d->place, &address);
	if (added)
		added(d->data, err ? NULL : &address, err);
	else if (removed)
		removed(d->data, err);
}

/* Nothing of it is left in QEMU. */
static void end_device(struct device *d)
{
	hypervisor_added_fn *added = d->added;
	hypervisor_done_fn *removed = d->removed;
	struct err failure = d->failure;
	const struct err *err = err_is_set(&failure) ? &failure : NULL;
	void *data = d->data;

	device_free(d);
	if (added)
		added(data, NULL, err);
	else if (removed)
		removed(data, err);
}

static void settle(struct device *d, const struct err *err)
{
	d->state = DEVICE_PRESENT;
	source_set_deadline(d->timer, INT64_MAX);
	tell(d, err);
}

/* ---- Commands ---- */

static void on_reply(void *data, const struct value *ret, const struct err *err);

/* arguments may hold what could not be written: r. fd is taken over. */
static int ask(struct device *d, const char *command, const struct buf *arguments, int fd, int r)
{
	struct qmp_command c = {.name = command, .arguments = buf_slice(arguments), .fd = fd};

	if (r < 0) {
		close_fd(fd);
		return r;
	}
	r = qmp_execute_command(d->plug->qmp, &c, on_reply, d);
	if (r < 0)
		return r;
	d->is_asked = true;
	source_set_deadline(d->timer, clock_now_ns() + COMMAND_LIMIT_NS);
	return 0;
}

/* ---- Adding ---- */

/* An fd of the next part has to be handed over by name before the part itself. */
static bool needs_fd(const struct device *d)
{
	const struct qemu_part *part = &d->parts.list[d->at];

	return part->kind != QEMU_PART_FD_SET && d->n_sent < part->n_fds;
}

static void fail_add(struct device *d, const struct err *why)
{
	d->failure = *why;
	err_wrap(&d->failure, "device %s: %s", d->id,
		needs_fd(d) ? "getfd" : qemu_part_command(&d->parts.list[d->at]));
	d->state = DEVICE_UNDOING;
	undo_next(d);
}

int device_ask_add(struct device *d)
{
	auto_buf struct buf arguments = BUF_INIT;
	struct qemu_part *part = &d->parts.list[d->at];
	int fd = -1, r;

	if (needs_fd(d)) {
		r = qemu_part_encode_fd(part, d->n_sent, &arguments);
		return ask(d, "getfd", &arguments, take_fd(&part->fds[d->n_sent]), r);
	}
	r = qemu_part_encode(part, &arguments);
	if (part->kind == QEMU_PART_FD_SET)
		fd = take_fd(&part->fds[0]);
	return ask(d, qemu_part_command(part), &arguments, fd, r);
}

static void add_next(struct device *d)
{
	struct err why = ERR_INIT;
	int r;

	if (d->at == d->parts.n && d->is_deleted) {
		d->at--;
		err_set(&why, EIO, "the guest has ejected it");
		fail_add(d, &why);
		return;
	}
	if (d->at == d->parts.n) {
		settle(d, NULL);
		return;
	}
	r = device_ask_add(d);
	if (r < 0) {
		err_sys(&why, -r, "ask QEMU");
		fail_add(d, &why);
	}
}

static void on_added_part(struct device *d, const struct err *err)
{
	if (err) {
		fail_add(d, err);
		return;
	}
	if (needs_fd(d)) {
		d->n_sent++;
	} else {
		d->at++;
		d->n_sent = 0;
	}
	add_next(d);
}

/* ---- Undoing, and releasing what was behind a device ---- */

static int ask_undo(struct device *d)
{
	auto_buf struct buf arguments = BUF_INIT;
	int r;

	/* Those of a part that could not be made. Some it may have used up: no matter. */
	if (d->n_sent > 0) {
		r = qemu_part_encode_fd(&d->parts.list[d->at], --d->n_sent, &arguments);
		return ask(d, "closefd", &arguments, -1, r);
	}
	r = qemu_part_encode_undo(&d->parts.list[--d->at], &arguments);
	return ask(d, qemu_part_undo_command(&d->parts.list[d->at]), &arguments, -1, r);
}

static void undo_next(struct device *d)
{
	/* A step that cannot even be asked for is left out. */
	while (d->n_sent > 0 || d->at > 0)
		if (ask_undo(d) == 0)
			return;
	end_device(d);
}

static void on_undone_part(struct device *d, const struct err *err)
{
	/* After a failed add the first failure is what matters. */
	if (err && d->state == DEVICE_RELEASING && !err_is_set(&d->failure)) {
		d->failure = *err;
		err_wrap(&d->failure, "device %s: %s", d->id,
			qemu_part_undo_command(&d->parts.list[d->at]));
	}
	undo_next(d);
}

static void release(struct device *d)
{
	d->state = DEVICE_RELEASING;
	d->at = d->parts.n - 1;
	d->n_sent = 0;
	undo_next(d);
}

/* ---- Taking out ---- */

static bool starts_with(const char *s, const char *start)
{
	return strncmp(s, start, strlen(start)) == 0;
}

static void on_delete_asked(struct device *d, const struct err *err)
{
	bool is_gone = d->is_deleted || (err && starts_with(err->msg, "DeviceNotFound"));
	struct err why = ERR_INIT;

	if (is_gone) {
		release(d);
		return;
	}
	/* It has been asked before, and we gave up waiting. */
	if (!err || strstr(err->msg, "already in the process of unplug")) {
		source_set_deadline(d->timer, clock_now_ns() + d->plug->unplug_limit_ns);
		return;
	}
	why = *err;
	err_wrap(&why, "device %s: device_del", d->id);
	settle(d, &why);
}

static void on_reply(void *data, const struct value *ret, const struct err *err)
{
	struct device *d = data;

	(void)ret;
	d->is_asked = false;
	switch (d->state) {
	case DEVICE_ADDING:
		on_added_part(d, err);
		return;
	case DEVICE_UNDOING:
	case DEVICE_RELEASING:
		on_undone_part(d, err);
		return;
	case DEVICE_LEAVING:
		on_delete_asked(d, err);
		return;
	case DEVICE_WAITING:
	case DEVICE_PRESENT:
	case DEVICE_GONE:
	case DEVICE_OVER:
		return;
	}
}

void device_on_timer(void *data)
{
	struct device *d = data;
	struct err why = ERR_INIT;

	if (d->is_asked && d->state != DEVICE_OVER) {
		err_set(&why, ETIMEDOUT, "qemu does not answer (device %s)", d->id);
		d->plug->broken(d->plug->data, &why);
		return;
	}
	switch (d->state) {
	case DEVICE_WAITING:
		if (d->plug->phase == QEMU_PLUG_HOT)
			d->state = DEVICE_PRESENT;
		tell(d, NULL);
		return;
	case DEVICE_LEAVING:
		err_set(&why, ETIMEDOUT, "device %s: the guest does not let it go", d->id);
		settle(d, &why);
		return;
	case DEVICE_GONE:
		end_device(d);
		return;
	case DEVICE_OVER:
		err_set(&why, ECONNRESET, "device %s: the virtual machine has ended", d->id);
		tell(d, &why);
		return;
	case DEVICE_ADDING:
	case DEVICE_UNDOING:
	case DEVICE_PRESENT:
	case DEVICE_RELEASING:
		return;
	}
}

int device_ask_delete(struct device *d)
{
	auto_buf struct buf arguments = BUF_INIT;
	int r = qemu_part_encode_undo(front_of(d), &arguments);

	return ask(d, qemu_part_undo_command(front_of(d)), &arguments, -1, r);
}

/* ---- Events ---- */

static void on_deleted(struct device *d)
{
	if (d->state == DEVICE_PRESENT || (d->state == DEVICE_LEAVING && !d->is_asked))
		release(d);
	else
		d->is_deleted = true;
}

static void on_refused(struct device *d)
{
	struct err why = ERR_INIT;

	if (d->state != DEVICE_LEAVING || d->is_asked)
		return;
	err_set(&why, EBUSY, "device %s: the guest refuses to let it go", d->id);
	settle(d, &why);
}

void qemu_plug_handle_event(struct qemu_plug *plug, const char *name, const struct value *args)
{
	bool is_deleted = strcmp(name, "DEVICE_DELETED") == 0;
	const struct value *value = value_find(args, "device");
	const char *id;

	if (!is_deleted && strcmp(name, "DEVICE_UNPLUG_GUEST_ERROR") != 0)
		return;
	/* Parts inside of a device are told by path alone. */
	if (plug->phase != QEMU_PLUG_HOT || !value || value_get_string(value, &id, NULL) < 0)
		return;
	LIST_FOREACH (d, &plug->devices, struct device, link) {
		if (strcmp(front_of(d)->id, id) != 0)
			continue;
		if (is_deleted)
			on_deleted(d);
		else
			on_refused(d);
		return;
	}
}
