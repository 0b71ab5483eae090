/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storages.h"

#include <string.h>

#include "agent/storage.h"
#include "wire/status.h"

static void storage_free(struct storage *s)
{
	if (!s)
		return;
	free(s->mount_point);
	free(s);
}

static bool set_owns(const struct storage_set *set, const struct storage *s)
{
	for (size_t i = 0; i < set->n_uses; i++)
		if (set->uses[i].storage == s && set->uses[i].own)
			return true;
	return false;
}

static int add_new(struct map *map, const Grpc__Storage *wanted, struct storage **ret)
{
	struct storage *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		s->mount_point = strdup(wanted->mount_point);
	if (s && s->mount_point)
		r = map_add(map, s->mount_point, s);
	if (r < 0) {
		storage_free(s);
		return r;
	}
	s->busy = true;
	*ret = s;
	return 0;
}

static int use(
	struct map *map, const Grpc__Storage *wanted, struct storage_set *set, struct err *err)
{
	struct storage_use *u = &set->uses[set->n_uses];
	int r = storage_check(wanted, err);

	if (r < 0)
		return r;
	u->storage = map_find(map, wanted->mount_point);
	u->own = !u->storage;
	if (u->own)
		r = add_new(map, wanted, &u->storage);
	else if (u->storage->busy && !set_owns(set, u->storage))
		return err_status(err, EBUSY, WIRE_ABORTED,
			"storage %s is being mounted or unmounted", wanted->mount_point);
	if (r < 0)
		return err_sys(err, -r, "storage %s", wanted->mount_point);
	u->storage->n_users++;
	u->storage->shared |= wanted->has_shared && wanted->shared;
	set->n_uses++;
	return 0;
}

int storages_acquire(
	struct map *map, Grpc__Storage **list, size_t n, struct storage_set *ret, struct err *err)
{
	struct storage_set set = {0};
	int r = 0;

	if (n > 0) {
		set.uses = calloc(n, sizeof(*set.uses));
		if (!set.uses)
			return err_sys(err, ENOMEM, "storages");
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = use(map, list[i], &set, err);
	if (r < 0) {
		storages_leave(&set);
		storages_forget(map, &set);
		return r;
	}
	*ret = set;
	return 0;
}

void storages_settle(struct storage_set *set)
{
	for (size_t i = 0; i < set->n_uses; i++) {
		if (set->uses[i].own)
			set->uses[i].storage->busy = false;
		set->uses[i].own = false;
	}
}

void storages_leave(struct storage_set *set)
{
	for (size_t i = 0; i < set->n_uses; i++) {
		struct storage_use *u = &set->uses[i];

		if (--u->storage->n_users > 0 || u->storage->busy || u->storage->shared)
			continue;
		u->own = u->storage->busy = true;
	}
}

void storages_forget(struct map *map, struct storage_set *set)
{
	for (size_t i = 0; i < set->n_uses; i++)
		if (set->uses[i].own)
			storage_free(map_remove(map, set->uses[i].storage->mount_point));
	free(set->uses);
	*set = (struct storage_set){0};
}

void storages_fini(struct map *map)
{
	MAP_FOREACH (e, map)
		storage_free(e->value);
	map_fini(map);
}

int storages_mount(const struct storage_set *set, Grpc__Storage **list, struct job_report *report,
	struct err *err)
{
	for (size_t i = 0; i < set->n_uses; i++) {
		int r;

		if (!set->uses[i].own)
			continue;
		job_report_step(report);
		r = storage_mount(list[i], err);
		if (r < 0) {
			job_report_step_back(report);
			return r;
		}
	}
	return 0;
}

int storages_unmount(const struct storage_set *set, uint32_t n_begun, struct err *err)
{
	size_t n_owned = 0;
	int first = 0;

	for (size_t i = 0; i < set->n_uses; i++)
		n_owned += set->uses[i].own;
	for (size_t i = set->n_uses; i-- > 0;) {
		struct err one = ERR_INIT;

		if (!set->uses[i].own || --n_owned >= n_begun)
			continue;
		if (storage_unmount(set->uses[i].storage->mount_point, &one) < 0 && first == 0)
			first = err_copy(err, &one);
	}
	return first;
}
