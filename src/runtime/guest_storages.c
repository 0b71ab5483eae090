/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_storages.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/guest_devices.h"
#include "runtime/layout.h"
#include "wire/message.h"

enum { OPTIONS_MAX = 4 };

static void storage_free(Grpc__Storage *s)
{
	if (s)
		grpc__storage__free_unpacked(s, NULL);
}

/* By way of the wire: every string becomes the copy's own. */
static Grpc__Storage *copy(const Grpc__Storage *s)
{
	size_t size = grpc__storage__get_packed_size(s);
	auto_free uint8_t *bytes = malloc(size + 1);

	if (!bytes)
		return NULL;
	grpc__storage__pack(s, bytes);
	return grpc__storage__unpack(NULL, size, bytes);
}

int guest_storages_add(struct guest_storages *s, const Grpc__Storage *storage)
{
	Grpc__Storage **list = reallocarray(s->list, s->n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	s->list = list;
	list[s->n] = copy(storage);
	if (!list[s->n])
		return -ENOMEM;
	s->n++;
	return 0;
}

void guest_storages_fini(struct guest_storages *s)
{
	for (size_t i = 0; i < s->n; i++)
		storage_free(s->list[i]);
	free(s->list);
	*s = (struct guest_storages){0};
}

char *guest_storages_place(enum volume_kind kind, const char *name, const char *sandbox_id)
{
	char *place;
	int n;

	if (kind == VOLUME_LOCAL)
		n = asprintf(&place, "%s/%s/rootfs/local/%s", LAYOUT_GUEST_PASSTHROUGH, sandbox_id,
			name);
	else if (kind == VOLUME_WATCHABLE)
		n = asprintf(&place, "%s/%s", LAYOUT_GUEST_WATCHABLE, name);
	else
		n = asprintf(&place, "%s/%s", LAYOUT_GUEST_EPHEMERAL, name);
	return n < 0 ? NULL : place;
}

int guest_storages_add_memory(
	struct guest_storages *s, const struct volume_facts *facts, const char *place)
{
	char size[32], mode[16], gid[32];
	char *options[OPTIONS_MAX];
	Grpc__Storage storage = GRPC__STORAGE__INIT;

	storage.driver = message_text("ephemeral");
	storage.source = message_text("tmpfs");
	storage.fstype = message_text("tmpfs");
	storage.mount_point = message_text(place);
	storage.options = options;
	snprintf(mode, sizeof(mode), "mode=%o", (unsigned int)facts->mode & 07777);
	options[storage.n_options++] = mode;
	if (facts->size > 0) {
		snprintf(size, sizeof(size), "size=%" PRIu64, facts->size);
		options[storage.n_options++] = size;
	}
	if (facts->gid != 0) {
		snprintf(gid, sizeof(gid), "fsgid=%u", (unsigned int)facts->gid);
		options[storage.n_options++] = gid;
	}
	return guest_storages_add(s, &storage);
}

int guest_storages_add_local(
	struct guest_storages *s, const struct volume_facts *facts, const char *place)
{
	char mode[] = "mode=0777", gid[32];
	char *options[OPTIONS_MAX] = {mode};
	Grpc__Storage storage = GRPC__STORAGE__INIT;

	storage.driver = storage.source = storage.fstype = message_text("local");
	storage.mount_point = message_text(place);
	storage.options = options;
	storage.n_options = 1;
	if (facts->gid != 0) {
		snprintf(gid, sizeof(gid), "fsgid=%u", (unsigned int)facts->gid);
		options[storage.n_options++] = gid;
	}
	return guest_storages_add(s, &storage);
}

int guest_storages_add_disk(struct guest_storages *s,
	const struct hypervisor_guest_address *address, const char *fs_type, char *const *options,
	size_t n_options, const char *place)
{
	Grpc__Storage storage = GRPC__STORAGE__INIT;
	auto_free char **kept = calloc(n_options + 1, sizeof(*kept));

	if (!kept)
		return -ENOMEM;
	/* The guest's is a disk already. */
	for (size_t i = 0; i < n_options; i++)
		if (strcmp(options[i], "loop") != 0)
			kept[storage.n_options++] = options[i];
	storage.driver = message_text(guest_devices_driver(address));
	storage.source = message_text(guest_devices_source(address));
	storage.fstype = message_text(fs_type);
	storage.mount_point = message_text(place);
	storage.options = kept;
	return guest_storages_add(s, &storage);
}

int guest_storages_add_watchable(struct guest_storages *s, const char *source, const char *place)
{
	Grpc__Storage storage = GRPC__STORAGE__INIT;

	storage.driver = message_text("watchable-bind");
	storage.source = message_text(source);
	storage.fstype = message_text("bind");
	storage.mount_point = message_text(place);
	return guest_storages_add(s, &storage);
}

bool guest_storages_parse_size(const char *text, uint64_t *ret)
{
	static const struct {
		char unit;
		unsigned int shift;
	} units[] = {{'k', 10}, {'m', 20}, {'g', 30}, {'t', 40}};
	uint64_t value;
	unsigned int shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units) && shift == 0; i++)
		if ((*end | 0x20) == units[i].unit)
			shift = units[i].shift;
	end += shift > 0;
	if (shift > 0 && *end == 'i')
		end++;
	if (*end == 'B')
		end++;
	if (*end || value > UINT64_MAX >> shift)
		return false;
	*ret = value << shift;
	return true;
}

static uint64_t hugepage_limit(const Grpc__LinuxResources *resources, uint64_t page_size)
{
	for (size_t i = 0; resources && i < resources->n_hugepagelimits; i++) {
		const Grpc__LinuxHugepageLimit *limit = resources->hugepagelimits[i];
		uint64_t size;

		if (limit->pagesize && guest_storages_parse_size(limit->pagesize, &size) &&
			size == page_size)
			return limit->limit;
	}
	return 0;
}

int guest_storages_add_hugepages(struct guest_storages *s, const Grpc__LinuxResources *resources,
	const struct volume_facts *facts, const char *place, struct err *err)
{
	uint64_t limit = hugepage_limit(resources, facts->page_size);
	Grpc__Storage storage = GRPC__STORAGE__INIT;
	char text[64], *options[] = {text};
	int r;

	if (limit == 0)
		return err_set(err, EINVAL,
			"config.json: a volume of huge pages of %" PRIu64
			" bytes: linux.resources.hugepageLimits has no limit for them",
			facts->page_size);
	snprintf(text, sizeof(text), "pagesize=%" PRIu64 ",size=%" PRIu64, facts->page_size, limit);
	storage.driver = message_text("ephemeral");
	storage.source = message_text("nodev");
	storage.fstype = message_text("hugetlbfs");
	storage.mount_point = message_text(place);
	storage.options = options;
	storage.n_options = 1;
	r = guest_storages_add(s, &storage);
	return r < 0 ? err_sys(err, -r, "make the guest's storages") : 0;
}
