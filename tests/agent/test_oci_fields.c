/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a container's spec that few hosts send: what they do, and how a wrong one is refused.
 * Each in detail: tests/unit/test_launch_*.c. */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* A container of one shell script; what it prints. */
static void run_amended(struct fixture *f, const char *script,
	void (*amend)(Grpc__CreateContainerRequest *request, void *data), void *data,
	struct buf *out)
{
	struct container_options o = {.id = "c1", .script = script, .amend = amend, .data = data};
	struct err err = ERR_INIT;

	if (create_container(f, &o, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(start_container(f, "c1"), 0);
	read_all(f, "c1", "", out);
	assert_int_equal(remove_container(f, "c1"), 0);
}

static void assert_refused(struct fixture *f,
	void (*amend)(Grpc__CreateContainerRequest *request, void *data), void *data,
	enum wire_status status, const char *part)
{
	struct container_options o = {.id = "c1", .script = "true", .amend = amend, .data = data};
	struct err err = ERR_INIT;

	assert_int_equal(create_container(f, &o, &err), status);
	if (!strstr(err.msg, part))
		fail_msg("%s", err.msg);
}

struct added {
	const char *type, *path;
	int64_t boottime_s;
};

/* One namespace more. */
static void add_namespace(Grpc__CreateContainerRequest *request, void *data)
{
	static Grpc__LinuxNamespace ns, *list[8];
	static Grpc__LinuxTimeOffset boottime;
	static Grpc__LinuxTimeOffsets offsets;
	const struct added *added = data;
	Grpc__Linux *l = request->oci->linux;

	memcpy(list, l->namespaces, l->n_namespaces * sizeof(*list));
	grpc__linux_namespace__init(&ns);
	ns.type = text(added->type);
	ns.path = added->path ? text(added->path) : NULL;
	list[l->n_namespaces++] = &ns;
	l->namespaces = list;
	if (added->boottime_s == 0)
		return;
	grpc__linux_time_offset__init(&boottime);
	grpc__linux_time_offsets__init(&offsets);
	boottime.has_secs = 1;
	boottime.secs = added->boottime_s;
	offsets.boottime = &boottime;
	l->timeoffsets = &offsets;
}

static void a_namespace_by_path_is_entered(void **state)
{
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	char path[64], expected[64];
	struct added added = {.type = "network", .path = path};
	ssize_t n;

	/* The test's own, which the agent has too: what is seen is that no new one is made. */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)getpid());
	n = readlink(path, expected, sizeof(expected) - 2);
	assert_true(n > 0);
	snprintf(expected + n, 2, "\n");
	run_amended(f, "readlink /proc/self/ns/net", add_namespace, &added, &out);
	assert_string_equal(buf_str(&out), expected);
	buf_clear(&out);
	added.path = NULL;
	run_amended(f, "readlink /proc/self/ns/net", add_namespace, &added, &out);
	assert_string_not_equal(buf_str(&out), expected);
	buf_fini(&out);
}

static void a_path_that_is_no_such_namespace_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, add_namespace, &(struct added){"network", "/proc/self/ns/uts", 0},
		WIRE_INVALID_ARGUMENT, "is no network namespace");
	assert_refused(f, add_namespace, &(struct added){"pid", "/proc/self/ns/pid", 0},
		WIRE_INTERNAL, "the agent's own pid namespace");
	assert_refused(f, add_namespace, &(struct added){"network", "/no/such", 0}, WIRE_INTERNAL,
		"/no/such");
}

static void a_time_namespace_has_its_offsets(void **state)
{
	struct added added = {"time", NULL, 5000000};
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	run_amended(f, "cat /proc/uptime", add_namespace, &added, &out);
	assert_true(strtol(buf_str(&out), NULL, 10) >= 5000000);
	buf_fini(&out);
	added.type = "cgroup";
	assert_refused(f, add_namespace, &added, WIRE_INVALID_ARGUMENT, "need a time namespace");
}

static Grpc__LinuxIDMapping *map_to(uint32_t host_id)
{
	static Grpc__LinuxIDMapping mapping;

	grpc__linux_idmapping__init(&mapping);
	mapping.has_hostid = mapping.has_size = 1;
	mapping.hostid = host_id;
	mapping.size = 65536;
	return &mapping;
}

/* A user namespace whose root is nobody in the guest; data: NULL for one without mappings. */
static void add_user_namespace(Grpc__CreateContainerRequest *request, void *data)
{
	static Grpc__LinuxIDMapping *list[1];

	add_namespace(request, &(struct added){.type = "user"});
	list[0] = map_to(300000);
	if (!data)
		return;
	request->oci->linux->uidmappings = request->oci->linux->gidmappings = list;
	request->oci->linux->n_uidmappings = request->oci->linux->n_gidmappings = 1;
}

