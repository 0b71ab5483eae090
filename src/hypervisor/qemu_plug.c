/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu_plug.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "hypervisor/qemu_plug_device.h"

static const int64_t UNPLUG_LIMIT_NS = 20 * NS_PER_S;

static struct device *find_device(const struct qemu_plug *plug, const char *id)
{
	LIST_FOREACH (d, &plug->devices, struct device, link)
		if (strcmp(d->id, id) == 0)
			return d;
	return NULL;
}

/* ---- The way in ---- */

static int check_phase(const struct qemu_plug *plug, const char *id, struct err *err)
{
	if (plug->phase == QEMU_PLUG_BOOTING)
		return err_set(err, EBUSY, "device %s: the virtual machine is being started", id);
	if (plug->phase == QEMU_PLUG_OVER)
		return err_set(err, ENOTCONN, "device %s: the virtual machine has ended", id);
	if (find_device(plug, id))
		return err_set(err, EEXIST, "device %s: there is one of this id", id);
	return 0;
}

static const char *place_text(enum qemu_place_kind kind)
{
	switch (kind) {
	case QEMU_PLACE_BRIDGE:
		return "the PCI bridges (default_bridges)";
	case QEMU_PLACE_ROOT_PORT:
		return "the PCIe root ports (pcie_root_port)";
	case QEMU_PLACE_SCSI:
		return "the SCSI controller (block_device_driver)";
	case QEMU_PLACE_NONE:
		break;
	}
	return "the machine";
}

/* A device without parts yet, not in the list yet. */
static int new_device(struct qemu_plug *plug, const char *id, enum qemu_place_kind kind,
	struct device **ret, struct err *err)
{
	struct device *d;
	int r = check_phase(plug, id, err);

	if (r < 0)
		return r;
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_sys(err, ENOMEM, "device %s", id);
	d->plug = plug;
	(void)snprintf(d->id, sizeof(d->id), "%s", id);
	r = qemu_bus_take(&plug->bus, kind, &d->place);
	if (r == 0)
		r = loop_add_timer(plug->loop, INT64_MAX, device_on_timer, d, &d->timer);
	if (r < 0) {
		device_free(d);
		return r == -ENOSPC ? err_set(err, ENOSPC, "device %s: no room left on %s", id,
					      place_text(kind))
				    : err_sys(err, -r, "device %s", id);
	}
	plug->last_number++;
	*ret = d;
	return 0;
}

/* The device has been described: takes it in. */
static int begin(struct device *d, hypervisor_added_fn *added, void *data, struct err *err)
{
	struct qemu_plug *plug = d->plug;
	int r = 0;

	d->added = added;
	d->data = data;
	for (size_t i = 0; i < d->parts.n && r == 0; i++)
		r = d->parts.list[i].error;
	if (r == 0 && plug->phase == QEMU_PLUG_HOT) {
		d->state = DEVICE_ADDING;
		r = device_ask_add(d);
	} else if (r == 0) {
		source_set_deadline(d->timer, clock_now_ns());
	}
	if (r < 0) {
		err_sys(err, -r, "device %s", d->id);
		device_free(d);
		return r;
	}
	list_add(&plug->devices, &d->link);
	return 0;
}

int qemu_plug_add_net(struct qemu_plug *plug, const struct hypervisor_net *net,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	struct device *d;
	int r = new_device(plug, net->id, QEMU_PLACE_BRIDGE, &d, err);

	if (r < 0) {
		for (size_t i = 0; i < net->n_queues; i++) {
			close_fd(net->tap_fds[i]);
			close_fd(net->vhost_fds ? net->vhost_fds[i] : -1);
		}
		return r;
	}
	qemu_device_describe_net(net, &d->place, plug->last_number, &d->parts);
	return begin(d, added, data, err);
}

int qemu_plug_add_vhost_user_net(struct qemu_plug *plug,
	const struct hypervisor_vhost_user_net *net, hypervisor_added_fn *added, void *data,
	struct err *err)
{
	struct device *d;
	int r = new_device(plug, net->id, QEMU_PLACE_BRIDGE, &d, err);

	if (r < 0)
		return r;
	qemu_device_describe_vhost_user_net(net, &d->place, plug->last_number, &d->parts);
	return begin(d, added, data, err);
}

int qemu_plug_add_block(struct qemu_plug *plug, const struct hypervisor_block *block,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	enum hypervisor_block_driver driver =
		block->driver == HYPERVISOR_BLOCK_DEFAULT ? plug->block_driver : block->driver;
	enum qemu_place_kind kind =
		driver == HYPERVISOR_BLOCK_SCSI ? QEMU_PLACE_SCSI : QEMU_PLACE_BRIDGE;
	struct device *d;
	int r = new_device(plug, block->id, kind, &d, err);

	if (r < 0) {
		close_fd(block->fd);
		return r;
	}
	r = qemu_device_describe_block(
		block, &plug->block_options, &d->place, plug->last_number, &d->parts, err);
	if (r < 0) {
		device_free(d);
		return r;
	}
	return begin(d, added, data, err);
}

