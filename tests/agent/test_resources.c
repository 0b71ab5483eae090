/* SPDX-License-Identifier: Apache-2.0 */
/* Pause, resume, update, statistics and out-of-memory events, on this machine's cgroups; with
 * ONLY_V1 on those of v1, v2 being unmounted in the test's own mount namespace. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/launch.h"
#include "base/io.h"
#include "fixture.h"

#ifndef ONLY_V1
#define ONLY_V1 0
#endif

static int pause_container(struct fixture *f, const char *id, struct err *err)
{
	Grpc__PauseContainerRequest request = GRPC__PAUSE_CONTAINER_REQUEST__INIT;

	request.container_id = text(id);
	return call(f, "PauseContainer", &request.base, err);
}

static int resume_container(struct fixture *f, const char *id, struct err *err)
{
	Grpc__ResumeContainerRequest request = GRPC__RESUME_CONTAINER_REQUEST__INIT;

	request.container_id = text(id);
	return call(f, "ResumeContainer", &request.base, err);
}

static int update_container(
	struct fixture *f, const char *id, Grpc__LinuxResources *resources, struct err *err)
{
	Grpc__UpdateContainerRequest request = GRPC__UPDATE_CONTAINER_REQUEST__INIT;

	request.container_id = text(id);
	request.resources = resources;
	return call(f, "UpdateContainer", &request.base, err);
}

/* 0 or the status. */
static int get_stats(struct fixture *f, const char *id, struct reply *reply)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;

	request.container_id = text(id);
	call_start(f, "StatsContainer", &request.base, &grpc__stats_container_response__descriptor,
		reply);
	call_wait(f, reply);
	return err_is_set(&reply->err) ? (int)wire_status_of(&reply->err) : 0;
}

static const Grpc__CgroupStats *stats_of(const struct reply *reply)
{
	return ((const Grpc__StatsContainerResponse *)reply->message)->cgroup_stats;
}

static void oom_start(struct fixture *f, struct ttrpc_client *client, struct reply *reply)
{
	Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;

	call_start_on(
		f, client, "GetOOMEvent", &request.base, 0, &grpc__oomevent__descriptor, reply);
}

static void assert_oom_of(struct fixture *f, struct reply *reply, const char *id)
{
	call_wait(f, reply);
	if (err_is_set(&reply->err))
		fail_msg("%s", reply->err.msg);
	assert_string_equal(((Grpc__OOMEvent *)reply->message)->container_id, id);
	reply_fini(reply);
}

/* Where a controller's files of the container are; skips the test if one is missing. */
static int open_dir(struct fixture *f, const char *id, enum cgroup_controller which, const char *v1,
	const char *v2, const char **ret_file)
{
	struct cgroup c = {.layout = NULL};
	struct err err = ERR_INIT;
	char path[2 * PATH_SIZE];
	bool unified = false;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->cgroup, id);
	if (launch_open_cgroup(path, &c, &err) < 0)
		fail_msg("%s", err.msg);
	fd = cgroup_fd_of(&c, which, &unified);
	fd = fd < 0 ? -1 : io_dup(fd);
	cgroup_close(&c);
	*ret_file = unified ? v2 : v1;
	if (fd >= 0 && faccessat(fd, *ret_file, F_OK, 0) == 0)
		return fd;
	close_fd(fd);
	print_message("skipped: no %s controller for our cgroups\n", cgroup_controller_name(which));
	skip();
	return -1;
}

/* Answers "x" to each byte it gets. */
static const char echoing[] = "echo ready; while read line; do echo x; done";

static void run_echoing(struct fixture *f, const char *id)
{
	struct buf out = BUF_INIT;

	run_container(f, id, echoing);
	assert_true(read_once(f, "ReadStdout", id, "", &out) > 0);
	buf_fini(&out);
}

