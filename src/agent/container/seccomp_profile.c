/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/seccomp_profile.h"

#include <ctype.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/container/report.h"
#include "wire/status.h"

enum { ARGS_MAX = 6, ERRNO_MAX = 4095 };

struct compile {
	scmp_filter_ctx ctx;
	uint32_t default_action;
	int report_fd;
	struct err *err;
};

static int invalid(const struct compile *c, const char *what, const char *value)
{
	return err_status(c->err, EINVAL, WIRE_INVALID_ARGUMENT,
		"seccomp profile: unknown %s \"%.64s\"", what, value ? value : "");
}

static int parse_action(
	const struct compile *c, const char *name, uint32_t errno_ret, uint32_t *ret)
{
	static const struct {
		char name[24];
		uint32_t action;
	} table[] = {
		{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
		{"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
		{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
		{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
		{"SCMP_ACT_LOG", SCMP_ACT_LOG},
		{"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
	};
	uint32_t value = errno_ret ? errno_ret : EPERM;

	if (!name)
		return invalid(c, "action", name);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, name) != 0)
			continue;
		/* Hosts that speak proto3 send a 0 where there is none. */
		if (errno_ret)
			return err_status(c->err, EINVAL, WIRE_INVALID_ARGUMENT,
				"seccomp profile: %s takes no errno", name);
		*ret = table[i].action;
		return 0;
	}
	if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
		return err_set(c->err, ENOTSUP, "seccomp action SCMP_ACT_NOTIFY is not supported");
	if (value > ERRNO_MAX)
		return err_status(c->err, EINVAL, WIRE_INVALID_ARGUMENT,
			"seccomp profile: errno %u is out of range", value);
	if (strcmp(name, "SCMP_ACT_ERRNO") == 0)
		*ret = SCMP_ACT_ERRNO(value);
	else if (strcmp(name, "SCMP_ACT_TRACE") == 0)
		*ret = SCMP_ACT_TRACE(value);
	else
		return invalid(c, "action", name);
	return 0;
}

/* What the specification has and libseccomp 2.5 has not. */
static bool is_newer(const char *bare)
{
	static const char names[][12] = {"loongarch64", "m68k", "sh", "sheb"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], bare) == 0)
			return true;
	return false;
}

static int add_architecture(const struct compile *c, const char *name)
{
	static const char prefix[] = "SCMP_ARCH_";
	char bare[32];
	uint32_t token;
	size_t i = 0;
	int r;

	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return invalid(c, "architecture", name);
	for (const char *at = name + sizeof(prefix) - 1; *at && i < sizeof(bare) - 1; at++)
		bare[i++] = (char)tolower((unsigned char)*at);
	bare[i] = '\0';
	token = seccomp_arch_resolve_name(bare);
	if (token == 0 && !is_newer(bare))
		return invalid(c, "architecture", name);
	/* -EDOM: of the other byte order. Neither can run on this processor. */
	r = token ? seccomp_arch_add(c->ctx, token) : -EDOM;
	if (r == -EDOM)
		report_log(c->report_fd, LOG_INFO,
			"seccomp profile: architecture %.64s skipped: it cannot run here", name);
	else if (r < 0 && r != -EEXIST)
		return err_sys(c->err, -r, "seccomp architecture %s", name);
	return 0;
}

static int parse_flags(
	const struct compile *c, const Grpc__LinuxSeccomp *profile, unsigned int *ret)
{
	unsigned int flags = 0;

	for (size_t i = 0; i < profile->n_flags; i++) {
		const char *name = profile->flags[i];

		/* There is one thread, so synchronising threads means nothing, and without
		 * SCMP_ACT_NOTIFY nobody waits for an answer; both are valid though. */
		if (strcmp(name, "SECCOMP_FILTER_FLAG_LOG") == 0)
			flags |= SECCOMP_FILTER_FLAG_LOG;
		else if (strcmp(name, "SECCOMP_FILTER_FLAG_SPEC_ALLOW") == 0)
			flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		else if (strcmp(name, "SECCOMP_FILTER_FLAG_TSYNC") != 0 &&
			 strcmp(name, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") != 0)
			return invalid(c, "flag", name);
	}
	*ret = flags;
	return 0;
}

static int parse_condition(
	const struct compile *c, const Grpc__LinuxSeccompArg *arg, struct scmp_arg_cmp *ret)
{
	static const struct {
		char name[24];
		enum scmp_compare op;
	} table[] = {
		{"SCMP_CMP_NE", SCMP_CMP_NE},
		{"SCMP_CMP_LT", SCMP_CMP_LT},
		{"SCMP_CMP_LE", SCMP_CMP_LE},
		{"SCMP_CMP_EQ", SCMP_CMP_EQ},
		{"SCMP_CMP_GE", SCMP_CMP_GE},
		{"SCMP_CMP_GT", SCMP_CMP_GT},
		{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
	};

	if (arg->index >= ARGS_MAX)
		return err_status(c->err, EINVAL, WIRE_INVALID_ARGUMENT,
			"seccomp profile: a syscall has no argument %llu",
			(unsigned long long)arg->index);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!arg->op || strcmp(table[i].name, arg->op) != 0)
			continue;
		/* For MASKED_EQ value is the mask and valueTwo what must come out. */
		*ret = (struct scmp_arg_cmp){.arg = (unsigned int)arg->index,
			.op = table[i].op,
			.datum_a = arg->value,
			.datum_b = arg->valuetwo};
		return 0;
	}
	return invalid(c, "operator", arg->op);
}

static bool share_argument(const struct scmp_arg_cmp *conditions, size_t n)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < n; i++) {
		if (seen >> conditions[i].arg & 1)
			return true;
		seen |= 1U << conditions[i].arg;
	}
	return false;
}

