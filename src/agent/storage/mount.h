/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A storage that is one mount: what the drivers have in common. All but the check is for jobs.
 */
#include <sys/types.h>

#include "agent.pb-c.h"
#include "base/err.h"

/* There must be a source and a file system type. */
int storage_check_fs(const Grpc__Storage *s, struct err *err) must_check;

/*
 * Mounts source (not s->source) as s->fstype on s->mount_point, which is made with its parents,
 * with s->options, and gives it to s->fs_group. The type "bind", and the option, stand for a bind
 * mount of a directory or a file. A failure leaves no mount, nor a mount point that was not there
 * before.
 */
int storage_mount_fs(const Grpc__Storage *s, const char *source, struct err *err) must_check;

/* Changes what is mounted at s->mount_point, which is not looked at otherwise, by s->options: what
 * they do not name stays as it is. */
int storage_remount(const Grpc__Storage *s, struct err *err) must_check;

/* 0 also when nothing is mounted there; removes the mount point if it is an empty directory. */
int storage_unmount_fs(const char *mount_point, struct err *err) must_check;
