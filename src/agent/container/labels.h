/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A spec's selinuxLabel, apparmorProfile and mountLabel. What the guest's kernel does not enforce is
 * refused, but for one thing: profiles that container engines give to everything they run
 * ("cri-containerd.apparmor.d") are then left out with a warning, for they are the host's default
 * and nobody's wish, and upstream's hosts send them to every guest.
 *
 * The job opens the guest's /proc, which the process, born in the container's mounts, can see no
 * more; the process opens its own files below it; and writes to them last of all, because what it
 * runs before (hooks) is not to be confined.
 */
#include "base/err.h"
#include "oci.pb-c.h"

struct labels {
	const char *selinux, *apparmor;	      /* borrowed; NULL: none to be set */
	int proc_fd, selinux_fd, apparmor_fd; /* -1: not open */
};
#define LABELS_INIT ((struct labels){.proc_fd = -1, .selinux_fd = -1, .apparmor_fd = -1})

/* Whether they are labels at all (INVALID_ARGUMENT), and the guest knows them (-ENOTSUP). */
int labels_check_process(const Grpc__Process *process, struct err *err) must_check;
int labels_check_mounts(const Grpc__Linux *linux_spec, struct err *err) must_check;

/* In the job, in the guest's mount namespace. What is left out is told to report_fd. */
int labels_prepare(const Grpc__Process *process, int report_fd, struct labels *ret,
	struct err *err) must_check;
/* In the process: at its birth, and right before it runs its program. */
int labels_open(struct labels *labels, struct err *err) must_check;
int labels_apply(const struct labels *labels, struct err *err) must_check;
