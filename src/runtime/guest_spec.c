/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's spec is a shallow copy: messages that change are copied one level deep into struct
 * guest_spec, lists that change get an array of their own, and everything else is shared with the
 * host's spec. Strings made here are kept in a list to be freed.
 */
#include "runtime/guest_spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "runtime/guest_mounts.h"
#include "wire/message.h"

struct guest_spec {
	const Grpc__Spec *host; /* borrowed */
	Grpc__Spec spec;
	Grpc__Process process;
	Grpc__Root root;
	Grpc__Hooks hooks;
	Grpc__Linux linux;
	Grpc__LinuxResources resources;
	Grpc__LinuxCPU cpu;
	bool shares_pid;
	Grpc__Spec *fitted; /* owned; NULL: spec is what goes */

	Grpc__Spec__AnnotationsEntry annotations[2];
	Grpc__Spec__AnnotationsEntry **annotation_list; /* owned array */
	Grpc__LinuxDevice **device_list;		/* owned array */
	size_t *device_plan; /* owned array: where in the plan, SIZE_MAX if it is not there */
	struct guest_devices devices;
	Grpc__LinuxNamespace *namespaces; /* owned array, and the list of it: */
	Grpc__LinuxNamespace **namespace_list;
	struct guest_mounts mounts;
	char **strings; /* owned, each and the array */
	size_t n_strings;
};

static const char initdata_annotation[] = "io.katacontainers.config.hypervisor.cc_init_data";
static const char bundle_annotation[] = "io.katacontainers.pkg.oci.bundle_path";
static const char type_annotation[] = "io.katacontainers.pkg.oci.container_type";

static const char *annotation(const Grpc__Spec *spec, const char *const *keys, size_t n_keys)
{
	for (size_t i = 0; i < n_keys; i++)
		for (size_t k = 0; k < spec->n_annotations; k++)
			if (strcmp(spec->annotations[k]->key, keys[i]) == 0)
				return spec->annotations[k]->value;
	return NULL;
}

int guest_spec_type_of(const Grpc__Spec *spec, enum guest_spec_type *ret, struct err *err)
{
	static const char *const keys[] = {"io.kubernetes.cri-o.ContainerType",
		"io.kubernetes.cri.container-type", "io.kubernetes.docker.type"};
	static const struct {
		const char *name;
		enum guest_spec_type type;
	} types[] = {
		{"sandbox", GUEST_SPEC_POD_SANDBOX},
		{"podsandbox", GUEST_SPEC_POD_SANDBOX},
		{"pod_sandbox", GUEST_SPEC_POD_SANDBOX},
		{"container", GUEST_SPEC_POD_CONTAINER},
		{"pod_container", GUEST_SPEC_POD_CONTAINER},
		{"single_container", GUEST_SPEC_SINGLE},
	};
	const char *text = annotation(spec, keys, ARRAY_SIZE(keys));

	if (!text) {
		*ret = GUEST_SPEC_SINGLE;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(text, types[i].name) == 0) {
			*ret = types[i].type;
			return 0;
		}
	}
	return err_set(
		err, EINVAL, "config.json: annotations: unknown container type \"%s\"", text);
}

const char *guest_spec_sandbox_id(const Grpc__Spec *spec)
{
	static const char *const keys[] = {"io.kubernetes.cri-o.SandboxID",
		"io.kubernetes.cri.sandbox-id", "io.kubernetes.sandbox.id"};

	return annotation(spec, keys, ARRAY_SIZE(keys));
}

/* Keeps s (which may be NULL: no memory) with g and returns it. */
static char *keep(struct guest_spec *g, char *s)
{
	char **strings = s ? reallocarray(g->strings, g->n_strings + 1, sizeof(*strings)) : NULL;

	if (!strings) {
		free(s);
		return NULL;
	}
	g->strings = strings;
	strings[g->n_strings++] = s;
	return s;
}

static char *keep_joined(struct guest_spec *g, const char *a, const char *b)
{
	char *s;

	return keep(g, asprintf(&s, "%s%s", a, b) < 0 ? NULL : s);
}

static int amend_annotations(
	struct guest_spec *g, const struct guest_spec_config *config, enum guest_spec_type type)
{
	static const char *const names[] = {
		[GUEST_SPEC_SINGLE] = "single_container",
		[GUEST_SPEC_POD_SANDBOX] = "pod_sandbox",
		[GUEST_SPEC_POD_CONTAINER] = "pod_container",
	};
	const char *const added[][2] = {
		{bundle_annotation, config->bundle}, {type_annotation, names[type]}};
	Grpc__Spec__AnnotationsEntry **from = g->spec.annotations;
	size_t n = 0;

