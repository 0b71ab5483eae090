/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside limits*.c: where the files of one controller are, and writing one of them. */
#include "agent/container/limits.h"

struct limits_target {
	const struct cgroup *cgroup;
	enum limits_use use;
	int report_fd; /* -1: nobody to tell */
	struct err *err;
};

struct limits_place {
	const struct limits_target *target;
	enum cgroup_controller controller;
	int fd;	      /* borrowed; -1: there is no such controller */
	bool unified; /* the files are v2's */
};

struct limits_place limits_find(const struct limits_target *t, enum cgroup_controller controller);
/* A file that is missing is no error if the text asks for what holds without it: "max ...", "-1". */
int limits_put(const struct limits_place *p, const char *file, const char *text) must_check;
/* Nothing for 0; no limit for negative numbers. */
int limits_put_number(const struct limits_place *p, const char *file, int64_t value) must_check;

enum { LIMITS_TEXT_SIZE = 96 };

int limits_put_cpu(const struct limits_target *t, const Grpc__LinuxCPU *c) must_check;
int limits_put_memory(const struct limits_target *t, const Grpc__LinuxMemory *m) must_check;
int limits_put_io(const struct limits_target *t, const Grpc__LinuxBlockIO *io) must_check;
