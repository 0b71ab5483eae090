/* SPDX-License-Identifier: Apache-2.0 */
/* Seccomp profiles, seen from inside. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "launch_rig.h"
#include "wire/status.h"

#define NNP ",\"noNewPrivileges\":true"
#define PROFILE(rest) ",\"seccomp\":{" rest "}"
#define ALLOW_BUT(rules) PROFILE("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" rules "]")

/* What busybox's true needs; without no_new_privs also what gives up CAP_SYS_ADMIN. */
#define ALLOWED_SYSCALLS                                                              \
	"\"syscalls\":[{\"names\":[\"execve\",\"brk\",\"arch_prctl\",\"exit_group\"," \
	"\"exit\",\"set_tid_address\",\"set_robust_list\",\"rseq\",\"prlimit64\","    \
	"\"readlink\",\"readlinkat\",\"getrandom\",\"mprotect\",\"mmap\",\"munmap\"," \
	"\"getuid\",\"prctl\",\"capset\",\"uname\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]"

static struct outcome out;

static void sh_with(const char *profile, bool nnp, const char *script)
{
	rig_sh((struct plan){.linux_members = profile, .process = nnp ? NNP : ""}, script, &out);
}

static void a_filter_is_loaded_with_and_without_nnp(void **state)
{
	(void)state;
	for (int nnp = 0; nnp < 2; nnp++) {
		sh_with(ALLOW_BUT("{\"names\":[\"sethostname\"],\"action\":\"SCMP_ACT_ERRNO\","
				  "\"errnoRet\":5}"),
			nnp,
			"hostname x 2>&1; grep -E '^(Seccomp|NoNewPrivs|CapEff)' "
			"/proc/self/status");
		assert_exits(out, 0);
		assert_non_null(strstr(out.output, "sethostname: Input/output error"));
		assert_non_null(strstr(out.output, "Seccomp:\t2\n"));
		/* CAP_SYS_ADMIN, which loaded it, is gone. */
		assert_non_null(strstr(out.output, "CapEff:\t00000000a80425fb\n"));
		assert_non_null(strstr(out.output, nnp ? "NoNewPrivs:\t1" : "NoNewPrivs:\t0"));
	}
}

static void no_errno_or_0_means_eperm(void **state)
{
	(void)state;
	sh_with(ALLOW_BUT("{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_ERRNO\"}"),
		true, "mkdir /x 2>&1");
	assert_exits(out, 1);
	assert_string_equal(
		out.output, "mkdir: can't create directory '/x': Operation not permitted\n");
	sh_with(ALLOW_BUT("{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_ERRNO\","
			  "\"errnoRet\":0}"),
		true, "mkdir /x 2>&1");
	assert_exits(out, 1);
	assert_non_null(strstr(out.output, "Operation not permitted"));
}

static void the_default_action_has_its_errno(void **state)
{
	static const struct {
		const char *members, *said;
	} rows[] = {
		{"\"defaultErrnoRet\":38,", "mkdir: can't create directory '/x': Function not "
					    "implemented\n"},
		{"\"defaultErrnoRet\":0,", "mkdir: can't create directory '/x': Operation not "
					   "permitted\n"},
		{"", "mkdir: can't create directory '/x': Operation not permitted\n"},
	};
	char profile[640];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(profile, sizeof(profile),
			PROFILE("\"defaultAction\":\"SCMP_ACT_ERRNO\",%s" ALLOWED_SYSCALLS),
			rows[i].members);
		rig_run(&(struct plan){.args = "[\"mkdir\",\"/x\"]",
				.linux_members = profile,
				.process = NNP},
			&out);
		assert_exits(out, 1);
		assert_string_equal(out.output, rows[i].said);
	}
}

static void killing_actions_kill(void **state)
{
	static const char *const actions[] = {
		"SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"};
	char profile[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		snprintf(profile, sizeof(profile),
			ALLOW_BUT("{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"%s\"}"),
			actions[i]);
		/* In a child: signals do not kill an init that does not want them. */
		sh_with(profile, true, "(mkdir /x); echo $?");
		assert_exits(out, 0);
		assert_non_null(strstr(out.output, "159\n"));
	}
}

static void trace_without_a_tracer_is_enosys(void **state)
{
	(void)state;
	sh_with(ALLOW_BUT("{\"names\":[\"sethostname\"],\"action\":\"SCMP_ACT_TRACE\"}"), true,
		"hostname x 2>&1");
	assert_non_null(strstr(out.output, "Function not implemented"));
}