static void a_paused_container_stands_still(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct reply read;

	run_echoing(f, "c1");
	assert_int_equal(pause_container(f, "c1", &err), 0);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("\n")), 0);
	read_start(f, "ReadStdout", "c1", "", 100, &read);
	/* Time in which one that ran would have answered: other calls' whole turns. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(pause_container(f, "c1", &err), WIRE_FAILED_PRECONDITION);
	assert_non_null(strstr(err.msg, "paused already"));
	assert_false(read.done);
	assert_int_equal(
		exec_process(f, "c1", "e1", "exit", false, &err), WIRE_FAILED_PRECONDITION);
	assert_int_equal(resume_container(f, "c1", NULL), 0);
	call_wait(f, &read);
	assert_int_equal(((Grpc__ReadStreamResponse *)read.message)->data.len, 2);
	reply_fini(&read);
	assert_int_equal(resume_container(f, "c1", &err), WIRE_FAILED_PRECONDITION);
	assert_int_equal(exec_process(f, "c1", "e1", "exit 4", false, NULL), 0);
	assert_int_equal(wait_process(f, "c1", "e1"), 4);
}

static void a_created_container_can_be_paused(void **state)
{
	struct container_options o = {.id = "c1", .script = "exit 3"};
	struct fixture *f = *state;

	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(pause_container(f, "c1", NULL), 0);
	assert_int_equal(start_container(f, "c1"), WIRE_FAILED_PRECONDITION);
	assert_int_equal(resume_container(f, "c1", NULL), 0);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(wait_process(f, "c1", ""), 3);
	/* Removed as created and paused. */
	o.id = "c2";
	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(pause_container(f, "c2", NULL), 0);
	assert_int_equal(remove_container(f, "c2"), 0);
}

static void what_has_ended_cannot_be_paused(void **state)
{
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	run_container(f, "c1", "exit 0");
	read_all(f, "c1", "", &out);
	assert_int_equal(wait_process(f, "c1", ""), 0);
	assert_int_equal(pause_container(f, "c1", &err), WIRE_FAILED_PRECONDITION);
	assert_non_null(strstr(err.msg, "not running"));
	assert_int_equal(resume_container(f, "c1", NULL), WIRE_FAILED_PRECONDITION);
	buf_fini(&out);
}

static void unknown_containers_are_invalid_arguments(void **state)
{
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct reply reply;

	assert_int_equal(pause_container(f, "nosuch", &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "invalid container id"));
	assert_int_equal(resume_container(f, "nosuch", NULL), WIRE_INVALID_ARGUMENT);
	assert_int_equal(update_container(f, "nosuch", &resources, NULL), WIRE_INVALID_ARGUMENT);
	assert_int_equal(get_stats(f, "nosuch", &reply), WIRE_INVALID_ARGUMENT);
}

static void a_paused_container_can_be_killed_and_removed(void **state)
{
	struct fixture *f = *state;

	run_container(f, "c1", "sleep 1000 & exec sleep 1000");
	assert_int_equal(pause_container(f, "c1", NULL), 0);
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
	assert_int_equal(wait_process(f, "c1", ""), 137);
	run_container(f, "c2", "exec sleep 1000");
	assert_int_equal(pause_container(f, "c2", NULL), 0);
	assert_int_equal(remove_container(f, "c2"), 0);
	/* And one whose pause is under way, by the end of the agent. */
	run_container(f, "c3", "exec sleep 1000");
	assert_int_equal(pause_container(f, "c3", NULL), 0);
}

/* All in flight at once: whichever comes first, the kill is answered and the container ends. */
static void a_kill_does_not_wait_for_others(void **state)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	struct reply replies[10], wait;
	struct fixture *f = *state;

	pause.container_id = text("c1");
	run_container(f, "c1", "exec sleep 1000");
	wait_start(f, "c1", "", &wait);
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		call_start(f, i % 2 ? "ResumeContainer" : "PauseContainer", &pause.base, NULL,
			&replies[i]);
	assert_int_equal(signal_process(f, "c1", "", SIGKILL, NULL), 0);
	call_wait(f, &wait);
	assert_int_equal(wait_code(&wait), 137);
	reply_fini(&wait);
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		call_wait(f, &replies[i]);
}