static void give_rootfs(const struct fixture *f)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/busybox", "chown", "-hR", "300000:300000", f->rootfs, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_container_has_a_user_namespace(void **state)
{
	struct fixture *f = *state;
	struct container_options o = {.id = "c1",
		.script = "echo >/dev/stdout; read x; cat /proc/self/uid_map",
		.amend = add_user_namespace,
		.data = f};
	struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	give_rootfs(f);
	assert_int_equal(create_sandbox(f, "pod"), 0);
	if (create_container(f, &o, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(start_container(f, "c1"), 0);
	/* Beside the pod's ipc and uts namespaces, which are the guest's. */
	if (exec_process(f, "c1", "e1", "hostname; id -u; readlink /proc/self/ns/user", false,
		    &err) != 0)
		fail_msg("%s", err.msg);
	read_all(f, "c1", "e1", &out);
	assert_memory_equal(buf_str(&out), "pod\n0\nuser:", 11);
	assert_int_equal(wait_process(f, "c1", "e1"), 0);
	buf_clear(&out);
	assert_int_equal(close_stdin(f, "c1", ""), 0);
	read_all(f, "c1", "", &out);
	assert_non_null(strstr(buf_str(&out), "300000"));
	buf_fini(&out);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_refused(
		f, add_user_namespace, NULL, WIRE_INVALID_ARGUMENT, "uidMappings: there are none");
}

struct bind {
	const char *source;
	const char *option;
	bool mapped;
};

/* One mount more, on /tmp/m. */
static void add_bind(Grpc__CreateContainerRequest *request, void *data)
{
	static Grpc__LinuxIDMapping *list[1];
	static Grpc__Mount mount, *mounts[8];
	static char *options[1];
	const struct bind *bind = data;

	memcpy(mounts, request->oci->mounts, request->oci->n_mounts * sizeof(*mounts));
	grpc__mount__init(&mount);
	mount.destination = text("/tmp/m");
	mount.type = text("bind");
	mount.source = text(bind->source);
	options[0] = text(bind->option);
	mount.options = options;
	mount.n_options = 1;
	list[0] = map_to(1000);
	if (bind->mapped) {
		mount.uidmappings = mount.gidmappings = list;
		mount.n_uidmappings = mount.n_gidmappings = 1;
	}
	mounts[request->oci->n_mounts++] = &mount;
	request->oci->mounts = mounts;
}

static void a_bind_is_id_mapped(void **state)
{
	struct fixture *f = *state;
	struct bind bind = {.source = f->rootfs, .option = "bind", .mapped = true};
	struct buf out = BUF_INIT;

	run_amended(f, "ls -ldn /tmp/m | tr -s ' '", add_bind, &bind, &out);
	assert_non_null(strstr(buf_str(&out), " 1000 1000 "));
	buf_fini(&out);
	bind = (struct bind){.source = "/proc/fs", .option = "bind", .mapped = true};
	assert_refused(f, add_bind, &bind, WIRE_INTERNAL, "/proc/fs cannot be id-mapped");
	bind = (struct bind){.source = "/tmp", .option = "idmap"};
	assert_refused(f, add_bind, &bind, WIRE_INVALID_ARGUMENT, "uidMappings: there are none");
}

static void a_source_is_bytes(void **state)
{
	char source[2 * PATH_SIZE];
	struct bind bind = {.source = source, .option = "bind"};
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	snprintf(source, sizeof(source), "%s/\xff\xfe \n", f->dir);
	assert_int_equal(mkdir(source, 0701), 0);
	run_amended(f, "stat -c %a /tmp/m", add_bind, &bind, &out);
	assert_string_equal(buf_str(&out), "701\n");
	buf_fini(&out);
	assert_int_equal(rmdir(source), 0);
}

struct ours {
	const char *domain, *class;
	uint32_t umask;
};

/* Fields of oci.proto that are ours. */
static void add_ours(Grpc__CreateContainerRequest *request, void *data)
{
	static Grpc__LinuxPersonality personality;
	static Grpc__LinuxIOPriority io;
	static Grpc__Scheduler scheduler;
	static Grpc__User user;
	const struct ours *ours = data;
	Grpc__Process *p = request->oci->process;

	grpc__linux_personality__init(&personality);
	grpc__linux_iopriority__init(&io);
	grpc__scheduler__init(&scheduler);
	grpc__user__init(&user);
	personality.domain = text(ours->domain);
	io.class_ = text(ours->class);
	io.has_priority = 1;
	io.priority = 2;
	scheduler.policy = text("SCHED_BATCH");
	user.has_umask = 1;
	user.umask = ours->umask;
	request->oci->linux->personality = &personality;
	p->iopriority = &io;
	p->scheduler = &scheduler;
	p->user = &user;
}

static void fields_of_ours_are_applied(void **state)
{
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	run_amended(f, "cut -d' ' -f41 /proc/self/stat; ionice; umask; cat /proc/self/personality",
		add_ours, &(struct ours){"LINUX32", "IOPRIO_CLASS_BE", 077}, &out);
	assert_string_equal(buf_str(&out), "3\nbest-effort: prio 2\n0077\n00000008\n");
	buf_fini(&out);
	assert_refused(f, add_ours, &(struct ours){"SUNOS", "IOPRIO_CLASS_BE", 0},
		WIRE_INVALID_ARGUMENT, "SUNOS");
	assert_refused(f, add_ours, &(struct ours){"LINUX", "IOPRIO_CLASS_X", 0},
		WIRE_INVALID_ARGUMENT, "IOPRIO_CLASS_X");
	assert_refused(f, add_ours, &(struct ours){"LINUX", "IOPRIO_CLASS_RT", 01000},
		WIRE_INVALID_ARGUMENT, "umask 01000");
}

static void a_remount_needs_a_mount(void **state)
{
	struct bind bind = {.source = "", .option = "remount"};
	struct fixture *f = *state;

	assert_refused(f, add_bind, &bind, WIRE_INTERNAL, "remount /tmp/m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(a_namespace_by_path_is_entered),
		agent_test(a_path_that_is_no_such_namespace_is_refused),
		agent_test(a_time_namespace_has_its_offsets),
		agent_test(a_container_has_a_user_namespace),
		agent_test(a_bind_is_id_mapped),
		agent_test(a_remount_needs_a_mount),
		agent_test(fields_of_ours_are_applied),
		agent_test(a_source_is_bytes),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