int qemu_plug_add_vhost_user_blk(struct qemu_plug *plug,
	const struct hypervisor_vhost_user_blk *blk, hypervisor_added_fn *added, void *data,
	struct err *err)
{
	struct device *d;
	int r = new_device(plug, blk->id, QEMU_PLACE_BRIDGE, &d, err);

	if (r < 0)
		return r;
	qemu_device_describe_vhost_user_blk(blk, &d->place, plug->last_number, &d->parts);
	return begin(d, added, data, err);
}

int qemu_plug_add_vfio(struct qemu_plug *plug, const struct hypervisor_vfio *vfio,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	struct device *d;
	int r = new_device(plug, vfio->id, QEMU_PLACE_ROOT_PORT, &d, err);

	if (r < 0)
		return r;
	r = qemu_device_describe_vfio(vfio, &d->place, &d->parts, err);
	if (r < 0) {
		device_free(d);
		return r;
	}
	return begin(d, added, data, err);
}

int qemu_plug_add_parts(struct qemu_plug *plug, const char *id, struct qemu_parts *parts,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	struct device *d;
	int r = new_device(plug, id, QEMU_PLACE_NONE, &d, err);

	if (r < 0) {
		qemu_parts_fini(parts);
		return r;
	}
	d->parts = *parts;
	parts->n = 0;
	return begin(d, added, data, err);
}

int qemu_plug_remove(struct qemu_plug *plug, const char *id, hypervisor_done_fn *done, void *data,
	struct err *err)
{
	struct device *d = find_device(plug, id);
	int r = 0;

	if (plug->phase == QEMU_PLUG_OVER)
		return err_set(err, ENOTCONN, "device %s: the virtual machine has ended", id);
	if (!d)
		return err_set(err, ENOENT, "device %s: there is none", id);
	if (d->added || d->removed || plug->phase == QEMU_PLUG_BOOTING ||
		(plug->phase == QEMU_PLUG_HOT && d->state != DEVICE_PRESENT))
		return err_set(err, EBUSY, "device %s is being added or removed", id);
	if (plug->phase == QEMU_PLUG_HOT)
		r = device_ask_delete(d);
	if (r < 0)
		return err_sys(err, -r, "device %s: ask QEMU", id);
	d->removed = done;
	d->data = data;
	d->is_deleted = false;
	d->state = plug->phase == QEMU_PLUG_HOT ? DEVICE_LEAVING : DEVICE_GONE;
	if (d->state == DEVICE_GONE)
		source_set_deadline(d->timer, clock_now_ns());
	return 0;
}

/* ---- The machine's life ---- */

void qemu_plug_init(struct qemu_plug *plug, struct loop *loop,
	void (*broken)(void *data, const struct err *why), void *data)
{
	*plug = (struct qemu_plug){.loop = loop,
		.block_driver = HYPERVISOR_BLOCK_VIRTIO,
		.unplug_limit_ns = UNPLUG_LIMIT_NS,
		.broken = broken,
		.data = data};
	list_init(&plug->devices);
}

void qemu_plug_fini(struct qemu_plug *plug)
{
	if (!plug->devices.next)
		return;
	LIST_FOREACH_SAFE (d, &plug->devices, struct device, link)
		device_free(d);
}

void qemu_plug_write(struct qemu_plug *plug, struct qemu_args *args)
{
	plug->phase = QEMU_PLUG_BOOTING;
	for (uint32_t i = 0; i < plug->bus.n_bridges; i++)
		qemu_args_add_bridge(args, i, QEMU_BRIDGE_ADDR + i);
	for (uint32_t i = 0; i < plug->bus.n_root_ports; i++)
		qemu_args_add_root_port(args, i, QEMU_ROOT_PORT_ADDR + i);
	for (uint32_t i = 0; i < plug->block_options.n_iothreads; i++)
		qemu_args_add_iothread(args, i);
	if (plug->bus.has_scsi)
		qemu_args_add_scsi_controller(args, plug->has_scsi_iothread);
	LIST_FOREACH (d, &plug->devices, struct device, link)
		for (size_t i = 0; i < d->parts.n && d->state == DEVICE_WAITING; i++)
			qemu_args_add_part(args, &d->parts.list[i]);
}

void qemu_plug_start(struct qemu_plug *plug, struct qmp *qmp)
{
	plug->phase = QEMU_PLUG_HOT;
	plug->qmp = qmp;
	LIST_FOREACH (d, &plug->devices, struct device, link)
		if (d->state == DEVICE_WAITING) {
			/* Its answer may still be on the way: the timer. */
			d->at = d->parts.n;
			if (!d->added)
				d->state = DEVICE_PRESENT;
		}
}

void qemu_plug_end(struct qemu_plug *plug)
{
	plug->phase = QEMU_PLUG_OVER;
	plug->qmp = NULL;
	LIST_FOREACH (d, &plug->devices, struct device, link) {
		bool awaited = d->added || d->removed;

		d->state = DEVICE_OVER;
		source_set_deadline(d->timer, awaited ? clock_now_ns() : INT64_MAX);
	}
}
