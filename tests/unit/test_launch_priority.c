/* SPDX-License-Identifier: Apache-2.0 */
/* What a process inherits from its spec beside limits: scheduler, I/O priority, processors,
 * personality, umask; and the names of its uts namespace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/priority.h"
#include "launch_rig.h"
#include "oci/spec.h"
#include "wire/status.h"

/* Policy and nice or real-time priority, as the kernel has them (proc(5): fields 41, 19 and 40). */
#define SHOW_SCHEDULER "cut -d' ' -f41,19,40 /proc/self/stat"
#define BUSYBOX_ROOT "[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"}]"

static struct outcome out;

static void sh_with(const char *process, const char *script)
{
	rig_sh((struct plan){.process = process}, script, &out);
}

static void a_process_has_its_scheduler(void **state)
{
	static const struct {
		const char *scheduler, *shown; /* nice, real-time priority, policy */
	} rows[] = {
		{"{\"policy\":\"SCHED_OTHER\",\"nice\":5}", "5 0 0\n"},
		{"{\"policy\":\"SCHED_OTHER\",\"nice\":-20}", "-20 0 0\n"},
		{"{\"policy\":\"SCHED_BATCH\",\"nice\":6}", "6 0 3\n"},
		{"{\"policy\":\"SCHED_OTHER\",\"nice\":-7,\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]"
		 "}",
			"0 0 0\n"},
	};
	char process[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(process, sizeof(process), ",\"scheduler\":%s", rows[i].scheduler);
		/* In a child. */
		sh_with(process, SHOW_SCHEDULER "; true");
		assert_exits(out, 0);
		if (strcmp(out.output, rows[i].shown) != 0)
			fail_msg("row %zu: %s", i, out.output);
	}
}

/* Real-time policies: a kernel with groups of them (cgroup v1) may have no time for this one. */
static void real_time_policies_are_the_kernels(void **state)
{
	static const struct {
		const char *scheduler, *shown, *named;
	} rows[] = {
		{"{\"policy\":\"SCHED_FIFO\",\"priority\":7}", "0 7 1\n",
			"set the scheduler SCHED_FIFO"},
		{"{\"policy\":\"SCHED_RR\",\"priority\":99}", "0 99 2\n",
			"set the scheduler SCHED_RR"},
	};
	char process[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(process, sizeof(process), ",\"scheduler\":%s", rows[i].scheduler);
		sh_with(process, SHOW_SCHEDULER);
		if (out.created ? strcmp(out.output, rows[i].shown) != 0
				: !strstr(out.err.msg, rows[i].named))
			fail_msg("row %zu: %s%s", i, out.output, out.err.msg);
	}
}

static void a_deadline_is_the_kernels_to_grant(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"cut\",\"-d\",\" \",\"-f41\",\"/proc/self/stat\"]",
			.process = ",\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":"
				   "1000000,\"deadline\":10000000,\"period\":10000000}"},
		&out);
	if (out.created ? strcmp(out.output, "6\n") != 0
			: !strstr(out.err.msg, "set the scheduler SCHED_DEADLINE"))
		fail_msg("%s%s", out.output, out.err.msg);
	/* More time than there is. */
	rig_run(&(struct plan){.process = ",\"scheduler\":{\"policy\":\"SCHED_DEADLINE\","
					  "\"runtime\":20000000,\"deadline\":10000000}"},
		&out);
	assert_false(out.created);
	assert_non_null(strstr(out.err.msg, "set the scheduler SCHED_DEADLINE"));
}

/* On a busy machine such a process would not get far, so this one has nothing to do. */
static void one_that_only_gets_what_is_left_over(void **state)
{
	static const char json[] = "{\"scheduler\":{\"policy\":\"SCHED_IDLE\"},\"ioPriority\":"
				   "{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":0}}";
	Grpc__Process *process;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		for (;;)
			pause();
	assert_int_equal(oci_process_parse(json, strlen(json), &process, NULL, NULL), 0);
	assert_int_equal(priority_apply(pid, process, NULL), 0);
	assert_int_equal(sched_getscheduler(pid), SCHED_IDLE);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	oci_process_free(process);
}

