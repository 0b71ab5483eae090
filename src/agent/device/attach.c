/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/attach.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/job.h"
#include "base/io.h"
#include "wire/status.h"

struct item {
	struct attach *attach;
	const Grpc__Device *device; /* NULL: of a storage */
	struct storage_use *use;    /* of a storage */
	struct device_want want;
	struct hotplug_wait *wait; /* NULL: it has ended */
	struct device_found found;
};

struct attach {
	struct attach_config config;
	struct item *items; /* owned */
	size_t n_items, n_waiting;
	struct job *job;
	struct err failure; /* the first; what is under way is being ended */
	bool is_cancelled;
};

static void attach_free(struct attach *a)
{
	for (size_t i = 0; i < a->n_items; i++)
		hotplug_wait_free(a->items[i].wait);
	free(a->items);
	free(a);
}

static int collect(struct attach *a, struct device_set *ret)
{
	struct device_set set = {.updates = calloc(a->n_items, sizeof(*set.updates))};

	if (!set.updates)
		return -ENOMEM;
	for (size_t i = 0; i < a->n_items; i++) {
		struct item *item = &a->items[i];

		if (item->device) {
			set.updates[set.n_updates++] = (struct device_update){
				.request = item->device, .found = item->found};
			continue;
		}
		item->use->source = strdup(item->found.node);
		if (!item->use->source) {
			device_set_fini(&set);
			return -ENOMEM;
		}
	}
	*ret = set;
	return 0;
}

/* Nothing is under way any more. */
static void finish(struct attach *a)
{
	struct attach_config config = a->config;
	struct device_set found = {.updates = NULL};
	struct err failure = a->failure;

	if (a->is_cancelled) {
		attach_free(a);
		return;
	}
	if (!err_is_set(&failure)) {
		int r = collect(a, &found);

		if (r < 0)
			err_sys(&failure, -r, "devices");
	}
	attach_free(a);
	if (err_is_set(&failure))
		config.done(config.data, NULL, &failure);
	else
		config.done(config.data, &found, NULL);
}

static void finish_if_idle(struct attach *a)
{
	if (a->n_waiting == 0 && !a->job)
		finish(a);
}

/* Ends the other waits and the job, which reports later. */
static void stop(struct attach *a)
{
	for (size_t i = 0; i < a->n_items; i++)
		hotplug_wait_free(take_ptr(&a->items[i].wait));
	a->n_waiting = 0;
	if (a->job)
		job_kill(a->job);
}

static void fail(struct attach *a, const struct err *err)
{
	if (err_is_set(&a->failure))
		return;
	a->failure = *err;
	stop(a);
}

static void on_found(void *data, const struct device_found *found, const struct err *err)
{
	struct item *item = data;
	struct attach *a = item->attach;

	item->wait = NULL;
	a->n_waiting--;
	if (err)
		fail(a, err);
	else
		item->found = *found;
	finish_if_idle(a);
}

static int start_waits(struct attach *a, struct err *err)
{
	for (size_t i = 0; i < a->n_items; i++) {
		struct item *item = &a->items[i];
		int r = hotplug_wait(
			a->config.hotplug, &item->want, on_found, item, &item->wait, err);

		if (r < 0)
			return r;
		a->n_waiting++;
	}
	return 0;
}

/* "0 <id> <lun>": channel, target and unit to look at. A host that has no such target refuses. */
static void scan_host(int dir_fd, const char *host, const struct attach *a)
{
	char path[NAME_MAX + sizeof("/scan")], text[64];

	snprintf(path, sizeof(path), "%s/scan", host);
	for (size_t i = 0; i < a->n_items; i++) {
		if (a->items[i].want.kind != DEVICE_BLOCK_SCSI)
			continue;
		snprintf(text, sizeof(text), "0 %u %u", a->items[i].want.id, a->items[i].want.lun);
		(void)!io_write_file(dir_fd, path, text);
	}
}

/* In a job: looking asks the device, which may take its time. Disks that no host finds are missed
 * by those who wait for them. */
static int scan_scsi(void *data, struct job_report *report, struct err *err)
{
	const struct attach *a = data;
	char path[PCI_DEVPATH_SIZE];
	struct dirent *entry;
	DIR *dir;

	(void)report, (void)err;
	snprintf(path, sizeof(path), "%s/class/scsi_host", a->config.hotplug->sys_dir);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			scan_host(dirfd(dir), entry->d_name, a);
	closedir(dir);
	return 0;
}

static void on_scanned(void *data, const struct err *err, uint32_t n_steps)
{
	struct attach *a = data;

	(void)n_steps;
	a->job = NULL;
	if (err)
		fail(a, err);
	finish_if_idle(a);
}

static int start_scan(struct attach *a, struct err *err)
{
	struct job_config job = {
		.name = "scan SCSI hosts", .run = scan_scsi, .done = on_scanned, .data = a};

	for (size_t i = 0; i < a->n_items; i++)
		if (a->items[i].want.kind == DEVICE_BLOCK_SCSI)
			return job_start(a->config.reaper, &job, &a->job, err);
	return 0;
}

static int add_item(struct attach *a, const struct item *item, struct err *err)
{
	if (a->n_items >= ATTACH_MAX)
		return err_status(err, E2BIG, WIRE_INVALID_ARGUMENT,
			"a request for more than %d devices", ATTACH_MAX);
	a->items[a->n_items] = *item;
	a->items[a->n_items++].attach = a;
	return 0;
}

static int add_devices(struct attach *a, struct err *err)
{
	for (size_t i = 0; i < a->config.n_devices; i++) {
		struct item item = {.device = a->config.devices[i]};
		int r = device_request_want(item.device, &item.want, err);

		if (r == 0)
			r = add_item(a, &item, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_storages(struct attach *a, struct err *err)
{
	const struct storage_set *set = a->config.set;

	for (size_t i = 0; set && i < set->n_uses; i++) {
		struct item item = {.use = &set->uses[i]};
		const struct storage_driver *driver = item.use->storage->driver;
		int r = 0;

		if (item.use->own && driver->want_device)
			r = driver->want_device(a->config.storages[i], &item.want, err);
		if (r > 0)
			r = add_item(a, &item, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int start(struct attach *a, struct err *err)
{
	size_t n = a->config.n_devices + (a->config.set ? a->config.set->n_uses : 0);
	int r;

	a->items = calloc(n < ATTACH_MAX ? n + 1 : ATTACH_MAX, sizeof(*a->items));
	if (!a->items)
		return err_sys(err, ENOMEM, "devices");
	r = add_devices(a, err);
	if (r == 0)
		r = add_storages(a, err);
	if (r == 0)
		r = start_waits(a, err);
	/* After the waits: what it finds is heard. */
	return r < 0 ? r : start_scan(a, err);
}

int attach_start(const struct attach_config *config, struct attach **ret, struct err *err)
{
	struct attach *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_sys(err, ENOMEM, "devices");
	a->config = *config;
	r = start(a, err);
	if (r < 0 || a->n_items == 0) {
		attach_free(a);
		a = NULL;
	}
	if (r == 0)
		*ret = a;
	return r;
}

void attach_cancel(struct attach *a)
{
	if (!a)
		return;
	a->is_cancelled = true;
	stop(a);
	finish_if_idle(a);
}
