/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a container's mounts in the guest, once their sources have been looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "oci/spec.h"
#include "oom.h"
#include "runtime/guest_spec.h"

struct guest {
	Grpc__Spec *host;
	struct layout layout;
	struct share_plan plan;
	struct guest_spec *guest;
	const Grpc__Spec *spec;
	const struct guest_storages *storages;
};

static const struct hypervisor_guest_address disk_address = {.pci = "02/03"};

/* As the job does it: the spec's only bind turns out to be this. */
static void fill_facts(struct share_plan *plan, const struct volume_facts *facts)
{
	if (plan->n_items == 0)
		return;
	plan->facts = mmap(NULL, plan->n_items * sizeof(*facts), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(plan->facts != MAP_FAILED);
	plan->n_facts = plan->n_items;
	plan->facts[0] = *facts;
	if (facts->kind == VOLUME_BLOCK)
		plan->items[0].address = &disk_address;
}

static int make(
	struct guest *g, const char *json, const struct volume_facts *facts, struct err *err)
{
	static const struct guest_spec_config config = {.cid = "c1", .bundle = "/bundle"};
	int r;

	memset(g, 0, sizeof(*g));
	assert_int_equal(layout_init(&g->layout, "/run", "s1"), 0);
	share_plan_init(&g->plan, &g->layout);
	r = oci_spec_parse(json, strlen(json), &g->host, NULL, NULL);
	if (r == 0)
		r = guest_spec_new(g->host, &config, &g->plan, &g->guest, err);
	if (r < 0)
		return r;
	fill_facts(&g->plan, facts);
	r = guest_spec_settle(g->guest, "c1", "s1", &g->plan, err);
	g->spec = guest_spec_get(g->guest);
	g->storages = guest_spec_storages(g->guest);
	return r;
}

static void drop(struct guest *g)
{
	guest_spec_free(g->guest);
	share_plan_fini(&g->plan);
	oci_spec_free(g->host);
}

#define SPEC(source, resources)                                       \
	"{\"linux\":{\"resources\":{" resources                       \
	"}},\"mounts\":[{\"destination\":\"/v\",\"source\":\"" source \
	"\",\"type\":\"bind\",\"options\":[\"rbind\",\"ro\"]}]}"

#define EMPTY_DIR "/pods/1/volumes/kubernetes.io~empty-dir/cache"

static void a_shared_volume_needs_no_storage(void **state)
{
	struct volume_facts facts = {.kind = VOLUME_SHARED};
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, SPEC("/srv", ""), &facts, NULL), 0);
	assert_int_equal(g.storages->n, 0);
	assert_string_equal(g.spec->mounts[0]->source,
		"/run/kata-containers/shared/containers/passthrough/c1/vol0");
	drop(&g);
}

static void memory_is_the_pods_with_size_mode_and_group(void **state)
{
	struct volume_facts facts = {
		.kind = VOLUME_MEMORY, .mode = S_IFDIR | 02770, .gid = 42, .size = 1 << 20};
	const Grpc__Storage *s;
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, SPEC(EMPTY_DIR "/", ""), &facts, NULL), 0);
	assert_int_equal(g.storages->n, 1);
	s = g.storages->list[0];
	assert_string_equal(s->driver, "ephemeral");
	assert_string_equal(s->source, "tmpfs");
	assert_string_equal(s->fstype, "tmpfs");
	assert_string_equal(s->mount_point, "/run/kata-containers/sandbox/ephemeral/cache");
	assert_int_equal(s->n_options, 3);
	assert_string_equal(s->options[0], "mode=2770");
	assert_string_equal(s->options[1], "size=1048576");
	assert_string_equal(s->options[2], "fsgid=42");
	assert_string_equal(g.spec->mounts[0]->source, s->mount_point);
	assert_string_equal(g.spec->mounts[0]->options[1], "ro");
	drop(&g);
	facts = (struct volume_facts){.kind = VOLUME_MEMORY, .mode = S_IFDIR | 0777};
	assert_int_equal(make(&g, SPEC(EMPTY_DIR, ""), &facts, NULL), 0);
	assert_int_equal(g.storages->list[0]->n_options, 1);
	drop(&g);
}

