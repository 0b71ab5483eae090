/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "oci/spec.h"
#include "oom.h"
#include "runtime/guest_spec.h"
#include "runtime/netns.h"

struct guest {
	Grpc__Spec *host;
	struct layout layout;
	struct share_plan plan;
	struct guest_spec *guest;
	const Grpc__Spec *spec; /* of guest */
};

static const struct guest_spec_config plain = {.cid = "c1", .bundle = "/bundle"};

static int make(
	struct guest *g, const char *json, const struct guest_spec_config *config, struct err *err)
{
	int r;

	memset(g, 0, sizeof(*g));
	assert_int_equal(layout_init(&g->layout, "/run", "c1"), 0);
	share_plan_init(&g->plan, &g->layout);
	assert_int_equal(oci_spec_parse(json, strlen(json), &g->host, NULL, NULL), 0);
	r = guest_spec_new(g->host, config, &g->plan, &g->guest, err);
	if (r == 0)
		g->spec = guest_spec_get(g->guest);
	return r;
}

static void drop(struct guest *g)
{
	guest_spec_free(g->guest);
	share_plan_fini(&g->plan);
	oci_spec_free(g->host);
}

static void make_ok(struct guest *g, const char *json)
{
	assert_int_equal(make(g, json, &plain, NULL), 0);
}

static const char *annotation(const Grpc__Spec *spec, const char *key)
{
	const char *value = NULL;

	for (size_t i = 0; i < spec->n_annotations; i++) {
		if (strcmp(spec->annotations[i]->key, key) != 0)
			continue;
		assert_null(value); /* once */
		value = spec->annotations[i]->value;
	}
	return value;
}

static void initdata_does_not_reach_the_guest(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g, "{\"linux\":{},\"annotations\":{\"a\":\"1\","
		    "\"io.katacontainers.config.hypervisor.cc_init_data\":\"x\"}}");
	assert_null(annotation(g.spec, "io.katacontainers.config.hypervisor.cc_init_data"));
	assert_string_equal(annotation(g.spec, "a"), "1");
	drop(&g);
}

static void bundle_and_type_are_told_and_cannot_be_forged(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g, "{\"linux\":{},\"annotations\":{"
		    "\"io.katacontainers.pkg.oci.bundle_path\":\"/forged\","
		    "\"io.kubernetes.cri.container-type\":\"sandbox\"}}");
	assert_string_equal(annotation(g.spec, "io.katacontainers.pkg.oci.bundle_path"), "/bundle");
	assert_string_equal(
		annotation(g.spec, "io.katacontainers.pkg.oci.container_type"), "pod_sandbox");
	drop(&g);
	make_ok(&g, "{\"linux\":{}}");
	assert_string_equal(
		annotation(g.spec, "io.katacontainers.pkg.oci.container_type"), "single_container");
	drop(&g);
}

static void hooks_of_the_host_are_refused_and_startcontainer_stays(void **state)
{
	static const char *const refused[] = {
		"prestart", "createRuntime", "createContainer", "poststart", "poststop"};
	struct guest g;
	char json[128];

	(void)state;
	make_ok(&g, "{\"linux\":{},\"hooks\":{\"startContainer\":[{\"path\":\"/h\"}]}}");
	assert_int_equal(g.spec->hooks->n_startcontainer, 1);
	assert_string_equal(g.spec->hooks->startcontainer[0]->path, "/h");
	drop(&g);
	make_ok(&g, "{\"linux\":{},\"hooks\":{}}");
	assert_null(g.spec->hooks);
	drop(&g);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct err err = ERR_INIT;

		snprintf(json, sizeof(json),
			"{\"linux\":{},\"hooks\":{\"%s\":[{\"path\":\"/h\"}]}}", refused[i]);
		assert_int_equal(make(&g, json, &plain, &err), -ENOTSUP);
		assert_non_null(strstr(err.msg, "not supported yet"));
		drop(&g);
	}
}

static void seccomp_goes_when_configuration_or_guest_says_so(void **state)
{
	static const char json[] =
		"{\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\"}}}";
	struct guest_spec_config config = plain;
	struct guest g;

	(void)state;
	make_ok(&g, json);
	assert_string_equal(g.spec->linux->seccomp->defaultaction, "SCMP_ACT_ERRNO");
	guest_spec_drop_seccomp(g.guest);
	assert_null(g.spec->linux->seccomp);
	drop(&g);
	config.disable_seccomp = true;
	assert_int_equal(make(&g, json, &config, NULL), 0);
	assert_null(g.spec->linux->seccomp);
	assert_non_null(g.host->linux->seccomp);
	drop(&g);
}