/* kill(2): a shell can choose its arguments. */
static void conditions_look_at_arguments(void **state)
{
	static const struct {
		const char *op;
		unsigned int value, value_two;
		bool hits_0, hits_18, hits_28;
	} rows[] = {
		{"SCMP_CMP_EQ", 18, 0, false, true, false},
		{"SCMP_CMP_NE", 18, 0, true, false, true},
		{"SCMP_CMP_LT", 18, 0, true, false, false},
		{"SCMP_CMP_LE", 18, 0, true, true, false},
		{"SCMP_CMP_GT", 18, 0, false, false, true},
		{"SCMP_CMP_GE", 18, 0, false, true, true},
		/* The mask 16 leaves 16 of 18 and 28. */
		{"SCMP_CMP_MASKED_EQ", 16, 16, false, true, true},
		{"SCMP_CMP_MASKED_EQ", 2, 2, false, true, false},
	};
	char profile[512], expected[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(profile, sizeof(profile),
			ALLOW_BUT("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
				  "{\"index\":1,\"value\":%u,\"valueTwo\":%u,\"op\":\"%s\"}]}"),
			rows[i].value, rows[i].value_two, rows[i].op);
		sh_with(profile, true,
			"for s in 0 18 28; do kill -$s $$ 2>/dev/null && echo $s; done; true");
		assert_exits(out, 0);
		snprintf(expected, sizeof(expected), "%s%s%s", rows[i].hits_0 ? "" : "0\n",
			rows[i].hits_18 ? "" : "18\n", rows[i].hits_28 ? "" : "28\n");
		if (strcmp(out.output, expected) != 0)
			fail_msg("%s %u: %s", rows[i].op, rows[i].value, out.output);
	}
}

static void conditions_on_one_argument_are_alternatives(void **state)
{
	(void)state;
	sh_with(ALLOW_BUT("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
			  "{\"index\":1,\"value\":0,\"op\":\"SCMP_CMP_EQ\"},"
			  "{\"index\":1,\"value\":28,\"op\":\"SCMP_CMP_EQ\"}]}"),
		true, "for s in 0 18 28; do kill -$s $$ 2>/dev/null && echo $s; done; true");
	assert_string_equal(out.output, "18\n");
	/* On two arguments both must hold. */
	sh_with(ALLOW_BUT("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
			  "{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
			  "{\"index\":1,\"value\":28,\"op\":\"SCMP_CMP_EQ\"}]}"),
		true, "for s in 0 18 28; do kill -$s 1 2>/dev/null && echo $s; done; true");
	assert_string_equal(out.output, "0\n18\n");
}

