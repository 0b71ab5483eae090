/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where a sandbox keeps what it makes on the host, and where the guest sees it. */
#include "base/err.h"

/* In the guest: what the virtio-fs tag kataShared is mounted on, and our part of it. */
#define LAYOUT_GUEST_SHARE "/run/kata-containers/shared/containers/"
#define LAYOUT_GUEST_PASSTHROUGH LAYOUT_GUEST_SHARE "passthrough"
/* Where the agent copies watchable volumes to. Beside passthrough, where no container's id can mean it. */
#define LAYOUT_GUEST_WATCHABLE LAYOUT_GUEST_SHARE "watchable"
#define LAYOUT_GUEST_SHM "/run/kata-containers/sandbox/shm"
/* File systems on disks, other than a container's root. */
#define LAYOUT_GUEST_STORAGE "/run/kata-containers/sandbox/storage"
/* The root file system of a container, if it is on a disk: below it, CID/rootfs. */
#define LAYOUT_GUEST_RUN "/run/kata-containers"
/* File systems in the guest's memory that are volumes of the pod. */
#define LAYOUT_GUEST_EPHEMERAL "/run/kata-containers/sandbox/ephemeral"

enum { LAYOUT_PATH_SIZE = 256, LAYOUT_CONTAINER_SIZE = LAYOUT_PATH_SIZE + 256 };

struct layout {
	char run_dir[LAYOUT_PATH_SIZE];	  /* /run/kata/<id>: state.json, the VM's sockets */
	char share_dir[LAYOUT_PATH_SIZE]; /* .../sandboxes/<id>: holds rw and ro */
	char rw_dir[LAYOUT_PATH_SIZE];	  /* what the host mounts into */
	char ro_dir[LAYOUT_PATH_SIZE];	  /* the read-only view of it that the guest is given */
};

/* root: "/run", or a test's own directory. -ENAMETOOLONG. */
int layout_init(struct layout *layout, const char *root, const char *id) must_check;

/* The directory below rw_dir that holds all that a container shares. -ENAMETOOLONG. */
int layout_container(const struct layout *layout, const char *cid,
	char ret[static LAYOUT_CONTAINER_SIZE]) must_check;
