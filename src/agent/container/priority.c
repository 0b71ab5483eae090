/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/priority.h"

#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "wire/status.h"

enum { MAX_CPUS = 8192, BITS = 8 * sizeof(unsigned long) };

#define invalid(err, ...) err_status((err), EINVAL, WIRE_INVALID_ARGUMENT, __VA_ARGS__)

static int parse_class(const char *name)
{
	static const struct {
		char name[20];
		int class;
	} table[] = {
		{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
		{"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
		{"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].class;
	return -EINVAL;
}

static int parse_policy(const char *name)
{
	static const struct {
		char name[16];
		int policy;
	} table[] = {
		{"SCHED_OTHER", SCHED_NORMAL},
		{"SCHED_FIFO", SCHED_FIFO},
		{"SCHED_RR", SCHED_RR},
		{"SCHED_BATCH", SCHED_BATCH},
		{"SCHED_IDLE", SCHED_IDLE},
		{"SCHED_DEADLINE", SCHED_DEADLINE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].policy;
	return -EINVAL;
}

/* 0: unknown. */
static uint64_t parse_flag(const char *name)
{
	static const struct {
		char name[28];
		uint64_t flag;
	} table[] = {
		{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
		{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
		{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
		{"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
		{"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
		{"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
		{"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].flag;
	return 0;
}

static int check_io(const Grpc__LinuxIOPriority *io, struct err *err)
{
	const char *class = io->class_ ? io->class_ : "";

	if (parse_class(class) < 0)
		return invalid(err, "ioPriority: unknown class \"%.64s\"", class);
	if (io->priority < 0 || io->priority >= IOPRIO_NR_LEVELS)
		return invalid(err, "ioPriority: priority %d is not from 0 to %d", io->priority,
			IOPRIO_NR_LEVELS - 1);
	return 0;
}

/* The kernel would ignore what is not its policy's. */
static int check_values(const Grpc__Scheduler *s, int policy, struct err *err)
{
	bool is_deadline = policy == SCHED_DEADLINE;
	bool is_realtime = policy == SCHED_FIFO || policy == SCHED_RR;

	if (s->nice < -20 || s->nice > 19)
		return invalid(err, "scheduler: nice %d is not from -20 to 19", s->nice);
	if (s->nice && (is_deadline || is_realtime || policy == SCHED_IDLE))
		return invalid(err, "scheduler: %s has no nice value", s->policy);
	if (s->priority && !is_realtime)
		return invalid(err, "scheduler: %s has no priority", s->policy);
	if (is_realtime && (s->priority < 1 || s->priority > 99))
		return invalid(err, "scheduler: priority %d is not from 1 to 99", s->priority);
	if ((s->runtime || s->deadline || s->period) && !is_deadline)
		return invalid(err, "scheduler: %s has no runtime, deadline and period", s->policy);
	return 0;
}

static int check_scheduler(const Grpc__Scheduler *s, struct err *err)
{
	const char *name = s->policy ? s->policy : "";
	int policy = parse_policy(name);

	/* Reserved, and never made: Linux has no such scheduler. */
	if (strcmp(name, "SCHED_ISO") == 0)
		return invalid(err, "scheduler: SCHED_ISO is not supported by Linux");
	if (policy < 0)
		return invalid(err, "scheduler: unknown policy \"%.64s\"", name);
	for (size_t i = 0; i < s->n_flags; i++)
		if (!parse_flag(s->flags[i]))
			return invalid(err, "scheduler: unknown flag \"%.64s\"", s->flags[i]);
	return check_values(s, policy, err);
}

/* "0-3,7" into bits. */
static bool parse_cpus(const char *list, unsigned long *set)
{
	while (*list) {
		unsigned int first, last;
		int n = 0, m = 0;

		/* %u would take a sign and spaces. */
		if (*list < '0' || *list > '9' || sscanf(list, "%5u%n", &first, &n) != 1)
			return false;
		list += n;
		last = first;
		if (*list == '-') {
			list++;
			if (*list < '0' || *list > '9' || sscanf(list, "%5u%n", &last, &m) != 1)
				return false;
			list += m;
		}
		if (first > last || last >= MAX_CPUS || (*list && *list != ','))
			return false;
		for (unsigned int i = first; i <= last; i++)
			set[i / BITS] |= 1UL << (i % BITS);
		if (*list && !*++list)
			return false;
	}
	return true;
}

static int check_cpus(const char *what, const char *list, struct err *err)
{
	unsigned long set[MAX_CPUS / BITS] = {0};

	if (list && !parse_cpus(list, set))
		return invalid(
			err, "execCPUAffinity: %s \"%.64s\" is no list of processors", what, list);
	return 0;
}

int priority_check(const Grpc__Process *p, struct err *err)
{
	int r = p->iopriority ? check_io(p->iopriority, err) : 0;

	if (r == 0 && p->scheduler)
		r = check_scheduler(p->scheduler, err);
	if (r == 0 && p->execcpuaffinity)
		r = check_cpus("initial", p->execcpuaffinity->initial, err);
	if (r == 0 && p->execcpuaffinity)
		r = check_cpus("final", p->execcpuaffinity->final, err);
	return r;
}

static int apply_scheduler(pid_t pid, const Grpc__Scheduler *s, struct err *err)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = (uint32_t)parse_policy(s->policy),
		.sched_nice = s->nice,
		.sched_priority = (uint32_t)s->priority,
		.sched_runtime = s->runtime,
		.sched_deadline = s->deadline,
		.sched_period = s->period,
	};

	for (size_t i = 0; i < s->n_flags; i++)
		attr.sched_flags |= parse_flag(s->flags[i]);
	if (syscall(SYS_sched_setattr, pid, &attr, 0) < 0)
		return err_sys(err, errno, "set the scheduler %s", s->policy);
	return 0;
}

int priority_apply(pid_t pid, const Grpc__Process *p, struct err *err)
{
	const Grpc__LinuxIOPriority *io = p->iopriority;

	if (io && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid,
			  IOPRIO_PRIO_VALUE(parse_class(io->class_), io->priority)) < 0)
		return err_sys(err, errno, "set the I/O priority %s %d", io->class_, io->priority);
	return p->scheduler ? apply_scheduler(pid, p->scheduler, err) : 0;
}

int priority_set_cpus(const char *list, struct err *err)
{
	unsigned long set[MAX_CPUS / BITS] = {0};

	if (!list || !*list)
		return 0;
	if (!parse_cpus(list, set))
		return invalid(err, "execCPUAffinity: \"%.64s\" is no list of processors", list);
	if (syscall(SYS_sched_setaffinity, 0, sizeof(set), set) < 0)
		return err_sys(err, errno, "run on the processors %s", list);
	return 0;
}
