/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu_device.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* MSI-X vectors of a network device: two per queue pair, one each for control and configuration. */
enum { NET_VECTORS_PER_QUEUE = 2, NET_VECTORS_MORE = 2 };

enum { MTU_MIN = 68, MTU_MAX = 65535 };

void qemu_parts_fini(struct qemu_parts *parts)
{
	for (size_t i = 0; i < parts->n; i++)
		qemu_part_fini(&parts->list[i]);
	parts->n = 0;
}

static struct qemu_part *add_part(
	struct qemu_parts *parts, enum qemu_part_kind kind, const char *fmt, ...) printf_like(3, 4);

static struct qemu_part *add_part(
	struct qemu_parts *parts, enum qemu_part_kind kind, const char *fmt, ...)
{
	struct qemu_part *part = &parts->list[parts->n++];
	char id[QEMU_PART_ID_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(id, sizeof(id), fmt, ap);
	va_end(ap);
	qemu_part_init(part, kind, id);
	return part;
}

/* The device that the guest sees. */
static struct qemu_part *add_front(struct qemu_parts *parts, const char *driver, const char *id,
	const struct qemu_place *place)
{
	struct qemu_part *part = add_part(parts, QEMU_PART_DEVICE, "dev-%s", id);
	char bus[QEMU_BUS_NAME_SIZE];

	qemu_place_format_bus(place, bus);
	qemu_part_put(part, "driver", "%s", driver);
	qemu_part_put(part, "id", "%s", part->id);
	qemu_part_put(part, "bus", "%s", bus);
	if (place->kind == QEMU_PLACE_SCSI) {
		qemu_part_put_number(part, "scsi-id", 0);
		qemu_part_put_number(part, "lun", place->slot);
	} else {
		qemu_part_put(part, "addr", "%02x", place->slot);
	}
	return part;
}

/* ---- Networks ---- */

static void add_net_front(struct qemu_parts *parts, const char *id, const uint8_t mac[static 6],
	size_t n_queues, const struct qemu_place *place)
{
	const char *netdev = parts->list[parts->n - 1].id;
	struct qemu_part *part = add_front(parts, "virtio-net-pci", id, place);

	qemu_part_put(part, "netdev", "%s", netdev);
	qemu_part_put(part, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		mac[4], mac[5]);
	/* No boot ROM: nobody boots from it, and it is a package of its own. */
	qemu_part_put(part, "romfile", "%s", "");
	if (n_queues < 2)
		return;
	qemu_part_put_bool(part, "mq", true);
	qemu_part_put_number(part, "vectors", NET_VECTORS_PER_QUEUE * n_queues + NET_VECTORS_MORE);
}

void qemu_device_describe_net(const struct hypervisor_net *net, const struct qemu_place *place,
	uint32_t number, struct qemu_parts *ret)
{
	struct qemu_part *part;

	*ret = (struct qemu_parts){.n = 0};
	part = add_part(ret, QEMU_PART_NETDEV, "net%u", number);
	qemu_part_put(part, "type", "tap");
	qemu_part_put(part, "id", "%s", part->id);
	qemu_part_put_fds(part, "fds", net->tap_fds, net->n_queues);
	if (net->vhost_fds) {
		qemu_part_put_bool(part, "vhost", true);
		qemu_part_put_fds(part, "vhostfds", net->vhost_fds, net->n_queues);
	}
	add_net_front(ret, net->id, net->mac, net->n_queues, place);
	if (net->mtu >= MTU_MIN && net->mtu <= MTU_MAX)
		qemu_part_put_number(&ret->list[ret->n - 1], "host_mtu", net->mtu);
}

/* A connection of QEMU to a unix socket; the two forms have nothing in common but the id. */
static void add_socket(struct qemu_parts *parts, const char *path, uint32_t number)
{
	struct qemu_part *part = add_part(parts, QEMU_PART_CHARDEV, "char%u", number);

	qemu_part_put(part, "backend", "socket");
	qemu_part_only(part, QEMU_PART_OPTION);
	qemu_part_put(part, "id", "%s", part->id);
	qemu_part_put(part, "path", "%s", path);
	qemu_part_only(part, QEMU_PART_OPTION);
	qemu_part_put(part, "backend.type", "socket");
	qemu_part_only(part, QEMU_PART_COMMAND);
	qemu_part_put_bool(part, "backend.data.server", false);
	qemu_part_only(part, QEMU_PART_COMMAND);
	qemu_part_put(part, "backend.data.addr.type", "unix");
	qemu_part_only(part, QEMU_PART_COMMAND);
	qemu_part_put(part, "backend.data.addr.data.path", "%s", path);
	qemu_part_only(part, QEMU_PART_COMMAND);
}

void qemu_device_describe_vhost_user_net(const struct hypervisor_vhost_user_net *net,
	const struct qemu_place *place, uint32_t number, struct qemu_parts *ret)
{
	struct qemu_part *part;

	*ret = (struct qemu_parts){.n = 0};
	add_socket(ret, net->socket, number);
	part = add_part(ret, QEMU_PART_NETDEV, "net%u", number);
	qemu_part_put(part, "type", "vhost-user");
	qemu_part_put(part, "id", "%s", part->id);
	qemu_part_put(part, "chardev", "%s", ret->list[0].id);
	qemu_part_put_number(part, "queues", net->n_queues);
	add_net_front(ret, net->id, net->mac, net->n_queues, place);
}

/* ---- Disks ---- */

/* Opens what fd is open on, for reading and, unless it is read-only, writing. */
static int reopen(const struct hypervisor_block *block, int fd, struct err *err)
{
	char link[64];
	int opened;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	opened = open(link, (block->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (opened < 0)
		return err_sys(err, errno, "device %s: open %s", block->id,
			block->path ? block->path : "the descriptor again");
	return opened;
}

/* Looked at before it is opened: what is no disk must not make us wait, or have an effect. */
static int open_disk(const struct hypervisor_block *block, struct err *err)
{
	auto_fd int fd = open(block->path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "device %s: %s", block->id, block->path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, EINVAL, "device %s: %s is neither a file nor a block device",
			block->id, block->path);
	return reopen(block, fd, err);
}

/* QEMU takes an fd for a disk only if it can do what the disk may, and no more. */
static int fit_mode(const struct hypervisor_block *block, struct err *err)
{
	auto_fd int fd = block->fd;
	int mode = block->read_only ? O_RDONLY : O_RDWR, flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_sys(err, errno, "device %s", block->id);
	return (flags & O_ACCMODE) == mode ? take_fd(&fd) : reopen(block, fd, err);
}

/* The word of QEMU for what fd is. */
static const char *find_file_driver(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	return S_ISREG(st.st_mode) ? "file" : S_ISBLK(st.st_mode) ? "host_device" : NULL;
}

static void put_back_end(struct qemu_part *part, const struct hypervisor_block *block,
	const struct qemu_block_options *options, const char *file_driver, const char *set)
{
	qemu_part_put(part, "driver", "raw");
	qemu_part_put(part, "node-name", "%s", part->id);
	qemu_part_put_bool(part, "read-only", block->read_only);
	qemu_part_put(part, "discard", "%s", block->discard ? "unmap" : "ignore");
	qemu_part_put(part, "file.driver", "%s", file_driver);
	qemu_part_put(part, "file.filename", "/dev/fdset/%s", set);
	if (options->aio)
		qemu_part_put(part, "file.aio", "%s", options->aio);
	if (options->is_cache_set) {
		qemu_part_put_bool(part, "file.cache.direct", options->cache_direct);
		qemu_part_put_bool(part, "file.cache.no-flush", options->cache_no_flush);
	}
}

static void put_disk_options(struct qemu_part *part, const struct qemu_block_options *options,
	bool is_virtio, uint32_t number)
{
	if (options->logical_sector_size > 0)
		qemu_part_put_number(part, "logical_block_size", options->logical_sector_size);
	if (options->physical_sector_size > 0)
		qemu_part_put_number(part, "physical_block_size", options->physical_sector_size);
	if (is_virtio && options->n_queues > 0)
		qemu_part_put_number(part, "num-queues", options->n_queues);
	if (is_virtio && options->queue_size > 0)
		qemu_part_put_number(part, "queue-size", options->queue_size);
	if (is_virtio && options->n_iothreads > 0)
		qemu_part_put(part, "iothread", "iothread%u", number % options->n_iothreads);
}

int qemu_device_describe_block(const struct hypervisor_block *block,
	const struct qemu_block_options *options, const struct qemu_place *place, uint32_t number,
	struct qemu_parts *ret, struct err *err)
{
	int fd = block->fd >= 0 ? fit_mode(block, err) : open_disk(block, err);
	const char *file_driver, *driver;
	struct qemu_part *set, *part;

	*ret = (struct qemu_parts){.n = 0};
	if (fd < 0)
		return fd;
	set = add_part(ret, QEMU_PART_FD_SET, "%u", number);
	qemu_part_put_fds(set, "fd", &fd, 1);
	qemu_part_only(set, QEMU_PART_OPTION);
	qemu_part_put_number(set, "set", number);
	qemu_part_only(set, QEMU_PART_OPTION);
	qemu_part_put_number(set, "fdset-id", number);
	qemu_part_only(set, QEMU_PART_COMMAND);
	file_driver = find_file_driver(fd);
	if (!file_driver)
		return err_set(err, EINVAL, "device %s: %s is neither a file nor a block device",
			block->id, block->path ? block->path : "the descriptor");
	part = add_part(ret, QEMU_PART_BLOCKDEV, "drive%u", number);
	put_back_end(part, block, options, file_driver, set->id);
	driver = place->kind == QEMU_PLACE_SCSI ? "scsi-hd" : "virtio-blk-pci";
	part = add_front(ret, driver, block->id, place);
	qemu_part_put(part, "drive", "drive%u", number);
	if (block->serial && *block->serial)
		qemu_part_put(part, "serial", "%s", block->serial);
	put_disk_options(part, options, place->kind == QEMU_PLACE_BRIDGE, number);
	return 0;
}

void qemu_device_describe_vhost_user_blk(const struct hypervisor_vhost_user_blk *blk,
	const struct qemu_place *place, uint32_t number, struct qemu_parts *ret)
{
	struct qemu_part *part;

	*ret = (struct qemu_parts){.n = 0};
	add_socket(ret, blk->socket, number);
	part = add_front(ret, "vhost-user-blk-pci", blk->id, place);
	qemu_part_put(part, "chardev", "%s", ret->list[0].id);
	qemu_part_put_number(part, "num-queues", blk->n_queues > 0 ? blk->n_queues : 1);
}

/* ---- VFIO ---- */

/* "0000:65:00.0", as sysfs has it. */
static bool is_bdf(const char *s)
{
	static const char form[] = "xxxx:xx:xx.x";

	for (size_t i = 0; i < sizeof(form); i++) {
		bool is_hex = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f');

		if (form[i] == 'x' ? !is_hex : s[i] != form[i])
			return false;
	}
	return true;
}

int qemu_device_describe_vfio(const struct hypervisor_vfio *vfio, const struct qemu_place *place,
	struct qemu_parts *ret, struct err *err)
{
	*ret = (struct qemu_parts){.n = 0};
	if (!is_bdf(vfio->bdf))
		return err_set(
			err, EINVAL, "device %s: \"%.32s\" is no PCI address", vfio->id, vfio->bdf);
	qemu_part_put(add_front(ret, "vfio-pci", vfio->id, place), "host", "%s", vfio->bdf);
	return 0;
}
