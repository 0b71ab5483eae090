/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An OCI runtime spec's JSON, read into the generated structs of proto/oci.proto.
 *
 * The fields of that file are named as config.json names them, so its descriptors are the table by
 * which this reads: types and ranges are checked, and messages name the place
 * ("config.json: process.user.uid: expected an unsigned integer, got a string"). null counts as
 * absent. Members that neither the specification (1.2) nor oci.proto know are ignored, as the
 * specification demands; those that it knows and oci.proto cannot carry are ignored too, but
 * listed. Nothing is checked for sense here: oci/validate.h does that.
 */
#include "base/buf.h"
#include "base/err.h"
#include "oci.pb-c.h"

/*
 * Longer texts are refused. The spec travels to the agent in one ttRPC message of at most 4 MiB,
 * and its JSON is longer than that message.
 */
enum { OCI_SPEC_MAX_SIZE = 4 << 20 };

/*
 * Reads <bundle_dir>/config.json. dropped may be NULL; else the names of what oci.proto cannot
 * carry are appended, as "domainname, process.user.umask, mounts[3].uidMappings" (nothing if there
 * are none; the end of a long list is cut off with "..."). Errors: -ENOENT and so on from reading,
 * -EINVAL, -EFBIG, -E2BIG (too many values), -ENOMEM.
 */
int oci_spec_load(
	const char *bundle_dir, Grpc__Spec **ret, struct buf *dropped, struct err *err) must_check;
int oci_spec_parse(const char *text, size_t len, Grpc__Spec **ret, struct buf *dropped,
	struct err *err) must_check;
/* NULL is fine. */
void oci_spec_free(Grpc__Spec *spec);

/* What containerd sends with Exec: the "process" object alone. Messages call it "process". */
int oci_process_parse(const char *text, size_t len, Grpc__Process **ret, struct buf *dropped,
	struct err *err) must_check;
void oci_process_free(Grpc__Process *process);

/* And with Update: the object of "linux.resources" alone. Messages call it "resources". */
int oci_resources_parse(const char *text, size_t len, Grpc__LinuxResources **ret,
	struct buf *dropped, struct err *err) must_check;
/* NULL is fine. */
void oci_resources_free(Grpc__LinuxResources *resources);
