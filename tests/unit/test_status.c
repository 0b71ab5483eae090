/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/status.h"

/* Hosts branch on these: a row may be added, not changed. */
static void an_errno_has_its_status(void **state)
{
	static const struct {
		int code;
		enum wire_status status;
	} rows[] = {
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
		/* Everything else. */
		{EIO, WIRE_INTERNAL},
		{EFAULT, WIRE_INTERNAL},
		{ENOSPC, WIRE_INTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {.code = rows[i].code};

		assert_int_equal(wire_status_of(&err), rows[i].status);
	}
}

static void a_status_set_by_the_handler_wins(void **state)
{
	struct err err = {.code = ENOENT, .status = WIRE_UNAVAILABLE};

	(void)state;
	assert_int_equal(wire_status_of(&err), WIRE_UNAVAILABLE);
	err.status = WIRE_UNAUTHENTICATED;
	assert_int_equal(wire_status_of(&err), WIRE_UNAUTHENTICATED);
	/* Not a status: as if none had been set. */
	err.status = WIRE_STATUS_COUNT;
	assert_int_equal(wire_status_of(&err), WIRE_NOT_FOUND);
}

static void an_error_is_never_ok(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(wire_status_of(&err), WIRE_INTERNAL);
	assert_int_equal(wire_status_of(NULL), WIRE_INTERNAL);
}

static void a_status_has_its_errno_and_name(void **state)
{
	(void)state;
	assert_int_equal(wire_status_errno(WIRE_OK), 0);
	assert_int_equal(wire_status_errno(WIRE_NOT_FOUND), ENOENT);
	assert_int_equal(wire_status_errno(WIRE_UNIMPLEMENTED), EOPNOTSUPP);
	assert_int_equal(wire_status_errno(WIRE_DEADLINE_EXCEEDED), ETIMEDOUT);
	assert_int_equal(wire_status_errno(WIRE_INTERNAL), EIO);
	assert_int_equal(wire_status_errno(17), EIO);
	assert_int_equal(wire_status_errno(-1), EIO);
	assert_int_equal(wire_status_errno(INT32_MIN), EIO);
	assert_string_equal(wire_status_name(0), "OK");
	assert_string_equal(wire_status_name(16), "UNAUTHENTICATED");
	assert_string_equal(wire_status_name(17), "UNKNOWN");
	assert_string_equal(wire_status_name(-1), "UNKNOWN");
	for (int32_t i = 1; i < WIRE_STATUS_COUNT; i++)
		assert_int_not_equal(wire_status_errno(i), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_errno_has_its_status),
		cmocka_unit_test(a_status_set_by_the_handler_wins),
		cmocka_unit_test(an_error_is_never_ok),
		cmocka_unit_test(a_status_has_its_errno_and_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
