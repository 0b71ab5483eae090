/* SPDX-License-Identifier: Apache-2.0 */
/* The disks of a container: plugged in one after the other before it is created in the guest, and taken
 * out after it has been removed there. */
#include "runtime/container_disks.h"

#include <string.h>

#include "base/log.h"

struct container_disks {
	struct sandbox *sandbox;   /* borrowed */
	struct share_plan *plan;   /* borrowed while they are plugged */
	struct sandbox_disk **all; /* owned array */
	size_t n;
	size_t at; /* of the plan: what is plugged */
	sandbox_done_fn *done;
	void *data; /* borrowed from who waits */
};

static size_t count_disks(const struct share_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_items; i++)
		n += plan->items[i].disk_fd >= 0;
	return n;
}

int container_disks_new(
	struct sandbox *sb, struct share_plan *plan, struct container_disks **ret, struct err *err)
{
	struct container_disks *d = calloc(1, sizeof(*d));
	size_t n = count_disks(plan);

	if (d)
		*d = (struct container_disks){
			.sandbox = sb, .plan = plan, .all = calloc(n + 1, sizeof(*d->all))};
	if (!d || !d->all) {
		free(d);
		return err_sys(err, ENOMEM, "plug the container's disks");
	}
	*ret = d;
	return n > 0;
}

void container_disks_free(struct container_disks *d)
{
	if (!d)
		return;
	sandbox_disk_forget(d->sandbox, d);
	free(d->all);
	free(d);
}

static void on_plugged(void *data, struct sandbox_disk *disk, const struct err *err);

static void keep(struct container_disks *d, struct sandbox_disk *disk)
{
	d->all[d->n++] = disk;
	d->plan->items[d->at++].address = sandbox_disk_address(disk);
}

/* 1: nothing is left to be waited for. */
static int plug_next(struct container_disks *d, struct err *err)
{
	for (; d->at < d->plan->n_items;) {
		struct share_mount *m = &d->plan->items[d->at];
		struct sandbox_disk *disk;
		int r;

		if (m->disk_fd < 0) {
			d->at++;
			continue;
		}
		r = sandbox_disk_plug(d->sandbox, take_fd(&m->disk_fd),
			share_plan_facts(d->plan, d->at)->is_readonly, on_plugged, d, &disk, err);
		if (r < 0)
			err_wrap(err, "disk %s", m->source);
		if (r <= 0)
			return r;
		keep(d, disk);
	}
	return 1;
}

static void on_plugged(void *data, struct sandbox_disk *disk, const struct err *err)
{
	struct container_disks *d = data;
	struct err failed = ERR_INIT;
	int r;

	if (err) {
		d->done(d->data, err);
		return;
	}
	keep(d, disk);
	r = plug_next(d, &failed);
	if (r != 0)
		d->done(d->data, r < 0 ? &failed : NULL);
}

int container_disks_plug(
	struct container_disks *d, sandbox_done_fn *done, void *data, struct err *err)
{
	d->done = done;
	d->data = data;
	return plug_next(d, err);
}

static void on_released(void *data, const struct err *err);

/* 1: nothing is left to be waited for. One that the guest does not let go stays until its end. */
static int release_next(struct container_disks *d)
{
	while (d->n > 0) {
		struct err err = ERR_INIT;
		int r = sandbox_disk_release(d->all[--d->n], on_released, d, &err);

		if (r == 0)
			return 0;
		if (r < 0)
			log_write(LOG_WARN, "container", "take a disk out", "error", err.msg, NULL);
	}
	return 1;
}

static void on_released(void *data, const struct err *err)
{
	struct container_disks *d = data;

	if (err)
		log_write(LOG_WARN, "container", "take a disk out", "error", err->msg, NULL);
	if (release_next(d) > 0)
		d->done(d->data, NULL);
}

int container_disks_release(struct container_disks *d, sandbox_done_fn *done, void *data)
{
	d->done = done;
	d->data = data;
	return release_next(d);
}
