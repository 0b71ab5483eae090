/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/sandbox_disk.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/list.h"
#include "runtime/sandbox_private.h"

enum disk_state { DISK_COMING, DISK_THERE, DISK_GOING };

struct sandbox_disk {
	struct list link;
	struct sandbox *sb; /* borrowed: its owner */
	char id[HYPERVISOR_DEVICE_ID_SIZE];
	dev_t dev; /* of a block device its number, and ino is 0 */
	ino_t ino;
	bool is_readonly;
	enum disk_state state;
	unsigned n_users;
	struct hypervisor_guest_address address;
	sandbox_disk_fn *plugged;
	sandbox_done_fn *released;
	void *data; /* borrowed from who waits */
};

static void disk_free(struct sandbox_disk *d)
{
	list_remove(&d->link);
	free(d);
}

void sandbox_free_disks(struct sandbox *sb)
{
	LIST_FOREACH_SAFE (d, &sb->disks, struct sandbox_disk, link)
		disk_free(d);
}

static void on_added(
	void *data, const struct hypervisor_guest_address *address, const struct err *err)
{
	struct sandbox_disk *d = data;
	sandbox_disk_fn *plugged = d->plugged;
	void *to = d->data;

	d->plugged = NULL;
	if (err) {
		disk_free(d);
		if (plugged)
			plugged(to, NULL, err);
		return;
	}
	d->address = *address;
	d->state = DISK_THERE;
	if (plugged)
		plugged(to, d, NULL);
	else
		(void)!sandbox_disk_release(d, NULL, NULL, NULL);
}

static struct sandbox_disk *find_disk(struct sandbox *sb, dev_t dev, ino_t ino)
{
	LIST_FOREACH (d, &sb->disks, struct sandbox_disk, link)
		if (d->dev == dev && d->ino == ino)
			return d;
	return NULL;
}

static int use_again(
	struct sandbox_disk *d, bool is_readonly, struct sandbox_disk **ret, struct err *err)
{
	if (d->state != DISK_THERE)
		return err_set(err, EBUSY, "disk %s is just coming or going", d->id);
	if (d->is_readonly != is_readonly)
		return err_set(err, EBUSY, "disk %s is in use %s", d->id,
			d->is_readonly ? "read-only" : "for writing");
	d->n_users++;
	*ret = d;
	return 1;
}

static int plug(struct sandbox_disk *d, int fd, struct err *err)
{
	struct hypervisor_block block = {.id = d->id, .fd = fd, .read_only = d->is_readonly};

	snprintf(d->id, sizeof(d->id), "disk%u", ++d->sb->last_disk);
	return hypervisor_add_block(d->sb->hv, &block, on_added, d, err);
}

int sandbox_disk_plug(struct sandbox *sb, int fd, bool is_readonly, sandbox_disk_fn *done,
	void *data, struct sandbox_disk **ret, struct err *err)
{
	auto_fd int own_fd = fd;
	struct sandbox_disk *d;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "look at a disk");
	if (S_ISBLK(st.st_mode)) {
		st.st_dev = st.st_rdev;
		st.st_ino = 0;
	} else if (!S_ISREG(st.st_mode)) {
		return err_set(err, ENOTBLK, "a disk is a block device or a regular file");
	}
	d = find_disk(sb, st.st_dev, st.st_ino);
	if (d)
		return use_again(d, is_readonly, ret, err);
	if (sb->state != SANDBOX_RUNNING)
		return err_set(err, ENOTCONN, "the virtual machine does not run");
	d = malloc(sizeof(*d));
	if (!d)
		return err_sys(err, ENOMEM, "plug a disk");
	*d = (struct sandbox_disk){.sb = sb,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.is_readonly = is_readonly,
		.n_users = 1,
		.plugged = done,
		.data = data};
	list_init(&d->link);
	r = plug(d, take_fd(&own_fd), err);
	if (r < 0) {
		free(d);
		return r;
	}
	list_add(&sb->disks, &d->link);
	return 0;
}

const struct hypervisor_guest_address *sandbox_disk_address(const struct sandbox_disk *disk)
{
	return &disk->address;
}

/* One that the guest holds on to is there for as long as the machine is, and is not given to anybody
 * else. */
static void on_removed(void *data, const struct err *err)
{
	struct sandbox_disk *d = data;
	sandbox_done_fn *released = d->released;
	void *to = d->data;

	d->released = NULL;
	if (!err)
		disk_free(d);
	if (released)
		released(to, err);
}

int sandbox_disk_release(
	struct sandbox_disk *disk, sandbox_done_fn *done, void *data, struct err *err)
{
	int r;

	if (--disk->n_users > 0 || disk->sb->state != SANDBOX_RUNNING)
		return 1;
	disk->state = DISK_GOING;
	disk->released = done;
	disk->data = data;
	r = hypervisor_remove_device(disk->sb->hv, disk->id, on_removed, disk, err);
	if (r < 0)
		disk->released = NULL;
	return r;
}

void sandbox_disk_forget(struct sandbox *sb, const void *data)
{
	LIST_FOREACH (d, &sb->disks, struct sandbox_disk, link) {
		if (d->data != data)
			continue;
		d->plugged = NULL;
		d->released = NULL;
	}
}
