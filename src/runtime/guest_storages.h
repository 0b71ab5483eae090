/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The storages that a container's volumes need in the guest, as CreateContainer tells them. What the
 * agent does with each: the drivers of its storage/ folder.
 */
#include "agent.pb-c.h"
#include "base/err.h"
#include "hypervisor/device.h"
#include "runtime/volume.h"

struct guest_storages {
	Grpc__Storage **list; /* owned, each with its strings */
	size_t n;
};

/* A storage to be copied; its strings and options are borrowed during the call. */
int guest_storages_add(struct guest_storages *s, const Grpc__Storage *storage) must_check;
void guest_storages_fini(struct guest_storages *s);

/* Where the pod's volume of this name is in the guest, to be freed; NULL: no memory. The same for all
 * containers of the pod. cid: of the sandbox (LOCAL only). */
char *guest_storages_place(enum volume_kind kind, const char *name, const char *sandbox_id);

/* A tmpfs of the guest's: as large, as open and of the same group as the host's. */
int guest_storages_add_memory(
	struct guest_storages *s, const struct volume_facts *facts, const char *place) must_check;
/* A directory of the guest's. */
int guest_storages_add_local(
	struct guest_storages *s, const struct volume_facts *facts, const char *place) must_check;
/* The file system on the disk at address. */
int guest_storages_add_disk(struct guest_storages *s,
	const struct hypervisor_guest_address *address, const char *fs_type, char *const *options,
	size_t n_options, const char *place) must_check;
/* A copy of source, in the guest, that follows it. */
int guest_storages_add_watchable(
	struct guest_storages *s, const char *source, const char *place) must_check;
/* A hugetlbfs of pages of this size, as large as the container's limit for them: -EINVAL if it has
 * none. */
int guest_storages_add_hugepages(struct guest_storages *s, const Grpc__LinuxResources *resources,
	const struct volume_facts *facts, const char *place, struct err *err) must_check;
/* "2MB", "64KB", "1Gi", "2M", "1048576": what a page size is called in config.json and in mount
 * options. False: none of these. */
bool guest_storages_parse_size(const char *text, uint64_t *ret);
