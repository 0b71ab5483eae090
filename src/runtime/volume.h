/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the source of a container's bind mount is, and so what becomes of it:
 *
 *	a block device				BLOCK: the same disk in the guest
 *	a file system of the kernel's (proc, sysfs,
 *	cgroup, /dev, ...), a character device	refused by name
 *	what is mounted on /dev/shm		SHM: its size is the sandbox's
 *	a Kubernetes emptyDir in memory		MEMORY: a tmpfs of the guest's instead
 *	a Kubernetes emptyDir of huge pages	HUGEPAGES: a hugetlbfs of the guest's instead
 *	a Kubernetes emptyDir on disk		LOCAL, if the configuration wants it in the guest
 *	a small, read-only Kubernetes
 *	ConfigMap, Secret, projected or
 *	downward API volume			WATCHABLE: shared, and copied by the agent when it
 *						changes, so that the container is notified
 *	anything else				SHARED
 *
 * Kubernetes' volumes are known by the name of the directory that they are in, as upstream does
 * (pods/UID/volumes/kubernetes.io~empty-dir/NAME), and by the file system that they are on.
 *
 * Sockets and named pipes are shared, with a warning: they connect processes of the guest only.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum volume_kind {
	VOLUME_SHARED,
	VOLUME_WATCHABLE,
	VOLUME_MEMORY,
	VOLUME_HUGEPAGES,
	VOLUME_LOCAL,
	VOLUME_SHM,
	VOLUME_BLOCK,
	VOLUME_KIND_COUNT,
};

/* What the job that mounts finds out and its parent goes by: of fixed size, for it is in memory that
 * both share. */
struct volume_facts {
	enum volume_kind kind;
	mode_t mode;	    /* of the directory, with its type */
	gid_t gid;	    /* that it belongs to */
	uint64_t size;	    /* of the file system, in bytes; 0: not limited */
	uint64_t page_size; /* of HUGEPAGES, in bytes */
	uid_t uid;
	dev_t device; /* of BLOCK: its number on the host; 0: a regular file */
	bool is_readonly;
};

/* What is asked for. */
struct volume_wish {
	const char *source; /* absolute; for Kubernetes' names and messages only */
	bool is_shm;	    /* the container's /dev/shm */
	bool is_readonly;
	bool wants_local; /* emptyDirs on disk are made in the guest */
};

/* fd: what source is, open (O_PATH will do). Waits for file systems: for jobs. -ENOTSUP: refused. */
int volume_look(int fd, const struct volume_wish *wish, struct volume_facts *ret,
	struct err *err) must_check;
/* Of a kind that the guest makes itself, so that nothing of the host's is shown to it. */
bool volume_is_guests(enum volume_kind kind);