static void namespaces_of_the_vm_go_and_paths_are_cleared(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g,
		"{\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\","
		"\"path\":\"/run/netns/x\"},{\"type\":\"time\"},{\"type\":\"ipc\",\"path\":\"/p\"},"
		"{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}]}}");
	assert_int_equal(g.spec->linux->n_namespaces, 4);
	assert_string_equal(g.spec->linux->namespaces[0]->type, "ipc");
	assert_string_equal(g.spec->linux->namespaces[3]->type, "cgroup");
	for (size_t i = 0; i < 4; i++)
		assert_null(g.spec->linux->namespaces[i]->path);
	assert_false(guest_spec_shares_pid(g.guest));
	/* The host's own is as it was. */
	assert_string_equal(g.host->linux->namespaces[1]->path, "/run/netns/x");
	drop(&g);
}

static void a_pid_namespace_with_a_path_is_the_sandboxs(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g,
		"{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"/proc/7/ns/pid\"}]}}");
	assert_true(guest_spec_shares_pid(g.guest));
	assert_int_equal(g.spec->linux->n_namespaces, 0);
	drop(&g);
}

static void the_root_is_where_the_guest_finds_it(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g, "{\"linux\":{},\"root\":{\"path\":\"rootfs\",\"readonly\":true}}");
	assert_string_equal(
		g.spec->root->path, "/run/kata-containers/shared/containers/passthrough/c1/rootfs");
	assert_true(g.spec->root->readonly);
	drop(&g);
}

static void resources_that_name_the_host_go(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g,
		"{\"linux\":{\"resources\":{\"devices\":[{\"allow\":false}],"
		"\"memory\":{\"limit\":1000},\"pids\":{\"limit\":7},\"blockIO\":{\"weight\":10},"
		"\"network\":{\"classID\":1},\"cpu\":{\"cpus\":\"0-3\",\"mems\":\"0\",\"quota\":5}}"
		"}}");
	assert_int_equal(g.spec->linux->resources->n_devices, 0);
	assert_null(g.spec->linux->resources->blockio);
	assert_null(g.spec->linux->resources->network);
	assert_null(g.spec->linux->resources->cpu->cpus);
	assert_string_equal(g.spec->linux->resources->cpu->mems, "0");
	assert_int_equal(g.spec->linux->resources->cpu->quota, 5);
	assert_int_equal(g.spec->linux->resources->memory->limit, 1000);
	assert_int_equal(g.spec->linux->resources->pids->limit, 7);
	assert_int_equal(g.host->linux->resources->n_devices, 1);
	assert_string_equal(g.host->linux->resources->cpu->cpus, "0-3");
	drop(&g);
}

static void devices_that_only_the_host_has_go(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g, "{\"linux\":{\"devices\":[{\"path\":\"/dev/sda\",\"type\":\"b\"},"
		    "{\"path\":\"/dev/fuse\",\"type\":\"c\"},"
		    "{\"path\":\"/dev/vfio/12\",\"type\":\"c\"},{\"path\":\"/dev/"
		    "p\",\"type\":\"p\"}]}}");
	assert_int_equal(g.spec->linux->n_devices, 2);
	assert_string_equal(g.spec->linux->devices[0]->path, "/dev/fuse");
	assert_string_equal(g.spec->linux->devices[1]->path, "/dev/p");
	assert_int_equal(g.host->linux->n_devices, 4);
	drop(&g);
}

static void a_disk_that_is_granted_by_name_is_looked_for(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g, "{\"linux\":{\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":8,"
		    "\"minor\":16},{\"path\":\"/dev/y\",\"type\":\"b\",\"major\":8,\"minor\":32}],"
		    "\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rwm\"},"
		    "{\"allow\":false,\"type\":\"b\",\"major\":8,\"minor\":32},"
		    "{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":16,"
		    "\"access\":\"rw\"}]}}}");
	assert_int_equal(g.spec->linux->n_devices, 1);
	assert_string_equal(g.spec->linux->devices[0]->path, "/dev/x");
	assert_int_equal(g.plan.n_items, 1);
	assert_int_equal(g.plan.items[0].purpose, SHARE_DEVICE);
	assert_string_equal(g.plan.items[0].source, "/dev/block/8:16");
	drop(&g);
}

