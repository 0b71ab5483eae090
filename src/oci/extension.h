/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Fields of proto/oci.proto that upstream's schema has not (numbers from 1000). An agent announces
 * each that it applies, as "oci.<Message>.<field>" in AgentDetails.extra_features; a host leaves out
 * what its guest has not announced, which would ignore it in silence. What lies within such a field
 * goes with it.
 */
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/buf.h"

/* A set of them: a bit for each, by its place in the sorted table. */
typedef uint64_t oci_extensions;

/* How many there are, and the names, sorted. */
size_t oci_extensions_count(void);
const char *oci_extension_name(size_t i);
/* Those of names that are known here; the others are somebody else's features. */
oci_extensions oci_extensions_parse(char *const *names, size_t n);

/* Appends the names of what m, or what lies below it, has and known has not, with ", " between
 * them, each once. -ENOMEM. */
int oci_extensions_find_unknown(
	const ProtobufCMessage *m, oci_extensions known, struct buf *ret) must_check;
/* Takes those out of m, which must have been unpacked by protobuf-c with malloc (as oci/spec.h's
 * are), and not by message_decode(). */
void oci_extensions_remove_unknown(ProtobufCMessage *m, oci_extensions known);