static int add_rule(const struct compile *c, const char *name, uint32_t action, int nr,
	const struct scmp_arg_cmp *conditions, size_t n)
{
	int r = seccomp_rule_add_array(c->ctx, action, nr, (unsigned int)n, conditions);

	/* -EEXIST: said before in the same words. */
	return r < 0 && r != -EEXIST ? err_sys(c->err, -r, "seccomp rule for %s", name) : 0;
}

static int add_name(const struct compile *c, const char *name, uint32_t action,
	const struct scmp_arg_cmp *conditions, size_t n)
{
	int nr = seccomp_syscall_resolve_name(name), r = 0;

	if (nr == __NR_SCMP_ERROR) {
		report_log(c->report_fd, LOG_WARN, "seccomp profile: unknown syscall %.64s skipped",
			name);
		return 0;
	}
	if (!share_argument(conditions, n))
		return add_rule(c, name, action, nr, conditions, n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_rule(c, name, action, nr, &conditions[i], 1);
	return r;
}

static int add_syscalls(const struct compile *c, const Grpc__LinuxSyscall *s)
{
	/* More than one condition on an argument is allowed; that many make no sense. */
	struct scmp_arg_cmp conditions[4 * ARGS_MAX];
	uint32_t action;
	int r = parse_action(c, s->action, s->errnoret, &action);

	if (r < 0)
		return r;
	if (s->n_names == 0)
		return err_status(c->err, EINVAL, WIRE_INVALID_ARGUMENT,
			"seccomp profile: a rule names no syscall");
	if (s->n_args > ARRAY_SIZE(conditions))
		return err_status(c->err, EINVAL, WIRE_INVALID_ARGUMENT,
			"seccomp profile: %zu conditions in one rule", s->n_args);
	for (size_t i = 0; i < s->n_args && r == 0; i++)
		r = parse_condition(c, s->args[i], &conditions[i]);
	/* libseccomp refuses a rule that says what holds anyway. */
	if (r < 0 || action == c->default_action)
		return r;
	for (size_t i = 0; i < s->n_names && r == 0; i++)
		r = add_name(c, s->names[i], action, conditions, s->n_args);
	return r;
}

static int export(const struct compile *c, unsigned int flags, struct syscall_filter *ret)
{
	auto_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(c->err, errno, "memfd");
	r = seccomp_export_bpf(c->ctx, fd);
	if (r == 0)
		r = syscall_filter_read(fd, ret);
	if (r < 0)
		return err_sys(c->err, -r, "compile the seccomp profile");
	ret->flags = flags;
	return 0;
}

int seccomp_profile_compile(const Grpc__LinuxSeccomp *profile, int report_fd,
	struct syscall_filter *ret, struct err *err)
{
	struct compile c = {.report_fd = report_fd, .err = err};
	struct syscall_filter filter = {.insns = NULL};
	unsigned int flags;
	int r = parse_action(
		&c, profile->defaultaction, profile->defaulterrnoret, &c.default_action);

	if (r == 0)
		r = parse_flags(&c, profile, &flags);
	if (r < 0)
		return r;
	c.ctx = seccomp_init(c.default_action);
	if (!c.ctx)
		return err_sys(err, ENOMEM, "seccomp");
	for (size_t i = 0; i < profile->n_architectures && r == 0; i++)
		r = add_architecture(&c, profile->architectures[i]);
	for (size_t i = 0; i < profile->n_syscalls && r == 0; i++)
		r = add_syscalls(&c, profile->syscalls[i]);
	if (r == 0)
		r = export(&c, flags, &filter);
	seccomp_release(c.ctx);
	if (r == 0)
		*ret = filter;
	return r;
}
