/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/status.h"

static const struct {
	int code;
	enum wire_status status;
} by_errno[] = {
	{ECANCELED, WIRE_CANCELLED},
	{EINVAL, WIRE_INVALID_ARGUMENT},
	{ENAMETOOLONG, WIRE_INVALID_ARGUMENT},
	{ETIMEDOUT, WIRE_DEADLINE_EXCEEDED},
	{ENOENT, WIRE_NOT_FOUND},
	{ESRCH, WIRE_NOT_FOUND},
	{EEXIST, WIRE_ALREADY_EXISTS},
	{EACCES, WIRE_PERMISSION_DENIED},
	{EPERM, WIRE_PERMISSION_DENIED},
	{ENOMEM, WIRE_RESOURCE_EXHAUSTED},
	{E2BIG, WIRE_RESOURCE_EXHAUSTED},
	{EMFILE, WIRE_RESOURCE_EXHAUSTED},
	{ENFILE, WIRE_RESOURCE_EXHAUSTED},
	{EBUSY, WIRE_FAILED_PRECONDITION},
	{ERANGE, WIRE_OUT_OF_RANGE},
	{ENOSYS, WIRE_UNIMPLEMENTED},
	{EOPNOTSUPP, WIRE_UNIMPLEMENTED},
	{ECONNREFUSED, WIRE_UNAVAILABLE},
	{ECONNRESET, WIRE_UNAVAILABLE},
	{ENOTCONN, WIRE_UNAVAILABLE},
};

/* The errno is EIO where no other says the same. */
static const struct {
	const char *name;
	int code;
} by_status[] = {
	[WIRE_OK] = {"OK", 0},
	[WIRE_CANCELLED] = {"CANCELLED", ECANCELED},
	[WIRE_UNKNOWN] = {"UNKNOWN", EIO},
	[WIRE_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", EINVAL},
	[WIRE_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", ETIMEDOUT},
	[WIRE_NOT_FOUND] = {"NOT_FOUND", ENOENT},
	[WIRE_ALREADY_EXISTS] = {"ALREADY_EXISTS", EEXIST},
	[WIRE_PERMISSION_DENIED] = {"PERMISSION_DENIED", EACCES},
	[WIRE_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", ENOMEM},
	[WIRE_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", EBUSY},
	[WIRE_ABORTED] = {"ABORTED", EIO},
	[WIRE_OUT_OF_RANGE] = {"OUT_OF_RANGE", ERANGE},
	[WIRE_UNIMPLEMENTED] = {"UNIMPLEMENTED", EOPNOTSUPP},
	[WIRE_INTERNAL] = {"INTERNAL", EIO},
	[WIRE_UNAVAILABLE] = {"UNAVAILABLE", ECONNREFUSED},
	[WIRE_DATA_LOSS] = {"DATA_LOSS", EIO},
	[WIRE_UNAUTHENTICATED] = {"UNAUTHENTICATED", EACCES},
};
_Static_assert(ARRAY_SIZE(by_status) == WIRE_STATUS_COUNT, "a status has no name");

enum wire_status wire_status_of(const struct err *err)
{
	if (!err_is_set(err))
		return WIRE_INTERNAL;
	if (err->status > WIRE_OK && err->status < WIRE_STATUS_COUNT)
		return (enum wire_status)err->status;
	for (size_t i = 0; i < ARRAY_SIZE(by_errno); i++)
		if (by_errno[i].code == err->code)
			return by_errno[i].status;
	return WIRE_INTERNAL;
}

int wire_status_errno(int32_t status)
{
	if (status < 0 || status >= WIRE_STATUS_COUNT)
		return EIO;
	return by_status[status].code;
}

const char *wire_status_name(int32_t status)
{
	if (status < 0 || status >= WIRE_STATUS_COUNT)
		return by_status[WIRE_UNKNOWN].name;
	return by_status[status].name;
}
