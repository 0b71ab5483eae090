/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/spec.h"

#include <string.h>

#include "agent/rpc.h"
#include "wire/status.h"

static char type_block[] = "b", type_char[] = "c", access_all[] = "rwm";

/* One device of the host, as the spec lists it, and what it is in the guest. */
struct change {
	const Grpc__LinuxDevice *host;
	struct device_found *guest;
	bool is_vfio;
};

void device_spec_fini(struct device_spec *s)
{
	free(s->devices);
	free(s->device_list);
	device_rules_fini(&s->rules);
	free(s->map);
	*s = (struct device_spec){.devices = NULL};
}

static bool is_block(const char *type)
{
	return strcmp(rpc_str(type), "b") == 0;
}

static bool is_same_host(const Grpc__LinuxDevice *a, const Grpc__LinuxDevice *b)
{
	return is_block(a->type) == is_block(b->type) && a->major == b->major &&
	       a->minor == b->minor;
}

static bool is_same_guest(const struct device_found *a, const struct device_found *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static int check_conflicts(const struct change *changes, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (is_same_host(changes[i].host, changes[j].host) &&
				!is_same_guest(changes[i].guest, changes[j].guest))
				return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
					"devices %s and %s are one on the host and two in the "
					"guest",
					changes[j].host->path, changes[i].host->path);
	return 0;
}

static int find_changes(
	const struct device_set *set, const Grpc__Linux *l, struct change *ret, struct err *err)
{
	for (size_t i = 0; i < set->n_updates; i++) {
		const char *path = set->updates[i].request->container_path;

		ret[i].guest = &set->updates[i].found;
		ret[i].is_vfio = device_request_use(set->updates[i].request) == DEVICE_USE_VFIO;
		for (size_t j = 0; j < l->n_devices; j++)
			if (strcmp(rpc_str(l->devices[j]->path), path) == 0)
				ret[i].host = l->devices[j];
		if (!ret[i].host)
			return err_set(err, ENOENT, "device %s: the spec has no such device", path);
	}
	return check_conflicts(ret, set->n_updates, err);
}

static void put_device(const struct change *c, Grpc__LinuxDevice *to)
{
	*to = *c->host;
	to->type = c->guest->type == 'b' ? type_block : type_char;
	to->has_major = to->has_minor = 1;
	to->major = c->guest->major;
	to->minor = c->guest->minor;
	/* A container opens its IOMMU group by the guest's number. */
	if (c->is_vfio)
		to->path = c->guest->node;
}

static int put_devices(
	const struct change *changes, size_t n, Grpc__Linux *l, struct device_spec *s)
{
	s->devices = calloc(n, sizeof(*s->devices));
	s->device_list = calloc(l->n_devices, sizeof(*s->device_list));
	if (!s->devices || !s->device_list)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_devices; i++)
		s->device_list[i] = l->devices[i];
	for (size_t i = 0; i < n; i++) {
		put_device(&changes[i], &s->devices[i]);
		for (size_t j = 0; j < l->n_devices; j++)
			if (l->devices[j] == changes[i].host)
				s->device_list[j] = &s->devices[i];
	}
	l->devices = s->device_list;
	return 0;
}

void device_rules_fini(struct device_rules *rules)
{
	free(rules->rules);
	free(rules->list);
	*rules = (struct device_rules){.rules = NULL};
}

static void set_rule(Grpc__LinuxDeviceCgroup *rule, const struct device_number *guest)
{
	rule->type = guest->is_block ? type_block : type_char;
	rule->has_major = rule->has_minor = 1;
	rule->major = guest->major;
	rule->minor = guest->minor;
}

static bool is_rule_of(const Grpc__LinuxDeviceCgroup *rule, const struct device_number *host)
{
	const char *type = rpc_str(rule->type);

	return (strcmp(type, "b") == 0 || strcmp(type, "c") == 0) &&
	       is_block(type) == host->is_block && rule->has_major && rule->has_minor &&
	       rule->major == host->major && rule->minor == host->minor;
}

static void put_rule(const struct device_renumbering *map, size_t n,
	const Grpc__LinuxDeviceCgroup *rule, Grpc__LinuxDeviceCgroup *to)
{
	*to = *rule;
	for (size_t i = 0; i < n; i++)
		if (is_rule_of(rule, &map[i].host)) {
			set_rule(to, &map[i].guest);
			return;
		}
}

int device_rules_translate(const struct device_renumbering *map, size_t n,
	const Grpc__LinuxResources *from, struct device_rules *ret)
{
	size_t n_rules = from->n_devices;
	struct device_rules rules = {.resources = *from};

	if (n_rules > 0) {
		rules.rules = calloc(n_rules + n, sizeof(*rules.rules));
		rules.list = calloc(n_rules + n, sizeof(*rules.list));
		if (!rules.rules || !rules.list) {
			device_rules_fini(&rules);
			return -ENOMEM;
		}
		for (size_t i = 0; i < n_rules; i++)
			put_rule(map, n, from->devices[i], &rules.rules[i]);
		for (size_t i = 0; i < n; i++) {
			Grpc__LinuxDeviceCgroup *rule = &rules.rules[n_rules + i];

			*rule = (Grpc__LinuxDeviceCgroup)GRPC__LINUX_DEVICE_CGROUP__INIT;
			rule->has_allow = rule->allow = 1;
			rule->access = access_all;
			set_rule(rule, &map[i].guest);
		}
		for (size_t i = 0; i < n_rules + n; i++)
			rules.list[i] = &rules.rules[i];
		rules.resources.devices = rules.list;
		rules.resources.n_devices = n_rules + n;
	}
	*ret = rules;
	return 0;
}

static int put_map(const struct change *changes, size_t n, struct device_spec *s)
{
	s->map = calloc(n, sizeof(*s->map));
	if (!s->map)
		return -ENOMEM;
	s->n_map = n;
	for (size_t i = 0; i < n; i++) {
		const Grpc__LinuxDevice *host = changes[i].host;
		const struct device_found *guest = changes[i].guest;

		s->map[i].host =
			(struct device_number){is_block(host->type), host->major, host->minor};
		s->map[i].guest =
			(struct device_number){guest->type == 'b', guest->major, guest->minor};
	}
	return 0;
}

static int put_rules(Grpc__Linux *l, struct device_spec *s)
{
	int r;

	if (!l->resources)
		return 0;
	r = device_rules_translate(s->map, s->n_map, l->resources, &s->rules);
	if (r == 0)
		l->resources = &s->rules.resources;
	return r;
}

int device_spec_apply(
	const struct device_set *set, Grpc__Linux *l, struct device_spec *ret, struct err *err)
{
	auto_free struct change *changes = calloc(set->n_updates + 1, sizeof(*changes));
	int r;

	*ret = (struct device_spec){.devices = NULL};
	if (!changes)
		return err_sys(err, ENOMEM, "devices");
	if (set->n_updates == 0)
		return 0;
	r = find_changes(set, l, changes, err);
	if (r < 0)
		return r;
	r = put_devices(changes, set->n_updates, l, ret);
	if (r == 0)
		r = put_map(changes, set->n_updates, ret);
	if (r == 0)
		r = put_rules(l, ret);
	return r < 0 ? err_sys(err, -r, "devices") : 0;
}
