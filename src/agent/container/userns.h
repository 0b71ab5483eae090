/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Containers with a user namespace of their own. "Host" ids are the guest's, as config.json has it.
 *
 * The process is cloned into the namespace, so that its pid namespace belongs to it. What the
 * container's root may not do is done by the job, which is root in the guest: the maps, namespaces
 * of the pod, sources of binds, limits, files to be given away.
 */
#include "linux/cgroup.h"
#include "base/err.h"
#include "oci.pb-c.h"

struct userns_map {
	Grpc__LinuxIDMapping *const *ids; /* borrowed */
	size_t n;
};

/* At least one mapping that is not empty, none past the end of ids; what names it in the message. */
int userns_check_map(const char *what, struct userns_map map, struct err *err) must_check;
/* Both maps of a new namespace; 0 in the container must be someone. */
int userns_check(const Grpc__Linux *linux_spec, struct err *err) must_check;

/* The guest's id of the container's; false: it has none. */
bool userns_find_id(struct userns_map map, uint32_t id, uint32_t *ret);

/* For a process that has just been cloned into its namespace. */
int userns_write_maps(
	pid_t pid, struct userns_map uids, struct userns_map gids, struct err *err) must_check;

/* In a process inside: it becomes root there. */
int userns_become_root(struct err *err) must_check;

/* A namespace that nobody is in, for id-mapped mounts. In a forked process. */
int userns_open(struct userns_map uids, struct userns_map gids, struct err *err) must_check;

/* 0, 1 and 2 go to the user, so that he can open them again by name. Those of read-only or foreign
 * file systems stay. */
int userns_give_stdio(
	const Grpc__Linux *linux_spec, const Grpc__User *user, struct err *err) must_check;

/* The cgroup v2 directory goes to the container's root, if a mount of the spec lets it write there
 * (config-linux.md, "Cgroup ownership"). */
int userns_delegate_cgroup(
	const struct cgroup *cgroup, const Grpc__Spec *spec, struct err *err) must_check;