static void a_local_directory_is_in_the_sandboxs_root(void **state)
{
	struct volume_facts facts = {.kind = VOLUME_LOCAL, .gid = 7};
	const Grpc__Storage *s;
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, SPEC(EMPTY_DIR, ""), &facts, NULL), 0);
	s = g.storages->list[0];
	assert_string_equal(s->driver, "local");
	assert_string_equal(s->source, "local");
	assert_string_equal(s->fstype, "local");
	assert_string_equal(s->mount_point,
		"/run/kata-containers/shared/containers/passthrough/s1/rootfs/local/cache");
	assert_string_equal(s->options[0], "mode=0777");
	assert_string_equal(s->options[1], "fsgid=7");
	assert_string_equal(g.spec->mounts[0]->source, s->mount_point);
	drop(&g);
}

static void a_watched_volume_is_bound_from_the_agents_copy(void **state)
{
	struct volume_facts facts = {.kind = VOLUME_WATCHABLE};
	const Grpc__Storage *s;
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, SPEC("/v/kubernetes.io~configmap/c", ""), &facts, NULL), 0);
	s = g.storages->list[0];
	assert_string_equal(s->driver, "watchable-bind");
	assert_string_equal(s->fstype, "bind");
	assert_string_equal(
		s->source, "/run/kata-containers/shared/containers/passthrough/c1/vol0");
	assert_string_equal(
		s->mount_point, "/run/kata-containers/shared/containers/watchable/c1-vol0");
	assert_string_equal(g.spec->mounts[0]->source, s->mount_point);
	drop(&g);
}

#define LIMITS                                                                  \
	"\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":1},{\"pageSize\":" \
	"\"2MB\",\"limit\":4194304}]"

static void huge_pages_have_the_size_of_the_containers_limit(void **state)
{
	struct volume_facts facts = {.kind = VOLUME_HUGEPAGES, .page_size = 2 << 20};
	const Grpc__Storage *s;
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, SPEC(EMPTY_DIR, LIMITS), &facts, NULL), 0);
	s = g.storages->list[0];
	assert_string_equal(s->driver, "ephemeral");
	assert_string_equal(s->source, "nodev");
	assert_string_equal(s->fstype, "hugetlbfs");
	assert_string_equal(s->mount_point, "/run/kata-containers/sandbox/ephemeral/cache");
	assert_int_equal(s->n_options, 1);
	assert_string_equal(s->options[0], "pagesize=2097152,size=4194304");
	assert_string_equal(g.spec->mounts[0]->type, "bind");
	drop(&g);
}

static void huge_pages_without_a_limit_are_refused(void **state)
{
	struct volume_facts facts = {.kind = VOLUME_HUGEPAGES, .page_size = 64 << 10};
	struct err err = ERR_INIT;
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, SPEC(EMPTY_DIR, LIMITS), &facts, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "65536"));
	assert_non_null(strstr(err.msg, "hugepageLimits"));
	drop(&g);
}

static void a_hugetlbfs_is_the_guests(void **state)
{
	static const char json[] =
		"{\"linux\":{\"resources\":{" LIMITS "}},\"mounts\":[{\"destination\":\"/h\","
		"\"source\":\"nodev\",\"type\":\"hugetlbfs\",\"options\":[\"nosuid\"%s]}]}";
	static const struct {
		const char *option, *words; /* NULL: refused */
	} rows[] = {
		{"", "pagesize=2097152,size=4194304"},
		{",\"pagesize=2M\"", "pagesize=2097152,size=4194304"},
		{",\"pagesize=1G\"", "pagesize=1073741824,size=1"},
		{",\"pagesize=\"", NULL},
		{",\"pagesize=64k\"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct guest g;
		char text[512];
		int r;

		snprintf(text, sizeof(text), json, rows[i].option);
		r = make(&g, text, NULL, NULL);
		assert_int_equal(r, rows[i].words ? 0 : -EINVAL);
		if (r == 0) {
			assert_string_equal(g.storages->list[0]->mount_point,
				"/run/kata-containers/sandbox/ephemeral/c1-vol0");
			assert_string_equal(g.storages->list[0]->options[0], rows[i].words);
			assert_string_equal(
				g.spec->mounts[0]->source, g.storages->list[0]->mount_point);
			assert_string_equal(g.spec->mounts[0]->type, "bind");
		}
		drop(&g);
	}
}

static void a_bind_of_a_disk_becomes_a_device(void **state)
{
	struct volume_facts facts = {.kind = VOLUME_BLOCK,
		.mode = S_IFBLK | 0640,
		.uid = 1,
		.gid = 6,
		.device = makedev(8, 16)};
	const struct guest_devices *devices;
	const Grpc__LinuxDevice *node;
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, SPEC("/dev/sdb", ""), &facts, NULL), 0);
	assert_int_equal(g.spec->n_mounts, 0);
	assert_int_equal(g.storages->n, 0);
	devices = guest_spec_devices(g.guest);
	assert_int_equal(devices->n, 1);
	assert_string_equal(devices->request_list[0]->type, "blk");
	assert_string_equal(devices->request_list[0]->id, "02/03");
	assert_string_equal(devices->request_list[0]->container_path, "/v");
	assert_int_equal(g.spec->linux->n_devices, 1);
	node = g.spec->linux->devices[0];
	assert_string_equal(node->path, "/v");
	assert_string_equal(node->type, "b");
	assert_int_equal(node->major, 8);
	assert_int_equal(node->minor, 16);
	assert_int_equal(node->filemode, 0640);
	assert_int_equal(node->uid, 1);
	assert_int_equal(node->gid, 6);
	drop(&g);
}