static void apparmor_goes_and_masked_paths_stay(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g,
		"{\"process\":{\"apparmorProfile\":\"p\",\"cwd\":\"/w\",\"args\":[\"a\"]},"
		"\"linux\":{\"maskedPaths\":[\"/proc/kcore\"],\"readonlyPaths\":[\"/proc/sys\"]}}");
	assert_null(g.spec->process->apparmorprofile);
	assert_string_equal(g.spec->process->cwd, "/w");
	assert_string_equal(g.spec->linux->maskedpaths[0], "/proc/kcore");
	assert_string_equal(g.spec->linux->readonlypaths[0], "/proc/sys");
	drop(&g);
}

#define MOUNT(dest, source, type, options)                                         \
	"{\"destination\":\"" dest "\",\"source\":\"" source "\",\"type\":\"" type \
	"\",\"options\":[" options "]}"

static void mounts_of_the_kernels_file_systems_stay(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g,
		"{\"linux\":{},\"mounts\":[" MOUNT("/proc", "proc", "proc", "\"nosuid\"") "," MOUNT(
			"/dev/shm", "shm", "tmpfs", "\"size=65536k\"") "," MOUNT("/dev/kmsg",
			"/dev/kmsg", "bind",
			"\"bind\"") "," MOUNT("/sys/fs/cgroup", "cgroup", "cgroup", "\"ro\"") "]}");
	assert_int_equal(g.spec->n_mounts, 4);
	assert_string_equal(g.spec->mounts[0]->source, "proc");
	assert_string_equal(g.spec->mounts[1]->options[0], "size=65536k");
	assert_string_equal(g.spec->mounts[2]->source, "/dev/kmsg");
	/* It is looked at: a disk would be the host's. */
	assert_int_equal(g.plan.n_items, 1);
	assert_int_equal(g.plan.items[0].purpose, SHARE_DEVICE);
	drop(&g);
}

static void bind_mounts_go_through_the_shared_directory(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g,
		"{\"linux\":{},\"mounts\":[" MOUNT("/proc", "proc", "proc", "") "," MOUNT(
			"/data", "/srv/data", "bind", "\"rbind\",\"ro\"") "," MOUNT("/etc/hosts",
			"/device/hosts", "none", "\"bind\"") "]}");
	assert_string_equal(g.spec->mounts[1]->source,
		"/run/kata-containers/shared/containers/passthrough/c1/vol1");
	assert_string_equal(g.spec->mounts[1]->destination, "/data");
	assert_string_equal(g.spec->mounts[1]->options[1], "ro");
	assert_int_equal(g.plan.n_items, 2);
	assert_string_equal(g.plan.items[0].source, "/srv/data");
	assert_string_equal(g.plan.items[0].target,
		"/run/kata-containers/shared/sandboxes/c1/rw/passthrough/c1/vol1");
	assert_int_equal(g.plan.items[0].n_options, 2);
	assert_int_equal(g.plan.items[0].purpose, SHARE_VOLUME);
	assert_string_equal(g.plan.items[1].source, "/device/hosts");
	assert_string_equal(g.host->mounts[1]->source, "/srv/data");
	drop(&g);
}

static void a_bind_on_dev_shm_is_the_sandboxs_shm(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g, "{\"linux\":{},\"mounts\":[" MOUNT(
			    "/dev/shm", "/run/containerd/shm", "bind", "\"rbind\"") "]}");
	assert_string_equal(g.spec->mounts[0]->source, "/run/kata-containers/sandbox/shm");
	assert_int_equal(g.plan.n_items, 1);
	assert_int_equal(g.plan.items[0].purpose, SHARE_SHM);
	assert_string_equal(g.plan.items[0].source, "/run/containerd/shm");
	drop(&g);
}