	g->annotation_list =
		calloc(g->spec.n_annotations + ARRAY_SIZE(added), sizeof(*g->annotation_list));
	if (!g->annotation_list)
		return -ENOMEM;
	for (size_t i = 0; i < g->spec.n_annotations; i++) {
		const char *key = from[i]->key;

		/* Ours are ours to say: a pod cannot set them. */
		if (strcmp(key, initdata_annotation) != 0 && strcmp(key, bundle_annotation) != 0 &&
			strcmp(key, type_annotation) != 0)
			g->annotation_list[n++] = from[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(added); i++) {
		Grpc__Spec__AnnotationsEntry *entry = &g->annotations[i];

		grpc__spec__annotations_entry__init(entry);
		entry->key = message_text(added[i][0]);
		entry->value = keep_joined(g, added[i][1], "");
		if (!entry->value)
			return -ENOMEM;
		g->annotation_list[n++] = entry;
	}
	g->spec.annotations = g->annotation_list;
	g->spec.n_annotations = n;
	return 0;
}

/* Only startContainer runs in the container; the others belong to the host. */
static int amend_hooks(struct guest_spec *g, struct err *err)
{
	const Grpc__Hooks *from = g->spec.hooks;

	if (!from)
		return 0;
	if (from->n_prestart || from->n_poststart || from->n_poststop || from->n_createruntime ||
		from->n_createcontainer)
		return err_set(err, ENOTSUP,
			"config.json: hooks: hooks on the host are not supported yet");
	grpc__hooks__init(&g->hooks);
	g->hooks.n_startcontainer = from->n_startcontainer;
	g->hooks.startcontainer = from->startcontainer;
	g->spec.hooks = g->hooks.n_startcontainer > 0 ? &g->hooks : NULL;
	return 0;
}

static void amend_process(struct guest_spec *g)
{
	if (!g->spec.process)
		return;
	g->process = *g->spec.process;
	g->process.apparmorprofile = NULL;
	g->process.selinuxlabel = NULL;
	g->spec.process = &g->process;
}

static int amend_root(struct guest_spec *g, const char *cid)
{
	if (g->spec.root)
		g->root = *g->spec.root;
	else
		grpc__root__init(&g->root);
	g->root.path = keep_joined(g, LAYOUT_GUEST_PASSTHROUGH "/", cid);
	g->root.path = g->root.path ? keep_joined(g, g->root.path, "/rootfs") : NULL;
	g->spec.root = &g->root;
	return g->root.path ? 0 : -ENOMEM;
}

static bool is_type(const Grpc__LinuxNamespace *ns, const char *type)
{
	return ns->type && strcmp(ns->type, type) == 0;
}

static int amend_namespaces(struct guest_spec *g)
{
	size_t n_from = g->linux.n_namespaces, n = 0;

	g->namespaces = calloc(n_from + 1, sizeof(*g->namespaces));
	g->namespace_list = calloc(n_from + 1, sizeof(*g->namespace_list));
	if (!g->namespaces || !g->namespace_list)
		return -ENOMEM;
	for (size_t i = 0; i < n_from; i++) {
		const Grpc__LinuxNamespace *from = g->linux.namespaces[i];

		if (is_type(from, "pid"))
			g->shares_pid = from->path && from->path[0];
		if (is_type(from, "pid") || is_type(from, "network") || is_type(from, "time"))
			continue;
		g->namespaces[n] = *from;
		g->namespaces[n].path = NULL;
		g->namespace_list[n] = &g->namespaces[n];
		n++;
	}
	g->linux.timeoffsets = NULL;
	g->linux.namespaces = g->namespace_list;
	g->linux.n_namespaces = n;
	return 0;
}

static void amend_resources(struct guest_spec *g)
{
	if (!g->linux.resources)
		return;
	g->resources = *g->linux.resources;
	g->resources.n_devices = 0;
	g->resources.devices = NULL;
	g->resources.blockio = NULL;
	g->resources.network = NULL;
	if (g->resources.cpu) {
		g->cpu = *g->resources.cpu;
		g->cpu.cpus = NULL;
		g->resources.cpu = &g->cpu;
	}
	g->linux.resources = &g->resources;
}

static bool is_block(const Grpc__LinuxDevice *d)
{
	return d->type && strcmp(d->type, "b") == 0;
}

/* VFIO groups are the host's, and so are disks that the container is not given by name. */
static bool is_given_to_guest(const struct guest_spec *g, const Grpc__LinuxDevice *d)
{
	if (is_block(d))
		return d->path && guest_devices_are_granted(d, g->host->linux->resources);
	return !(d->path && strncmp(d->path, "/dev/vfio/", 10) == 0);
}

/* Found by its numbers: the path is that in the container. */
static int plan_disk(struct guest_spec *g, size_t n, struct share_plan *plan)
{
	const Grpc__LinuxDevice *d = g->device_list[n];
	struct share_mount mount = {.purpose = SHARE_DEVICE, .type = ""};
	char *path;
	int r;

	if (asprintf(&path, "/dev/block/%" PRId64 ":%" PRId64, d->major, d->minor) < 0)
		path = NULL;
	mount.source = keep(g, path);
	r = mount.source ? share_plan_add(plan, &mount, "") : -ENOMEM;
	if (r == 0)
		g->device_plan[n] = plan->n_items - 1;
	return r;
}

static int amend_devices(struct guest_spec *g, struct share_plan *plan)
{
	size_t n = 0, max = g->linux.n_devices + g->spec.n_mounts;
	int r = 0;

	g->device_list = calloc(max + 1, sizeof(*g->device_list));
	g->device_plan = calloc(max + 1, sizeof(*g->device_plan));
	if (!g->device_list || !g->device_plan || guest_devices_init(&g->devices, max) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < g->linux.n_devices && r == 0; i++) {
		Grpc__LinuxDevice *d = g->linux.devices[i];

		/* Not an error: a privileged container is given all that the host has. */
		if (!is_given_to_guest(g, d)) {
			log_write(LOG_WARN, "spec", "a device of the host's is left out", "device",
				d->path ? d->path : "", NULL);
			continue;
		}
		g->device_list[n] = d;
		g->device_plan[n] = SIZE_MAX;
		if (is_block(d))
			r = plan_disk(g, n, plan);
		n++;
	}
	g->linux.devices = g->device_list;
	g->linux.n_devices = n;
	return r;
}

static int amend_linux(struct guest_spec *g, const struct guest_spec_config *config,
	struct share_plan *plan, struct err *err)
{
	int r;