static void unknown_syscalls_are_skipped_and_logged(void **state)
{
	int log = memfd_create("log", MFD_CLOEXEC);
	char text[4096];
	ssize_t n;

	(void)state;
	log_init(&(struct log_config){.format = LOG_LOGFMT,
		.level = LOG_INFO,
		.name = "test",
		.source = "test",
		.fd = log});
	sh_with(ALLOW_BUT("{\"names\":[\"frobnicate\",\"sethostname\",\"grok2\"],"
			  "\"action\":\"SCMP_ACT_ERRNO\"}"),
		true, "hostname x 2>/dev/null || echo refused");
	log_set_fd(-1);
	assert_string_equal(out.output, "refused\n");
	n = pread(log, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	if (!strstr(text, "frobnicate") || !strstr(text, "grok2") || strstr(text, "sethostname"))
		fail_msg("%s", text);
	close(log);
}

/* A host sends one profile to guests of every architecture. */
static void every_architecture_is_taken(void **state)
{
	static const char profile[] = PROFILE(
		"\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":["
		"\"sethostname\"],\"action\":\"SCMP_ACT_ERRNO\"}],"
		"\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],\"architectures\":["
		"\"SCMP_ARCH_X86\",\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X32\",\"SCMP_ARCH_ARM\","
		"\"SCMP_ARCH_AARCH64\",\"SCMP_ARCH_MIPS\",\"SCMP_ARCH_MIPS64\","
		"\"SCMP_ARCH_MIPS64N32\",\"SCMP_ARCH_MIPSEL\",\"SCMP_ARCH_MIPSEL64\","
		"\"SCMP_ARCH_MIPSEL64N32\",\"SCMP_ARCH_PPC\",\"SCMP_ARCH_PPC64\","
		"\"SCMP_ARCH_PPC64LE\",\"SCMP_ARCH_S390\",\"SCMP_ARCH_S390X\","
		"\"SCMP_ARCH_PARISC\",\"SCMP_ARCH_PARISC64\",\"SCMP_ARCH_RISCV64\","
		"\"SCMP_ARCH_LOONGARCH64\",\"SCMP_ARCH_M68K\",\"SCMP_ARCH_SH\","
		"\"SCMP_ARCH_SHEB\"]");

	(void)state;
	sh_with(profile, true, "hostname x 2>&1");
	assert_exits(out, 1);
	assert_non_null(strstr(out.output, "Operation not permitted"));
}

static void an_allow_list_runs_what_it_lists(void **state)
{
	static const char profile[] = PROFILE(
		"\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\","
		"\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\","
		"\"SECCOMP_FILTER_FLAG_TSYNC\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]"
		"," ALLOWED_SYSCALLS);

	(void)state;
	for (int nnp = 0; nnp < 2; nnp++) {
		rig_run(&(struct plan){.args = "[\"true\"]",
				.linux_members = profile,
				.process = nnp ? NNP : ""},
			&out);
		assert_exits(out, 0);
		rig_run(&(struct plan){.args = "[\"mkdir\",\"/x\"]",
				.linux_members = profile,
				.process = nnp ? NNP : ""},
			&out);
		assert_exits(out, 1);
	}
}

/* The report of the failure is a syscall too: whatever happens, it is a failure. */
static void a_filter_that_forbids_execve_is_an_error(void **state)
{
	(void)state;
	rig_run(&(struct plan){.args = "[\"true\"]",
			.process = NNP,
			.linux_members = ALLOW_BUT(
				"{\"names\":[\"execve\"],\"action\":\"SCMP_ACT_ERRNO\"}")},
		&out);
	assert_false(out.started);
	assert_string_equal(out.err.msg, "exec: \"true\": operation not permitted");
}

static void bad_profiles_are_refused(void **state)
{
	static const struct {
		const char *profile, *named;
	} rows[] = {
		{PROFILE("\"defaultAction\":\"SCMP_ACT_WHAT\""), "SCMP_ACT_WHAT"},
		{PROFILE("\"syscalls\":[]"), "unknown action"},
		{PROFILE("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_"
			 "Z80\"]"),
			"SCMP_ARCH_Z80"},
		{PROFILE("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"X86\"]"),
			"X86"},
		{PROFILE("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"F\"]"), "\"F\""},
		{ALLOW_BUT("{\"names\":[],\"action\":\"SCMP_ACT_KILL\"}"), "no syscall"},
		{ALLOW_BUT("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_X\"}"), "SCMP_ACT_X"},
		{ALLOW_BUT(
			 "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5000}"),
			"5000"},
		{ALLOW_BUT("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_LOG\",\"errnoRet\":1}"),
			"SCMP_ACT_LOG takes no errno"},
		{PROFILE("\"defaultAction\":\"SCMP_ACT_KILL\",\"defaultErrnoRet\":1"),
			"SCMP_ACT_KILL takes no errno"},
		{ALLOW_BUT("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
			   "{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]}"),
			"argument 6"},
		{ALLOW_BUT("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
			   "{\"index\":0,\"op\":\"SCMP_CMP_ODD\"}]}"),
			"SCMP_CMP_ODD"},
		{ALLOW_BUT("{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
			   "{\"index\":0}]}"),
			"operator \"\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_run(&(struct plan){.linux_members = rows[i].profile}, &out);
		assert_false(out.created);
		if (!strstr(out.err.msg, rows[i].named))
			fail_msg("row %zu: %s", i, out.err.msg);
		assert_int_equal(out.err.status, WIRE_INVALID_ARGUMENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(a_filter_is_loaded_with_and_without_nnp),
		rig_test(no_errno_or_0_means_eperm),
		rig_test(the_default_action_has_its_errno),
		rig_test(killing_actions_kill),
		rig_test(trace_without_a_tracer_is_enosys),
		rig_test(conditions_look_at_arguments),
		rig_test(conditions_on_one_argument_are_alternatives),
		rig_test(unknown_syscalls_are_skipped_and_logged),
		rig_test(every_architecture_is_taken),
		rig_test(an_allow_list_runs_what_it_lists),
		rig_test(a_filter_that_forbids_execve_is_an_error),
		rig_test(bad_profiles_are_refused),
	};

	rig_run_tests(tests, ARRAY_SIZE(tests));
}