static void a_process_has_its_io_priority(void **state)
{
	static const struct {
		const char *class, *shown;
		int priority;
	} rows[] = {
		{"IOPRIO_CLASS_BE", "best-effort: prio 0\n", 0},
		{"IOPRIO_CLASS_BE", "best-effort: prio 7\n", 7},
		{"IOPRIO_CLASS_RT", "realtime: prio 3\n", 3},
		{"IOPRIO_CLASS_IDLE", "idle\n", 0},
	};
	char process[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(process, sizeof(process),
			",\"ioPriority\":{\"class\":\"%s\",\"priority\":%d}", rows[i].class,
			rows[i].priority);
		sh_with(process, "ionice");
		assert_exits(out, 0);
		if (strcmp(out.output, rows[i].shown) != 0)
			fail_msg("row %zu: %s", i, out.output);
	}
}

static void a_process_has_its_umask(void **state)
{
	(void)state;
	sh_with(",\"user\":{\"uid\":0,\"gid\":0,\"umask\":63}", "umask");
	assert_string_equal(out.output, "0077\n");
	sh_with(",\"user\":{\"uid\":1000,\"gid\":0,\"umask\":0}", "umask");
	assert_string_equal(out.output, "0000\n");
	sh_with(",\"user\":{\"uid\":0,\"gid\":0,\"umask\":511}", "umask");
	assert_string_equal(out.output, "0777\n");
	/* The root was made under ours. */
	sh_with(",\"user\":{\"uid\":0,\"gid\":0,\"umask\":511}",
		"ls -ld /proc/self/fd/. >/dev/null");
	assert_exits(out, 0);
}

static void a_container_has_its_personality(void **state)
{
	(void)state;
	rig_sh((struct plan){.linux_members = ",\"personality\":{\"domain\":\"LINUX32\"}"},
		"cat /proc/self/personality; uname -m", &out);
	assert_exits(out, 0);
#ifdef __x86_64__
	assert_string_equal(out.output, "00000008\ni686\n");
#endif
	assert_memory_equal(out.output, "00000008\n", 9);
	rig_sh((struct plan){.linux_members = ",\"personality\":{\"domain\":\"LINUX\"}"},
		"cat /proc/self/personality", &out);
	assert_string_equal(out.output, "00000000\n");
}

static void a_uts_namespace_has_its_names(void **state)
{
	(void)state;
	rig_sh((struct plan){.namespaces = BUSYBOX_ROOT,
		       .members = ",\"hostname\":\"h\",\"domainname\":\"d.example\""},
		"hostname; cat /proc/sys/kernel/domainname", &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "h\nd.example\n");
}

/* As the agent has it, an exec goes by its own process, and by the container's personality. */
static void an_exec_has_its_own(void **state)
{
	static const char process[] =
		"{\"args\":[\"sh\",\"-c\",\"" SHOW_SCHEDULER "; ionice; umask; "
		"cat /proc/self/personality; grep Cpus_allowed_list /proc/self/status | cut -f2\"],"
		"\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"user\":{\"umask\":1},"
		"\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":3},"
		"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":6},"
		"\"execCPUAffinity\":{\"initial\":\"0-63\",\"final\":\"0\"}}";
	struct rig_container c;
	struct plan plan = {.args = "[\"cat\"]",
		.process = ",\"user\":{\"umask\":63},\"scheduler\":{\"policy\":\"SCHED_OTHER\","
			   "\"nice\":1},\"execCPUAffinity\":{\"final\":\"4000\"}",
		.linux_members = ",\"personality\":{\"domain\":\"LINUX32\"}"};

	(void)state;
	rig_create(&plan, &c);
	if (c.failed)
		fail_msg("%s", c.err.msg);
	rig_release(&c);
	rig_exec(&c, process, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "3 0 3\nbest-effort: prio 6\n0001\n00000008\n0\n");
	rig_destroy(&c);
}

static void processors_that_are_not_there_are_an_error(void **state)
{
	static const char process[] = "{\"args\":[\"true\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],"
				      "\"execCPUAffinity\":{\"final\":\"8191\"}}";
	struct rig_container c;

	(void)state;
	rig_create(&(struct plan){.args = "[\"cat\"]"}, &c);
	rig_release(&c);
	rig_exec(&c, process, &out);
	assert_false(out.started);
	assert_string_equal(out.err.msg, "run on the processors 8191: Invalid argument");
	rig_destroy(&c);
}

