/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* ttRPC status codes (the gRPC numbers) and which errno stands for which. */
#include <stdint.h>

#include "base/err.h"

enum wire_status {
	WIRE_OK = 0,
	WIRE_CANCELLED = 1,
	WIRE_UNKNOWN = 2,
	WIRE_INVALID_ARGUMENT = 3,
	WIRE_DEADLINE_EXCEEDED = 4,
	WIRE_NOT_FOUND = 5,
	WIRE_ALREADY_EXISTS = 6,
	WIRE_PERMISSION_DENIED = 7,
	WIRE_RESOURCE_EXHAUSTED = 8,
	WIRE_FAILED_PRECONDITION = 9,
	WIRE_ABORTED = 10,
	WIRE_OUT_OF_RANGE = 11,
	WIRE_UNIMPLEMENTED = 12,
	WIRE_INTERNAL = 13,
	WIRE_UNAVAILABLE = 14,
	WIRE_DATA_LOSS = 15,
	WIRE_UNAUTHENTICATED = 16,
	WIRE_STATUS_COUNT,
};

/* err->status if the handler set one, else the code that the one table gives for err->code. */
enum wire_status wire_status_of(const struct err *err);
/* The errno a client reports for a peer's status (WIRE_NOT_FOUND: ENOENT, ...; EIO otherwise). */
int wire_status_errno(int32_t status);
/* "NOT_FOUND"; "status 99" style numbers are not known and give "UNKNOWN". */
const char *wire_status_name(int32_t status);