static void what_cannot_be_given_to_the_guest_is_refused(void **state)
{
	static const struct {
		const char *json;
		int code;
		const char *part;
	} rows[] = {
		{"{\"ociVersion\":\"1.0\"}", EINVAL, "linux"},
		{"{\"linux\":{},\"mounts\":[" MOUNT("/x", "server:/x", "nfs", "") "]}", ENOTSUP,
			"nfs"},
		{"{\"linux\":{},\"mounts\":[" MOUNT("/x", "relative", "bind", "") "]}", EINVAL,
			"mounts[0]"},
		{"{\"linux\":{},\"mounts\":[" MOUNT("x", "/a", "bind", "") "]}", EINVAL,
			"mounts[0]"},
		{"{\"linux\":{},\"annotations\":{\"io.kubernetes.cri.container-type\":\"odd\"}}",
			EINVAL, "odd"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct guest g;

		assert_int_equal(make(&g, rows[i].json, &plain, &err), -rows[i].code);
		assert_non_null(strstr(err.msg, rows[i].part));
		drop(&g);
	}
}

static void the_container_type_is_searched_in_upstreams_order(void **state)
{
	static const struct {
		const char *json;
		enum guest_spec_type type;
		const char *sandbox;
	} rows[] = {
		{"{}", GUEST_SPEC_SINGLE, NULL},
		{"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
		 "\"io.kubernetes.cri.sandbox-id\":\"s1\"}}",
			GUEST_SPEC_POD_CONTAINER, "s1"},
		{"{\"annotations\":{\"io.kubernetes.docker.type\":\"podsandbox\"}}",
			GUEST_SPEC_POD_SANDBOX, NULL},
		{"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
		 "\"io.kubernetes.cri-o.ContainerType\":\"sandbox\","
		 "\"io.kubernetes.sandbox.id\":\"s3\",\"io.kubernetes.cri-o.SandboxID\":\"s2\"}}",
			GUEST_SPEC_POD_SANDBOX, "s2"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum guest_spec_type type;
		Grpc__Spec *spec;

		assert_int_equal(
			oci_spec_parse(rows[i].json, strlen(rows[i].json), &spec, NULL, NULL), 0);
		assert_int_equal(guest_spec_type_of(spec, &type, NULL), 0);
		assert_int_equal(type, rows[i].type);
		if (rows[i].sandbox)
			assert_string_equal(guest_spec_sandbox_id(spec), rows[i].sandbox);
		else
			assert_null(guest_spec_sandbox_id(spec));
		oci_spec_free(spec);
	}
}

static void the_hosts_network_is_refused(void **state)
{
	static const char new_ns[] = "{\"linux\":{\"namespaces\":[{\"type\":\"network\"}]}}";
	static const char path_ns[] =
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"/n\"}]}}";
	static const char host_ns[] = "{\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}";
	struct err err = ERR_INIT;
	const char *path = "unset";
	Grpc__Spec *spec;

	(void)state;
	assert_int_equal(oci_spec_parse(new_ns, strlen(new_ns), &spec, NULL, NULL), 0);
	assert_int_equal(netns_of_spec(spec, &path, NULL), 0);
	assert_null(path);
	oci_spec_free(spec);
	assert_int_equal(oci_spec_parse(path_ns, strlen(path_ns), &spec, NULL, NULL), 0);
	assert_int_equal(netns_of_spec(spec, &path, NULL), 0);
	assert_string_equal(path, "/n");
	oci_spec_free(spec);
	assert_int_equal(oci_spec_parse(host_ns, strlen(host_ns), &spec, NULL, NULL), 0);
	assert_int_equal(netns_of_spec(spec, &path, &err), -ENOTSUP);
	assert_non_null(strstr(err.msg, "not supported yet"));
	oci_spec_free(spec);
}

#define OURS                                                                              \
	"{\"process\":{\"args\":[\"a\"],\"user\":{\"uid\":7,\"umask\":2},\"scheduler\":{" \
	"\"policy\":"                                                                     \
	"\"SCHED_IDLE\"}},\"linux\":{\"personality\":{\"domain\":\"LINUX\"},\"timeOffsets\":{}}}"

static void what_the_agent_does_not_know_is_left_out(void **state)
{
	char *names[] = {(char[]){"oci.User.umask"}, (char[]){"seccomp"}};
	struct guest g;

	(void)state;
	make_ok(&g, OURS);
	assert_int_equal(guest_spec_fit(g.guest, oci_extensions_parse(names, 2), NULL), 0);
	g.spec = guest_spec_get(g.guest);
	assert_int_equal(g.spec->process->user->umask, 2);
	assert_int_equal(g.spec->process->user->uid, 7);
	assert_null(g.spec->process->scheduler);
	assert_null(g.spec->linux->personality);
	assert_string_equal(
		g.spec->root->path, "/run/kata-containers/shared/containers/passthrough/c1/rootfs");
	/* The bundle's is as it was: it may be needed again. */
	assert_non_null(g.host->process->scheduler);
	drop(&g);
	make_ok(&g, OURS);
	assert_int_equal(guest_spec_fit(g.guest, ~UINT64_C(0), NULL), 0);
	g.spec = guest_spec_get(g.guest);
	assert_string_equal(g.spec->process->scheduler->policy, "SCHED_IDLE");
	assert_string_equal(g.spec->linux->personality->domain, "LINUX");
	/* Never, as the time namespace goes. */
	assert_null(g.spec->linux->timeoffsets);
	drop(&g);
}

static void labels_and_names_of_the_host_go(void **state)
{
	struct guest g;

	(void)state;
	make_ok(&g, "{\"domainname\":\"d\",\"process\":{\"selinuxLabel\":\"a:b:c:s0\","
		    "\"apparmorProfile\":\"p\"},\"linux\":{\"mountLabel\":\"a:b:c:s0\"}}");
	assert_null(g.spec->process->selinuxlabel);
	assert_null(g.spec->process->apparmorprofile);
	assert_null(g.spec->linux->mountlabel);
	assert_null(g.spec->domainname);
	drop(&g);
}

static void the_process_of_an_exec_is_fitted_too(void **state)
{
	static const char json[] =
		"{\"args\":[\"a\"],\"selinuxLabel\":\"l\",\"apparmorProfile\":\"p\",\"user\":{"
		"\"umask\":2},\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\"}}";
	char *names[] = {(char[]){"oci.Process.ioPriority"}};
	Grpc__Process *p;

	(void)state;
	assert_int_equal(oci_process_parse(json, strlen(json), &p, NULL, NULL), 0);
	assert_int_equal(guest_spec_fit_process(p, oci_extensions_parse(names, 1), NULL), 0);
	assert_null(p->selinuxlabel);
	assert_null(p->apparmorprofile);
	assert_false(p->user->has_umask);
	assert_string_equal(p->iopriority->class_, "IOPRIO_CLASS_IDLE");
	assert_string_equal(p->args[0], "a");
	oci_process_free(p);
}

static void making_it_survives_the_lack_of_memory(void **state)
{
	static const char json[] =
		"{\"linux\":{\"namespaces\":[{\"type\":\"ipc\"}],\"personality\":{}},\"mounts\":"
		"[" MOUNT("/data", "/srv/data", "bind", "\"rbind\"") "," MOUNT(
			"/dev/shm", "/s", "bind", "") "],\"annotations\":{\"a\":\"b\"}}";
	Grpc__Spec *host;
	struct layout layout;

	(void)state;
	assert_int_equal(layout_init(&layout, "/run", "c1"), 0);
	assert_int_equal(oci_spec_parse(json, strlen(json), &host, NULL, NULL), 0);
	OOM_SWEEP(n)
	{
		struct share_plan plan;
		struct guest_spec *guest = NULL;
		int r;

		share_plan_init(&plan, &layout);
		oom_arm(n);
		r = guest_spec_new(host, &plain, &plan, &guest, NULL);
		if (r == 0)
			r = guest_spec_fit(guest, 0, NULL);
		oom_disarm();
		if (r < 0)
			assert_int_equal(r, -ENOMEM);
		guest_spec_free(guest);
		share_plan_fini(&plan);
	}
	oci_spec_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initdata_does_not_reach_the_guest),
		cmocka_unit_test(bundle_and_type_are_told_and_cannot_be_forged),
		cmocka_unit_test(hooks_of_the_host_are_refused_and_startcontainer_stays),
		cmocka_unit_test(seccomp_goes_when_configuration_or_guest_says_so),
		cmocka_unit_test(namespaces_of_the_vm_go_and_paths_are_cleared),
		cmocka_unit_test(a_pid_namespace_with_a_path_is_the_sandboxs),
		cmocka_unit_test(the_root_is_where_the_guest_finds_it),
		cmocka_unit_test(resources_that_name_the_host_go),
		cmocka_unit_test(devices_that_only_the_host_has_go),
		cmocka_unit_test(a_disk_that_is_granted_by_name_is_looked_for),
		cmocka_unit_test(apparmor_goes_and_masked_paths_stay),
		cmocka_unit_test(mounts_of_the_kernels_file_systems_stay),
		cmocka_unit_test(bind_mounts_go_through_the_shared_directory),
		cmocka_unit_test(a_bind_on_dev_shm_is_the_sandboxs_shm),
		cmocka_unit_test(what_cannot_be_given_to_the_guest_is_refused),
		cmocka_unit_test(the_container_type_is_searched_in_upstreams_order),
		cmocka_unit_test(the_hosts_network_is_refused),
		cmocka_unit_test(what_the_agent_does_not_know_is_left_out),
		cmocka_unit_test(labels_and_names_of_the_host_go),
		cmocka_unit_test(the_process_of_an_exec_is_fitted_too),
		cmocka_unit_test(making_it_survives_the_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