static void what_dev_has_but_disks_is_the_guests(void **state)
{
	struct volume_facts facts = {.kind = VOLUME_SHARED};
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, SPEC("/dev/kmsg", ""), &facts, NULL), 0);
	assert_int_equal(g.spec->n_mounts, 1);
	assert_string_equal(g.spec->mounts[0]->source, "/dev/kmsg");
	assert_int_equal(guest_spec_devices(g.guest)->n, 0);
	drop(&g);
}

static void a_device_of_the_spec_keeps_its_node(void **state)
{
	static const char json[] =
		"{\"linux\":{\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":8,"
		"\"minor\":16}],\"resources\":{\"devices\":[{\"allow\":true,\"type\":\"b\","
		"\"major\":8,\"minor\":16,\"access\":\"rw\"}]}}}";
	struct volume_facts facts = {.kind = VOLUME_BLOCK, .device = makedev(8, 16)};
	struct err err = ERR_INIT;
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, json, &facts, NULL), 0);
	assert_int_equal(g.spec->linux->n_devices, 1);
	assert_int_equal(guest_spec_devices(g.guest)->n, 1);
	assert_string_equal(guest_spec_devices(g.guest)->request_list[0]->container_path, "/dev/x");
	drop(&g);
	facts.kind = VOLUME_SHARED;
	assert_int_equal(make(&g, json, &facts, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "8:16"));
	drop(&g);
}

static void a_file_system_on_a_disk_is_mounted_in_the_guest(void **state)
{
	static const char json[] =
		"{\"linux\":{},\"mounts\":[{\"destination\":\"/v\",\"source\":\"/images/one\","
		"\"type\":\"ext4\",\"options\":[\"ro\",\"loop\",\"noload\"]}]}";
	struct volume_facts facts = {.kind = VOLUME_BLOCK, .is_readonly = true};
	const Grpc__Storage *s;
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, json, &facts, NULL), 0);
	assert_int_equal(g.storages->n, 1);
	s = g.storages->list[0];
	assert_string_equal(s->driver, "blk");
	assert_string_equal(s->source, "02/03");
	assert_string_equal(s->fstype, "ext4");
	assert_int_equal(s->n_options, 2);
	assert_string_equal(s->options[0], "ro");
	assert_string_equal(s->options[1], "noload");
	assert_string_equal(s->mount_point, "/run/kata-containers/sandbox/storage/c1-vol0");
	assert_string_equal(g.spec->mounts[0]->source, s->mount_point);
	assert_string_equal(g.spec->mounts[0]->type, "bind");
	drop(&g);
}

