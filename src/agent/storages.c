/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storages.h"

#include <stdio.h>
#include <string.h>

#include "agent/rpc.h"
#include "agent/storage/multi_layer.h"
#include "agent/watch.h"
#include "wire/status.h"

static void storage_free(struct storage *s)
{
	if (!s)
		return;
	watch_free(s->watch);
	free(s->mount_point);
	free(s->container_id);
	free(s);
}

static bool set_owns(const struct storage_set *set, const struct storage *s)
{
	for (size_t i = 0; i < set->n_uses; i++)
		if (set->uses[i].storage == s && set->uses[i].own)
			return true;
	return false;
}

static int add_new(
	struct map *map, const char *key, const struct storage_owner *owner, struct storage **ret)
{
	struct storage *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		s->mount_point = strdup(key);
	if (s && owner->container_id)
		s->container_id = strdup(owner->container_id);
	if (s && s->mount_point && !s->container_id == !owner->container_id)
		r = map_add(map, s->mount_point, s);
	if (r < 0) {
		storage_free(s);
		return r;
	}
	s->owner =
		(struct storage_owner){.run_dir = owner->run_dir, .container_id = s->container_id};
	s->busy = true;
	*ret = s;
	return 0;
}

/* Another request for a storage that there is must mean the same one. */
static int check_again(const struct storage *s, const struct storage_driver *driver,
	const struct storage_owner *owner, struct err *err)
{
	if (s->driver != driver)
		return err_status(err, EEXIST, WIRE_INVALID_ARGUMENT,
			"storage %s is one of the driver %s already", s->mount_point,
			s->driver->name);
	if (s->is_private && strcmp(rpc_str(s->container_id), rpc_str(owner->container_id)) != 0)
		return err_status(err, EBUSY, WIRE_INVALID_ARGUMENT,
			"storage %s belongs to container %s", s->mount_point,
			rpc_str(s->container_id));
	return 0;
}

static int check_others(const struct map *map, const Grpc__Storage *wanted,
	const struct storage_driver *driver, const struct storage_owner *owner, struct err *err)
{
	MAP_FOREACH (e, map) {
		const struct storage *s = e->value;

		if (s->driver == driver && driver->excludes &&
			driver->excludes(wanted->mount_point, s->mount_point, owner))
			return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
				"storage %s cannot be beside %s", wanted->mount_point,
				s->mount_point);
	}
	return 0;
}

/* key: the mount point, or that of a layer. */
static int use(struct map *map, const Grpc__Storage *wanted, const char *key,
	const struct storage_owner *owner, struct storage_set *set, struct err *err)
{
	struct storage_use *u = &set->uses[set->n_uses];
	const struct storage_driver *driver;
	int r = storage_check(wanted, owner, &driver, err);

	if (r == 0)
		r = check_others(map, wanted, driver, owner, err);
	if (r < 0)
		return r;
	u->storage = map_find(map, key);
	u->own = !u->storage;
	if (u->own)
		r = add_new(map, key, owner, &u->storage);
	else if (u->storage->busy && !set_owns(set, u->storage))
		return err_status(err, EBUSY, WIRE_ABORTED,
			"storage %s is being mounted or unmounted", wanted->mount_point);
	else
		r = check_again(u->storage, driver, owner, err);
	if (r < 0 && u->own)
		return err_sys(err, -r, "storage %s", wanted->mount_point);
	if (r < 0)
		return r;
	if (u->own) {
		u->storage->driver = driver;
		u->storage->is_private = driver->is_private && driver->is_private(wanted);
	}
	u->storage->n_users++;
	u->storage->stays |= driver->stays || (wanted->has_shared && wanted->shared);
	set->n_uses++;
	return 0;
}

/* Of a group of layers all but one are known by names that are no mount points. */
static int use_member(struct map *map, Grpc__Storage **list, size_t n, size_t i,
	const struct storage_owner *owner, struct storage_set *set, struct err *err)
{
	auto_free char *key = NULL;
	size_t leader;
	int r = multi_layer_check(list, n, &leader, err);

	if (r < 0)
		return r;
	if (i == leader)
		return use(map, list[i], list[i]->mount_point, owner, set, err);
	if (asprintf(&key, "layer %zu of %s", i, rpc_str(owner->container_id)) < 0) {
		key = NULL;
		return err_sys(err, ENOMEM, "layers");
	}
	return use(map, list[i], key, owner, set, err);
}