static void what_nobody_knows_is_refused_by_name(void **state)
{
	static const struct {
		struct plan plan;
		const char *named;
	} rows[] = {
		{{.process = ",\"ioPriority\":{\"class\":\"IOPRIO_CLASS_NONE\",\"priority\":0}"},
			"IOPRIO_CLASS_NONE"},
		{{.process = ",\"ioPriority\":{\"priority\":0}"}, "class \"\""},
		{{.process = ",\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}"},
			"priority 8"},
		{{.process = ",\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":-1}"},
			"priority -1"},
		{{.process = ",\"scheduler\":{}"}, "policy \"\""},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_ISO\"}"}, "SCHED_ISO"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_EXT\"}"}, "SCHED_EXT"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"flags\":[\"F\"]}"},
			"flag \"F\""},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":20}"}, "nice 20"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":-21}"},
			"nice -21"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":0}"},
			"priority 0"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":100}"},
			"priority 100"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":1,\"nice\":1}"},
			"no nice"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_IDLE\",\"nice\":1}"},
			"SCHED_IDLE has no nice"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"priority\":1}"},
			"no priority"},
		{{.process = ",\"scheduler\":{\"policy\":\"SCHED_IDLE\",\"runtime\":1}"},
			"no runtime"},
		{{.process = ",\"execCPUAffinity\":{\"initial\":\"0-\"}"}, "\"0-\""},
		{{.process = ",\"execCPUAffinity\":{\"final\":\"3-2\"}"}, "\"3-2\""},
		{{.process = ",\"execCPUAffinity\":{\"final\":\"0,\"}"}, "\"0,\""},
		{{.process = ",\"execCPUAffinity\":{\"final\":\" 0\"}"}, "\" 0\""},
		{{.process = ",\"execCPUAffinity\":{\"final\":\"8192\"}"}, "\"8192\""},
		{{.process = ",\"execCPUAffinity\":{\"final\":\"99999999999\"}"}, "no list"},
		{{.process = ",\"user\":{\"umask\":512}"}, "umask 01000"},
		{{.linux_members = ",\"personality\":{}"}, "domain \"\""},
		{{.linux_members = ",\"personality\":{\"domain\":\"BSD\"}"}, "BSD"},
		{{.linux_members = ",\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"A\"]}"},
			"flag \"A\""},
		{{.namespaces = "[{\"type\":\"mount\"}]", .members = ",\"domainname\":\"d\""},
			"domainname needs a uts"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_run(&rows[i].plan, &out);
		assert_false(out.created);
		if (!strstr(out.err.msg, rows[i].named))
			fail_msg("row %zu: %s", i, out.err.msg);
		assert_int_equal(out.err.status, WIRE_INVALID_ARGUMENT);
	}
}

/* What the container's root may not do is done before it is that. */
static void a_user_namespace_changes_nothing(void **state)
{
	static const char script[] = SHOW_SCHEDULER "; ionice; umask; cat /proc/self/personality";

	(void)state;
	rig_sh((struct plan){.namespaces = "[{\"type\":\"pid\"},{\"type\":\"mount\"},"
					   "{\"type\":\"user\"}]",
		       .linux_members = ",\"uidMappings\":[{\"hostID\":0,\"size\":65536}],"
					"\"gidMappings\":[{\"hostID\":0,\"size\":65536}],"
					"\"personality\":{\"domain\":\"LINUX32\"}",
		       .process = ",\"user\":{\"umask\":2},\"scheduler\":{\"policy\":"
				  "\"SCHED_OTHER\",\"nice\":-5},\"ioPriority\":{\"class\":"
				  "\"IOPRIO_CLASS_RT\",\"priority\":1}"},
		script, &out);
	assert_exits(out, 0);
	assert_string_equal(out.output, "-5 0 0\nrealtime: prio 1\n0002\n00000008\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(a_process_has_its_scheduler),
		rig_test(real_time_policies_are_the_kernels),
		rig_test(a_deadline_is_the_kernels_to_grant),
		rig_test(one_that_only_gets_what_is_left_over),
		rig_test(a_process_has_its_io_priority),
		rig_test(a_process_has_its_umask),
		rig_test(a_container_has_its_personality),
		rig_test(a_uts_namespace_has_its_names),
		rig_test(an_exec_has_its_own),
		rig_test(processors_that_are_not_there_are_an_error),
		rig_test(what_nobody_knows_is_refused_by_name),
		rig_test(a_user_namespace_changes_nothing),
	};

	/* Some policies keep the nice value that this program was started with. */
	if (setpriority(PRIO_PROCESS, 0, 0) < 0)
		return 1;
	rig_run_tests(tests, ARRAY_SIZE(tests));
}