static void a_removal_breaks_off_what_is_under_way(void **state)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	struct reply replies[10];
	struct fixture *f = *state;

	pause.container_id = text("c1");
	run_container(f, "c1", "exec sleep 1000");
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		call_start(f, i % 2 ? "ResumeContainer" : "PauseContainer", &pause.base, NULL,
			&replies[i]);
	assert_int_equal(remove_container(f, "c1"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		call_wait(f, &replies[i]);
	assert_true(err_is_set(&replies[ARRAY_SIZE(replies) - 1].err));
	run_container(f, "c1", "exit 5");
	assert_int_equal(wait_process(f, "c1", ""), 5);
}

static void limits_can_be_changed(void **state)
{
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	struct fixture *f = *state;
	struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	const char *file;
	int dir_fd;

	run_container(f, "c1", "exec sleep 1000");
	assert_int_equal(update_container(f, "c1", NULL, NULL), 0);
	assert_int_equal(update_container(f, "c1", &resources, NULL), 0);
	dir_fd = open_dir(f, "c1", CGROUP_PIDS, "pids.max", "pids.max", &file);
	resources.pids = &pids;
	pids.has_limit = 1;
	pids.limit = 77;
	assert_int_equal(update_container(f, "c1", &resources, NULL), 0);
	assert_int_equal(io_read_file(dir_fd, file, 64, &b), 0);
	assert_string_equal(buf_str(&b), "77\n");
	close(dir_fd);
	buf_clear(&b);
	dir_fd = open_dir(f, "c1", CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max", &file);
	resources.memory = &memory;
	memory.has_limit = memory.has_swap = 1;
	memory.limit = memory.swap = 64 << 20;
	assert_int_equal(update_container(f, "c1", &resources, NULL), 0);
	memory.limit = memory.swap = 128 << 20;
	assert_int_equal(update_container(f, "c1", &resources, NULL), 0);
	assert_int_equal(io_read_file(dir_fd, file, 64, &b), 0);
	assert_string_equal(buf_str(&b), "134217728\n");
	memory.swap = 1;
	assert_int_equal(update_container(f, "c1", &resources, &err), WIRE_INVALID_ARGUMENT);
	assert_non_null(strstr(err.msg, "cannot be limited"));
	close(dir_fd);
	buf_fini(&b);
}

/* There is no device c 240:7: who may use it is told so. */
static const char trying[] =
	"mknod /x c 240 7; echo ready; while read line; do head -c 1 /x 2>&1; done";

static void let_make_nodes(Grpc__CreateContainerRequest *request, void *data)
{
	static Grpc__LinuxCapabilities capabilities = GRPC__LINUX_CAPABILITIES__INIT;
	static char name[] = "CAP_MKNOD", *names[] = {name};

	(void)data;
	capabilities.bounding = capabilities.permitted = capabilities.effective = names;
	capabilities.n_bounding = capabilities.n_permitted = capabilities.n_effective = 1;
	request->oci->process->capabilities = &capabilities;
}

static void assert_tells(struct fixture *f, const char *expected)
{
	struct buf out = BUF_INIT;

	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("\n")), 0);
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	assert_string_equal(buf_str(&out), expected);
	buf_fini(&out);
}

static void device_rules_can_be_changed(void **state)
{
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxDeviceCgroup rules[] = {
		GRPC__LINUX_DEVICE_CGROUP__INIT, GRPC__LINUX_DEVICE_CGROUP__INIT};
	Grpc__LinuxDeviceCgroup *list[] = {&rules[0], &rules[1]};
	struct container_options o = {.id = "c1", .script = trying, .amend = let_make_nodes};
	struct fixture *f = *state;
	struct buf out = BUF_INIT;

	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	buf_fini(&out);
	assert_tells(f, "head: /x: Operation not permitted\n");
	rules[0].access = rules[1].access = text("rwm");
	rules[1].has_allow = rules[1].allow = 1;
	rules[1].type = text("c");
	rules[1].has_major = rules[1].has_minor = 1;
	rules[1].major = 240;
	rules[1].minor = 7;
	resources.n_devices = 2;
	resources.devices = list;
	assert_int_equal(update_container(f, "c1", &resources, NULL), 0);
	assert_tells(f, "head: /x: No such device or address\n");
	/* Nothing is said of devices: they stay as they are. */
	resources.n_devices = 0;
	assert_int_equal(update_container(f, "c1", &resources, NULL), 0);
	assert_tells(f, "head: /x: No such device or address\n");
	resources.n_devices = 1;
	assert_int_equal(update_container(f, "c1", &resources, NULL), 0);
	assert_tells(f, "head: /x: Operation not permitted\n");
	rules[0].type = text("x");
	assert_int_equal(update_container(f, "c1", &resources, NULL), WIRE_INVALID_ARGUMENT);
}

