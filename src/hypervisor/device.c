/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same for all drivers: what a device may be called, and who owns the descriptors of
 * one that is refused. */
#include "hypervisor/device.h"

#include <string.h>

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_id_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static int check_id(const char *id, struct err *err)
{
	size_t len = strnlen(id, HYPERVISOR_DEVICE_ID_SIZE);
	bool good = len < HYPERVISOR_DEVICE_ID_SIZE && is_letter(id[0]);

	for (size_t i = 0; good && i < len; i++)
		good = is_id_char(id[i]);
	return good ? 0 : err_set(err, EINVAL, "\"%.64s\" cannot be the id of a device", id);
}

/* Refuses what no driver is to see. fn: the driver's function, as a truth value. */
static int check(const char *id, bool has_fn, const char *what, struct err *err)
{
	int r = check_id(id, err);

	if (r == 0 && !has_fn)
		r = err_set(err, EOPNOTSUPP, "device %s: this hypervisor cannot have %s", id, what);
	return r;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; fds && i < n; i++)
		close_fd(fds[i]);
}

int hypervisor_add_net(struct hypervisor *hv, const struct hypervisor_net *net,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	int r = check(net->id, hv->ops->add_net, "network devices", err);

	if (r == 0 && (net->n_queues < 1 || net->n_queues > HYPERVISOR_QUEUES_MAX))
		r = err_set(err, EINVAL, "device %s: %zu queues (1 to %d are possible)", net->id,
			net->n_queues, HYPERVISOR_QUEUES_MAX);
	if (r < 0) {
		close_all(net->tap_fds, net->n_queues);
		close_all(net->vhost_fds, net->n_queues);
		return r;
	}
	return hv->ops->add_net(hv, net, added, data, err);
}

int hypervisor_add_vhost_user_net(struct hypervisor *hv,
	const struct hypervisor_vhost_user_net *net, hypervisor_added_fn *added, void *data,
	struct err *err)
{
	int r = check(net->id, hv->ops->add_vhost_user_net, "vhost-user networks", err);

	if (r == 0 && (net->n_queues < 1 || net->n_queues > HYPERVISOR_QUEUES_MAX))
		r = err_set(err, EINVAL, "device %s: %u queues (1 to %d are possible)", net->id,
			net->n_queues, HYPERVISOR_QUEUES_MAX);
	return r < 0 ? r : hv->ops->add_vhost_user_net(hv, net, added, data, err);
}

int hypervisor_add_block(struct hypervisor *hv, const struct hypervisor_block *block,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	int r = check(block->id, hv->ops->add_block, "disks", err);

	if (r == 0 && block->serial && strlen(block->serial) >= HYPERVISOR_SERIAL_SIZE)
		r = err_set(err, EINVAL, "device %s: the serial is longer than %d characters",
			block->id, HYPERVISOR_SERIAL_SIZE - 1);
	if (r < 0) {
		close_fd(block->fd);
		return r;
	}
	return hv->ops->add_block(hv, block, added, data, err);
}

int hypervisor_add_vhost_user_blk(struct hypervisor *hv,
	const struct hypervisor_vhost_user_blk *blk, hypervisor_added_fn *added, void *data,
	struct err *err)
{
	int r = check(blk->id, hv->ops->add_vhost_user_blk, "vhost-user disks", err);

	return r < 0 ? r : hv->ops->add_vhost_user_blk(hv, blk, added, data, err);
}

int hypervisor_add_vfio(struct hypervisor *hv, const struct hypervisor_vfio *vfio,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	int r = check(vfio->id, hv->ops->add_vfio, "VFIO devices", err);

	return r < 0 ? r : hv->ops->add_vfio(hv, vfio, added, data, err);
}

int hypervisor_remove_device(struct hypervisor *hv, const char *id, hypervisor_done_fn *done,
	void *data, struct err *err)
{
	int r = check(id, hv->ops->remove_device, "devices taken out", err);

	return r < 0 ? r : hv->ops->remove_device(hv, id, done, data, err);
}

void hypervisor_get_capacity(const struct hypervisor *hv, struct hypervisor_capacity *ret)
{
	*ret = (struct hypervisor_capacity){0};
	if (hv->ops->get_capacity)
		hv->ops->get_capacity(hv, ret);
}