static void a_root_on_a_disk_is_mounted_in_the_guest(void **state)
{
	static const char json[] = "{\"linux\":{},\"root\":{\"path\":\"rootfs\"}}";
	static const struct guest_spec_config config = {.cid = "c1", .bundle = "/bundle"};
	struct volume_facts facts = {.kind = VOLUME_BLOCK};
	char loop[] = "loop", sync_word[] = "sync", *options[] = {loop, sync_word};
	struct share_mount root = {.purpose = SHARE_DISK,
		.is_root = true,
		.type = "ext4",
		.source = "/image",
		.options = options,
		.n_options = 2};
	const Grpc__Storage *s;
	struct guest g = {0};

	(void)state;
	assert_int_equal(layout_init(&g.layout, "/run", "s1"), 0);
	share_plan_init(&g.plan, &g.layout);
	assert_int_equal(share_plan_add(&g.plan, &root, "passthrough/c1/rootfs"), 0);
	assert_int_equal(oci_spec_parse(json, strlen(json), &g.host, NULL, NULL), 0);
	assert_int_equal(guest_spec_new(g.host, &config, &g.plan, &g.guest, NULL), 0);
	fill_facts(&g.plan, &facts);
	assert_int_equal(guest_spec_settle(g.guest, "c1", "s1", &g.plan, NULL), 0);
	assert_string_equal(guest_spec_get(g.guest)->root->path, "/run/kata-containers/c1/rootfs");
	assert_int_equal(guest_spec_storages(g.guest)->n, 1);
	s = guest_spec_storages(g.guest)->list[0];
	assert_string_equal(s->driver, "blk");
	assert_string_equal(s->source, "02/03");
	assert_string_equal(s->fstype, "ext4");
	assert_string_equal(s->mount_point, "/run/kata-containers/c1/rootfs");
	assert_int_equal(s->n_options, 1);
	assert_string_equal(s->options[0], "sync");
	drop(&g);
}

static void a_mount_for_the_guest_loses_its_prefix(void **state)
{
	static const char json[] =
		"{\"linux\":{},\"mounts\":[{\"destination\":\"/v\",\"source\":\"/dev/vdb\","
		"\"type\":\"kata:guest-mount:ext4\",\"options\":[\"ro\"]}]}";
	struct guest g;

	(void)state;
	assert_int_equal(make(&g, json, NULL, NULL), 0);
	assert_string_equal(g.spec->mounts[0]->type, "ext4");
	assert_string_equal(g.spec->mounts[0]->source, "/dev/vdb");
	assert_int_equal(g.plan.n_items, 0);
	drop(&g);
}

static void sizes_are_read_as_the_field_writes_them(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t size;
	} rows[] = {
		{"2MB", true, 2 << 20},
		{"2M", true, 2 << 20},
		{"2Mi", true, 2 << 20},
		{"1Gi", true, 1 << 30},
		{"64KB", true, 64 << 10},
		{"64k", true, 64 << 10},
		{"16777215T", true, 16777215ULL << 40},
		{"0", true, 0},
		{"4096", true, 4096},
		{"4096B", true, 4096},
		{"16777216T", false, 0},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"", false, 0},
		{"MB", false, 0},
		{"-1", false, 0},
		{" 1", false, 0},
		{"1 M", false, 0},
		{"2MBx", false, 0},
		{"2MM", false, 0},
		{"2iB", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t size = 0;

		assert_int_equal(guest_storages_parse_size(rows[i].text, &size), rows[i].good);
		assert_true(size == rows[i].size);
	}
}

static void settling_survives_the_lack_of_memory(void **state)
{
	static const enum volume_kind kinds[] = {
		VOLUME_MEMORY, VOLUME_WATCHABLE, VOLUME_HUGEPAGES, VOLUME_BLOCK};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct volume_facts facts = {.kind = kinds[k], .page_size = 2 << 20};

		OOM_SWEEP(n)
		{
			struct guest g;
			int r;

			oom_arm(n);
			r = make(&g, SPEC(EMPTY_DIR, LIMITS), &facts, NULL);
			oom_disarm();
			if (r < 0)
				assert_int_equal(r, -ENOMEM);
			drop(&g);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_volume_needs_no_storage),
		cmocka_unit_test(memory_is_the_pods_with_size_mode_and_group),
		cmocka_unit_test(a_local_directory_is_in_the_sandboxs_root),
		cmocka_unit_test(a_watched_volume_is_bound_from_the_agents_copy),
		cmocka_unit_test(huge_pages_have_the_size_of_the_containers_limit),
		cmocka_unit_test(huge_pages_without_a_limit_are_refused),
		cmocka_unit_test(a_hugetlbfs_is_the_guests),
		cmocka_unit_test(a_bind_of_a_disk_becomes_a_device),
		cmocka_unit_test(what_dev_has_but_disks_is_the_guests),
		cmocka_unit_test(a_device_of_the_spec_keeps_its_node),
		cmocka_unit_test(a_file_system_on_a_disk_is_mounted_in_the_guest),
		cmocka_unit_test(a_root_on_a_disk_is_mounted_in_the_guest),
		cmocka_unit_test(a_mount_for_the_guest_loses_its_prefix),
		cmocka_unit_test(sizes_are_read_as_the_field_writes_them),
		cmocka_unit_test(settling_survives_the_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