static void statistics_tell_what_was_used(void **state)
{
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	struct reply reply;
	const Grpc__CgroupStats *s;

	run_container(f, "c1",
		"i=0; while test $i -lt 20000; do i=$((i+1)); done; echo done; exec sleep 1000");
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	assert_int_equal(get_stats(f, "c1", &reply), 0);
	s = stats_of(&reply);
	assert_non_null(s);
	assert_non_null(s->cpu_stats);
	assert_true(s->cpu_stats->cpu_usage->total_usage > NS_PER_MS);
	if (s->pids_stats)
		assert_int_equal(s->pids_stats->current, 1);
	if (s->memory_stats) {
		assert_true(s->memory_stats->usage->usage > 0);
		assert_true(s->memory_stats->usage->limit > UINT32_MAX);
		assert_true(s->memory_stats->n_stats > 10);
	}
	reply_fini(&reply);
	buf_fini(&out);
}

/* Until the cgroup has the limit: then it eats. */
static const char eating[] =
	"read line; (dd if=/dev/zero of=/dev/null bs=64M count=1) 2>/dev/null; read line";

static void limit_memory(struct fixture *f, const char *id)
{
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	const char *file;

	close(open_dir(f, id, CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max", &file));
	resources.memory = &memory;
	memory.has_limit = memory.has_swap = 1;
	memory.limit = memory.swap = 32 << 20;
	assert_int_equal(update_container(f, id, &resources, NULL), 0);
}

static void an_oom_event_names_its_container(void **state)
{
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	struct reply event;

	run_container(f, "c1", eating);
	run_container(f, "c2", eating);
	limit_memory(f, "c1");
	limit_memory(f, "c2");
	oom_start(f, f->client, &event);
	assert_int_equal(write_stdin(f, "c2", "", slice_of_str("\n")), 0);
	assert_oom_of(f, &event, "c2");
	/* One that nobody waits for is kept, and told once. */
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("\n\n")), 0);
	assert_int_equal(wait_process(f, "c1", ""), 0);
	oom_start(f, f->client, &event);
	assert_oom_of(f, &event, "c1");
	oom_start(f, other, &event);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_false(event.done);
	ttrpc_client_free(other);
	reply_fini(&event);
}

/* Or its host would take the exit for an ordinary one. */
static void the_event_comes_before_the_exit(void **state)
{
	struct fixture *f = *state;
	struct reply event, wait;

	run_container(f, "c1", "read line; exec dd if=/dev/zero of=/dev/null bs=64M count=1");
	limit_memory(f, "c1");
	oom_start(f, f->client, &event);
	wait_start(f, "c1", "", &wait);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("\n")), 0);
	call_wait(f, &wait);
	assert_int_equal(wait_code(&wait), 137);
	reply_fini(&wait);
	assert_true(event.done);
	assert_oom_of(f, &event, "c1");
}

static void an_event_is_not_lost_with_the_client_that_left(void **state)
{
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	struct reply gone, event;

	run_container(f, "c1", eating);
	limit_memory(f, "c1");
	oom_start(f, other, &gone);
	/* It has been taken in by the time that a later call is answered. */
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	ttrpc_client_free(other);
	assert_int_equal(signal_process(f, "c1", "", 0, NULL), 0);
	assert_int_equal(write_stdin(f, "c1", "", slice_of_str("\n")), 0);
	oom_start(f, f->client, &event);
	assert_oom_of(f, &event, "c1");
}

static void destroying_the_sandbox_releases_those_who_wait(void **state)
{
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct fixture *f = *state;
	struct reply events[3];

	assert_int_equal(create_sandbox(f, "host"), 0);
	run_container(f, "c1", "exec sleep 1000");
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		oom_start(f, f->client, &events[i]);
	assert_int_equal(call(f, "DestroySandbox", &destroy.base, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		call_wait(f, &events[i]);
		assert_int_equal(wire_status_of(&events[i].err), WIRE_INTERNAL);
	}
}

/* How many hierarchies have the directory. */
static size_t count_directories(const char *cgroup)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	size_t n = 0;

	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		char full[4 * PATH_SIZE];

		snprintf(full, sizeof(full), "%s%s", layout->hierarchies[i].mount_point, cgroup);
		n += access(full, F_OK) == 0;
	}
	return n;
}

