/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The command line of a virtio-fs daemon. There are two with the same name: QEMU's own in C (until
 * QEMU 7.2, so in Debian 12) and its successor in Rust. They are told apart by where they live,
 * which costs nothing at each start: QEMU's is installed as /usr/lib/qemu/virtiofsd (or lib64), the
 * other one elsewhere (/usr/libexec/virtiofsd).
 */
#include <stdbool.h>

#include "base/err.h"

enum { VIRTIOFSD_ARGS_MAX = 20, VIRTIOFSD_LISTEN_FD = 3 };

struct virtiofsd_args {
	const char *argv[VIRTIOFSD_ARGS_MAX + 1]; /* NULL-terminated; into text, or static */
	char *text[VIRTIOFSD_ARGS_MAX];		  /* owned */
	size_t n;
};

bool virtiofsd_is_qemus(const char *program);

/*
 * For a daemon that finds its listening socket at fd VIRTIOFSD_LISTEN_FD and shows dir. cache as in
 * the configuration. -EINVAL: this daemon does not have that cache mode.
 */
int virtiofsd_args_init(struct virtiofsd_args *args, const char *program, const char *dir,
	const char *cache, struct err *err) must_check;
void virtiofsd_args_fini(struct virtiofsd_args *args);
