/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to src/wire: what a descriptor says about a field. */
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the repeated field of the message desc is a map. The names of the descriptors are the
 * only trace of one: "grpc.Spec.AnnotationsEntry" in "grpc.Spec". Its entry has the fields key and
 * value, in this order.
 */
bool message_is_map(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field);

/* Bytes of one element of a repeated field, in memory. */
size_t message_element_size(const ProtobufCFieldDescriptor *field);