/* systemd's form of path, where there is no systemd to ask (a host's setting of old). */
static void a_systemd_path_becomes_directories(void **state)
{
	struct fixture *f = *state;
	char path[2 * PATH_SIZE];
	struct container_options o = {.id = "c1", .script = "exit 6", .cgroups_path = path};

	snprintf(path, sizeof(path), "%s:kata:c1", f->cgroup);
	assert_int_equal(create_container(f, &o, NULL), 0);
	snprintf(path, sizeof(path), "%s/kata/c1", f->cgroup);
	assert_int_equal(count_directories(path), launch_get_cgroup_layout(NULL)->n_hierarchies);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_int_equal(wait_process(f, "c1", ""), 6);
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(count_directories(path), 0);
}

/* Parents that the agent has made go with the last container, others stay. */
static void empty_parents_go_with_the_last_container(void **state)
{
	const struct cgroup_layout *layout = launch_get_cgroup_layout(NULL);
	char first[2 * PATH_SIZE], second[2 * PATH_SIZE], parent[2 * PATH_SIZE];
	struct container_options o = {
		.id = "c1", .script = "exec sleep 1000", .cgroups_path = first};
	struct fixture *f = *state;

	for (size_t i = 0; i < layout->n_hierarchies; i++) {
		char full[4 * PATH_SIZE];

		snprintf(full, sizeof(full), "%s%s", layout->hierarchies[i].mount_point, f->cgroup);
		assert_int_equal(mkdir(full, 0755), 0);
	}
	snprintf(first, sizeof(first), "%s/pod/deep/c1", f->cgroup);
	snprintf(second, sizeof(second), "%s/pod/c2", f->cgroup);
	snprintf(parent, sizeof(parent), "%s/pod", f->cgroup);
	assert_int_equal(create_container(f, &o, NULL), 0);
	o = (struct container_options){.id = "c2", .script = "exit", .cgroups_path = second};
	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(remove_container(f, "c1"), 0);
	snprintf(first, sizeof(first), "%s/pod/deep", f->cgroup);
	assert_int_equal(count_directories(first), 0);
	assert_int_equal(count_directories(parent), layout->n_hierarchies);
	assert_int_equal(remove_container(f, "c2"), 0);
	assert_int_equal(count_directories(parent), 0);
	assert_int_equal(count_directories(f->cgroup), layout->n_hierarchies);
}

static void leave_only_v1(void)
{
	struct cgroup_layout layout;
	int i;

	while (cgroup_layout_read(&layout, NULL) == 0 &&
		(i = cgroup_layout_find_unified(&layout)) >= 0)
		if (umount2(layout.hierarchies[i].mount_point, MNT_DETACH) < 0)
			exit(1);
	if (cgroup_layout_read(&layout, NULL) == 0 &&
		cgroup_layout_find(&layout, CGROUP_FREEZER) >= 0 &&
		cgroup_layout_find(&layout, CGROUP_DEVICES) >= 0)
		return;
	fprintf(stderr, "skipped: no cgroup v1 with freezer and devices here\n");
	exit(77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(a_paused_container_stands_still),
		agent_test(a_created_container_can_be_paused),
		agent_test(what_has_ended_cannot_be_paused),
		agent_test(unknown_containers_are_invalid_arguments),
		agent_test(a_paused_container_can_be_killed_and_removed),
		agent_test(a_kill_does_not_wait_for_others),
		agent_test(a_removal_breaks_off_what_is_under_way),
		agent_test(limits_can_be_changed),
		agent_test(device_rules_can_be_changed),
		agent_test(statistics_tell_what_was_used),
		agent_test(an_oom_event_names_its_container),
		agent_test(the_event_comes_before_the_exit),
		agent_test(an_event_is_not_lost_with_the_client_that_left),
		agent_test(destroying_the_sandbox_releases_those_who_wait),
		agent_test(a_systemd_path_becomes_directories),
		agent_test(empty_parents_go_with_the_last_container),
	};

	fixture_require_namespace();
	if (ONLY_V1)
		leave_only_v1();
	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