	if (!g->spec.linux)
		return err_set(err, EINVAL, "config.json: linux: missing");
	g->linux = *g->spec.linux;
	g->spec.linux = &g->linux;
	g->linux.mountlabel = NULL;
	amend_resources(g);
	if (config->disable_seccomp)
		g->linux.seccomp = NULL;
	r = amend_devices(g, plan);
	if (r == 0)
		r = amend_namespaces(g);
	return r < 0 ? err_sys(err, -r, "make the guest's spec") : 0;
}

static int amend(struct guest_spec *g, const struct guest_spec_config *config,
	struct share_plan *plan, struct err *err)
{
	enum guest_spec_type type;
	int r = guest_spec_type_of(&g->spec, &type, err);

	if (r == 0)
		r = amend_linux(g, config, plan, err);
	if (r == 0)
		r = amend_hooks(g, err);
	if (r == 0)
		r = guest_mounts_init(&g->mounts, &g->spec, config->cid, plan, err);
	if (r < 0)
		return r;
	g->spec.mounts = g->mounts.list;
	amend_process(g);
	r = amend_annotations(g, config, type);
	if (r == 0)
		r = amend_root(g, config->cid);
	return r < 0 ? err_sys(err, -r, "make the guest's spec") : 0;
}

int guest_spec_new(const Grpc__Spec *host, const struct guest_spec_config *config,
	struct share_plan *plan, struct guest_spec **ret, struct err *err)
{
	struct guest_spec *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_sys(err, ENOMEM, "make the guest's spec");
	g->spec = *host;
	g->spec.domainname = NULL;
	g->host = host;
	r = amend(g, config, plan, err);
	if (r < 0) {
		guest_spec_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

/* A root file system on a disk is the guest's to mount. */
static int settle_root(struct guest_spec *g, const char *cid, const struct share_plan *plan)
{
	const struct share_mount *root = &plan->items[0];
	char *path;

	if (plan->n_items == 0 || root->purpose != SHARE_DISK || !root->address || !root->is_root)
		return 0;
	if (asprintf(&path, "%s/%s/rootfs", LAYOUT_GUEST_RUN, cid) < 0)
		path = NULL;
	path = keep(g, path);
	if (!path)
		return -ENOMEM;
	g->root.path = path;
	return guest_storages_add_disk(&g->mounts.storages, root->address, root->type,
		root->options, root->n_options, path);
}

static int settle_devices(struct guest_spec *g, const struct share_plan *plan, struct err *err)
{
	for (size_t i = 0; i < g->linux.n_devices; i++) {
		const Grpc__LinuxDevice *d = g->device_list[i];

		if (g->device_plan[i] == SIZE_MAX)
			continue;
		if (!plan->items[g->device_plan[i]].address)
			return err_set(err, ENODEV,
				"config.json: linux.devices: %s: the host has no disk %" PRId64
				":%" PRId64,
				d->path, d->major, d->minor);
		guest_devices_add(
			&g->devices, d->path, plan->items[g->device_plan[i]].address, NULL);
	}
	return 0;
}

int guest_spec_settle(struct guest_spec *g, const char *cid, const char *sandbox_id,
	const struct share_plan *plan, struct err *err)
{
	struct guest_mounts_context context = {.cid = cid,
		.sandbox_id = sandbox_id,
		.plan = plan,
		.resources = g->linux.resources,
		.devices = &g->devices};
	int r = settle_root(g, cid, plan);
	size_t n_listed;

	if (r < 0)
		return err_sys(err, -r, "make the guest's spec");
	r = settle_devices(g, plan, err);
	n_listed = g->devices.n;
	if (r == 0)
		r = guest_mounts_settle(&g->mounts, &context, err);
	for (size_t i = n_listed; r == 0 && i < g->devices.n; i++)
		g->device_list[g->linux.n_devices++] = &g->devices.nodes[i];
	g->spec.n_mounts = g->mounts.n_list;
	return r;
}

const struct guest_devices *guest_spec_devices(const struct guest_spec *g)
{
	return &g->devices;
}

const struct guest_storages *guest_spec_storages(const struct guest_spec *g)
{
	return &g->mounts.storages;
}

void guest_spec_free(struct guest_spec *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n_strings; i++)
		free(g->strings[i]);
	free(g->strings);
	free(g->annotation_list);
	free(g->device_list);
	free(g->device_plan);
	guest_devices_fini(&g->devices);
	free(g->namespaces);
	free(g->namespace_list);
	guest_mounts_fini(&g->mounts);
	if (g->fitted)
		grpc__spec__free_unpacked(g->fitted, NULL);
	free(g);
}

const Grpc__Spec *guest_spec_get(const struct guest_spec *g)
{
	return g->fitted ? g->fitted : &g->spec;
}

bool guest_spec_shares_pid(const struct guest_spec *g)
{
	return g->shares_pid;
}

void guest_spec_drop_seccomp(struct guest_spec *g)
{
	g->linux.seccomp = NULL;
}

/* 1: there is something that it has not announced. */
static int warn_of_unknown(
	const ProtobufCMessage *message, oci_extensions announced, struct err *err)
{
	auto_buf struct buf list = BUF_INIT;
	int r = oci_extensions_find_unknown(message, announced, &list);

	if (r < 0)
		return err_sys(err, -r, "make the guest's spec");
	if (buf_len(&list) == 0)
		return 0;
	log_write(LOG_WARN, "spec", "the guest's agent does not know these: left out", "fields",
		buf_str(&list), NULL);
	return 1;
}

int guest_spec_fit(struct guest_spec *g, oci_extensions announced, struct err *err)
{
	auto_buf struct buf bytes = BUF_INIT;
	int r = warn_of_unknown(&g->spec.base, announced, err);

	if (r <= 0)
		return r;
	/* Most of it is borrowed: what is changed has to be a copy. The bytes are our own, and so are
	 * not charged to anybody. */
	r = message_encode(&g->spec.base, &bytes);
	if (r < 0)
		return err_sys(err, -r, "make the guest's spec");
	g->fitted = grpc__spec__unpack(NULL, buf_len(&bytes), (const uint8_t *)buf_str(&bytes));
	if (!g->fitted)
		return err_sys(err, ENOMEM, "make the guest's spec");
	oci_extensions_remove_unknown(&g->fitted->base, announced);
	return 0;
}

int guest_spec_fit_process(Grpc__Process *process, oci_extensions announced, struct err *err)
{
	int r = warn_of_unknown(&process->base, announced, err);

	if (r < 0)
		return r;
	oci_extensions_remove_unknown(&process->base, announced);
	free(take_ptr(&process->apparmorprofile));
	free(take_ptr(&process->selinuxlabel));
	return 0;
}