int storages_acquire(struct map *map, Grpc__Storage **list, size_t n,
	const struct storage_owner *owner, struct storage_set *ret, struct err *err)
{
	struct storage_set set = {0};
	int r = 0;

	if (n > 0) {
		set.uses = calloc(n, sizeof(*set.uses));
		if (!set.uses)
			return err_sys(err, ENOMEM, "storages");
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = multi_layer_is_member(list[i])
			    ? use_member(map, list, n, i, owner, &set, err)
			    : use(map, list[i], rpc_str(list[i]->mount_point), owner, &set, err);
	if (r < 0) {
		storages_leave(&set);
		storages_forget(map, &set);
		return r;
	}
	*ret = set;
	return 0;
}

int storages_watch(
	struct agent *agent, struct storage_set *set, Grpc__Storage **list, struct err *err)
{
	for (size_t i = 0; i < set->n_uses; i++) {
		struct storage *s = set->uses[i].storage;

		if (!set->uses[i].own || s->driver != &storage_watchable)
			continue;
		if (watch_new(agent, list[i]->source, s->mount_point, &s->watch, err) < 0)
			return err_wrap(err, "storage %s", s->mount_point);
	}
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

		if (--u->storage->n_users == 0 && !u->storage->busy && !u->storage->stays)
			u->own = u->storage->busy = true;
		if (u->own)
			watch_free(take_ptr(&u->storage->watch));
	}
}

void storages_forget(struct map *map, struct storage_set *set)
{
	for (size_t i = 0; i < set->n_uses; i++)
		if (set->uses[i].own)
			storage_free(map_remove(map, set->uses[i].storage->mount_point));
	for (size_t i = 0; i < set->n_uses; i++)
		free(set->uses[i].source);
	free(set->uses);
	*set = (struct storage_set){0};
}

void storages_fini(struct map *map)
{
	MAP_FOREACH (e, map)
		storage_free(e->value);
	map_fini(map);
}

/* The group, for its leader; its other members have nothing to do on their own. */
static int mount_layers(const struct storage_set *set, Grpc__Storage **list,
	const struct storage *leader, struct err *err)
{
	auto_free Grpc__Storage *found = calloc(set->n_uses, sizeof(*found));
	auto_free Grpc__Storage **members = calloc(set->n_uses, sizeof(*members));
	int r;

	if (*leader->mount_point != '/')
		return 0;
	if (!found || !members)
		return err_sys(err, ENOMEM, "layers");
	for (size_t i = 0; i < set->n_uses; i++) {
		found[i] = *list[i];
		if (set->uses[i].source)
			found[i].source = set->uses[i].source;
		members[i] = &found[i];
	}
	r = multi_layer_mount(members, set->n_uses, leader->mount_point, &leader->owner, err);
	return r < 0 ? err_wrap(err, "storage %s", leader->mount_point) : 0;
}

int storages_mount(const struct storage_set *set, Grpc__Storage **list, struct job_report *report,
	struct err *err)
{
	for (size_t i = 0; i < set->n_uses; i++) {
		const struct storage *s = set->uses[i].storage;
		Grpc__Storage found = *list[i];
		int r;

		if (!set->uses[i].own)
			continue;
		if (set->uses[i].source)
			found.source = set->uses[i].source;
		job_report_step(report);
		r = s->driver == &storage_multi_layer
			    ? mount_layers(set, list, s, err)
			    : storage_mount(s->driver, &found, &s->owner, err);
		if (r < 0) {
			job_report_step_back(report);
			return r;
		}
	}
	return 0;
}

static void unmount(const struct storage *s, int *first, struct err *err)
{
	struct err one = ERR_INIT;

	/* A layer is nowhere by itself. */
	if (*s->mount_point != '/')
		return;
	if (storage_unmount(s->driver, s->mount_point, &s->owner, &one) < 0 && *first == 0)
		*first = err_copy(err, &one);
}

int storages_unmount(const struct storage_set *set, uint32_t n_begun, struct err *err)
{
	size_t n_owned = 0;
	int first = 0;

	for (size_t i = 0; i < set->n_uses; i++)
		n_owned += set->uses[i].own;
	for (size_t i = set->n_uses; i-- > 0;) {
		if (set->uses[i].own && --n_owned < n_begun)
			unmount(set->uses[i].storage, &first, err);
	}
	return first;
}

static bool is_unused(const struct storage *s)
{
	return s->n_users == 0 && !s->busy;
}

/* The map is ordered by path: what is mounted below something else comes after it. */
int storages_unmount_rest(const struct map *map, struct err *err)
{
	int first = 0;

	for (size_t i = map->n_entries; i-- > 0;)
		if (is_unused(map->entries[i].value))
			unmount(map->entries[i].value, &first, err);
	return first;
}

void storages_forget_rest(struct map *map)
{
	for (size_t i = map->n_entries; i-- > 0;) {
		struct storage *s = map->entries[i].value;

		if (is_unused(s))
			storage_free(map_remove(map, s->mount_point));
	}
}
