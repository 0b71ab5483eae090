/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/attach.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/device/vfio.h"
#include "agent/job.h"
#include "base/io.h"
#include "base/log.h"
#include "wire/status.h"

struct item {
	struct attach *attach;
	const Grpc__Device *device; /* NULL: of a storage */
	struct storage_use *use;    /* of a storage */
	struct device_want want;
	struct hotplug_wait *wait; /* NULL: it has ended */
	struct device_found found;
	struct pci_pair pair; /* of a PCI device of the host */
	bool is_first;	      /* of its request: becomes the IOMMU group of all of them */
};

enum phase {
	PHASE_FIND,   /* every device */
	PHASE_BIND,   /* those for VFIO to its driver */
	PHASE_GROUPS, /* the nodes that come of it */
};

struct attach {
	struct attach_config config;
	struct item *items; /* owned */
	size_t n_items, n_waiting;
	struct job *job;
	struct err failure; /* the first; what is under way is being ended */
	bool is_cancelled;
	enum phase phase;
};

static void attach_free(struct attach *a)
{
	for (size_t i = 0; i < a->n_items; i++)
		hotplug_wait_free(a->items[i].wait);
	free(a->items);
	free(a);
}

static enum device_use use_of(const struct item *item)
{
	return item->device ? device_request_use(item->device) : DEVICE_USE_DISK;
}

static bool is_for_vfio(const struct item *item)
{
	return use_of(item) == DEVICE_USE_VFIO;
}

static int collect_item(struct item *item, struct device_set *set)
{
	if (!item->device) {
		item->use->source = strdup(item->found.node);
		return item->use->source ? 0 : -ENOMEM;
	}
	if (use_of(item) == DEVICE_USE_DISK || (is_for_vfio(item) && item->is_first))
		set->updates[set->n_updates++] =
			(struct device_update){.request = item->device, .found = item->found};
	if (use_of(item) != DEVICE_USE_DISK)
		set->pairs[set->n_pairs++] = item->pair;
	return 0;
}

static int collect(struct attach *a, struct device_set *ret)
{
	struct device_set set = {.updates = calloc(a->n_items, sizeof(*set.updates)),
		.pairs = calloc(a->n_items, sizeof(*set.pairs))};
	int r = set.updates && set.pairs ? 0 : -ENOMEM;

	for (size_t i = 0; i < a->n_items && r == 0; i++)
		r = collect_item(&a->items[i], &set);
	if (r < 0) {
		device_set_fini(&set);
		return r;
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

static void go_on(struct attach *a);

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
	go_on(a);
}

static int start_wait(struct item *item, struct err *err)
{
	int r = hotplug_wait(
		item->attach->config.hotplug, &item->want, on_found, item, &item->wait, err);

	item->attach->n_waiting += r == 0;
	return r;
}

static int start_waits(struct attach *a, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < a->n_items && r == 0; i++)
		r = start_wait(&a->items[i], err);
	return r;
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

static void on_job_done(void *data, const struct err *err, uint32_t n_steps)
{
	struct attach *a = data;

	(void)n_steps;
	a->job = NULL;
	if (err)
		fail(a, err);
	go_on(a);
}

static int start_scan(struct attach *a, struct err *err)
{
	struct job_config job = {
		.name = "scan SCSI hosts", .run = scan_scsi, .done = on_job_done, .data = a};

	for (size_t i = 0; i < a->n_items; i++)
		if (a->items[i].want.kind == DEVICE_BLOCK_SCSI)
			return job_start(a->config.reaper, &job, &a->job, err);
	return 0;
}

/* In a job: a driver that has to let go of its device may take its time. */
static int bind_all(void *data, struct job_report *report, struct err *err)
{
	const struct attach *a = data;
	int r = 0;

	(void)report;
	for (size_t i = 0; i < a->n_items && r == 0; i++)
		if (is_for_vfio(&a->items[i]))
			r = vfio_bind(a->config.hotplug->sys_dir, a->items[i].pair.guest, err);
	return r;
}

static int start_binding(struct attach *a, struct err *err)
{
	struct job_config job = {
		.name = "bind to vfio-pci", .run = bind_all, .done = on_job_done, .data = a};
	bool is_needed = false;

	for (size_t i = 0; i < a->n_items; i++) {
		a->items[i].pair.guest = a->items[i].found.address;
		is_needed |= is_for_vfio(&a->items[i]);
	}
	return is_needed ? job_start(a->config.reaper, &job, &a->job, err) : 0;
}

static int check_group(struct attach *a, struct item *item, unsigned int *group, struct err *err)
{
	unsigned int own;
	int r = vfio_find_group(a->config.hotplug->sys_dir, item->pair.guest, &own, err);

	if (r < 0)
		return r;
	if (item->is_first)
		*group = own;
	if (own != *group)
		return err_set(err, EINVAL,
			"device %s: its PCI devices are in IOMMU groups %u and %u, which must be "
			"one",
			item->device->container_path, *group, own);
	return 0;
}

/* The node of a group comes when vfio-pci has taken its first device. */
static int start_group_waits(struct attach *a, struct err *err)
{
	unsigned int group = 0;
	int r = 0;

	for (size_t i = 0; i < a->n_items && r == 0; i++) {
		struct item *item = &a->items[i];

		if (!is_for_vfio(item))
			continue;
		r = check_group(a, item, &group, err);
		if (r < 0 || !item->is_first)
			continue;
		device_want_vfio_group(group, &item->want);
		r = start_wait(item, err);
	}
	return r;
}

static int start_phase(struct attach *a, struct err *err)
{
	switch (a->phase) {
	case PHASE_FIND:
		break;
	case PHASE_BIND:
		return start_binding(a, err);
	case PHASE_GROUPS:
		return start_group_waits(a, err);
	}
	return 0;
}

/* When something has ended. */
static void go_on(struct attach *a)
{
	while (a->n_waiting == 0 && !a->job && a->phase < PHASE_GROUPS && !a->is_cancelled &&
		!err_is_set(&a->failure)) {
		struct err err = ERR_INIT;

		a->phase++;
		if (start_phase(a, &err) < 0)
			fail(a, &err);
	}
	if (a->n_waiting == 0 && !a->job)
		finish(a);
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

static int add_device(struct attach *a, const Grpc__Device *d, struct err *err)
{
	bool has_first = false;
	int r = 0;

	for (size_t i = 0; i < device_request_count(d) && r >= 0; i++) {
		struct item item = {.device = d, .is_first = !has_first};

		r = device_request_want(d, i, &item.want, &item.pair.host, err);
		if (r == 0)
			log_write(LOG_WARN, "device", "not waited for: it has no PCI path",
				"device", d->options[i], NULL);
		if (r <= 0)
			continue;
		has_first = true;
		r = add_item(a, &item, err);
	}
	return r < 0 ? r : 0;
}

static int add_devices(struct attach *a, struct err *err)
{
	for (size_t i = 0; i < a->config.n_devices; i++) {
		int r = add_device(a, a->config.devices[i], err);

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
	size_t n = a->config.set ? a->config.set->n_uses : 0;
	int r;

	for (size_t i = 0; i < a->config.n_devices && n < ATTACH_MAX; i++)
		n += device_request_count(a->config.devices[i]);
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
	go_on(a);
}
