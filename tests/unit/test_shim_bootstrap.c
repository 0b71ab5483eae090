/* SPDX-License-Identifier: Apache-2.0 */
/* What `start` and -info read and print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bootstrap.pb-c.h"
#include "oom.h"
#include "runtime_info.pb-c.h"
#include "shim/bootstrap.h"
#include "shim/input.h"
#include "shim/roles.h"
#include "wire/message.h"

#define ADDRESS "unix:///run/containerd/s/0123"
#define NEW_ANSWER "{\"version\":3,\"address\":\"" ADDRESS "\",\"protocol\":\"ttrpc\"}"

typedef Containerd__Runtime__Bootstrap__V1__BootstrapParams params_t;

static void assert_answer(struct slice input, const char *max_version, const char *answer)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(bootstrap_answer(input, max_version, ADDRESS, &b), 0);
	assert_string_equal(buf_str(&b), answer);
}

static void containerd_1_gets_the_bare_address(void **state)
{
	static char type[] = "runtimeoptions.v1.Options", bytes[] = "\x12\x03/x\xff";
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_buf struct buf options = BUF_INIT;

	(void)state;
	any.type_url = type;
	any.has_value = 1;
	any.value.data = (uint8_t *)bytes;
	any.value.len = sizeof(bytes) - 1;
	assert_int_equal(message_encode(&any.base, &options), 0);
	assert_answer(slice_of("", 0), NULL, ADDRESS);
	/* 1.7 sets it to 2; so does 2.x, which takes the bare address as well. */
	assert_answer(slice_of("", 0), "2", ADDRESS);
	assert_answer(buf_slice(&options), "2", ADDRESS);
	/* Not what anybody writes. */
	assert_answer(slice_of("\xff\xff", 2), "2", ADDRESS);
	assert_answer(slice_of_str("{\"instance_id\":\"c1\"}"), "2", ADDRESS);
}

static void containerd_2_3_gets_version_3(void **state)
{
	static char id[] = "c1", version[] = "2.3.0", empty[] = "";
	params_t params = CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_PARAMS__INIT;
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	params.instance_id = id;
	assert_int_equal(message_encode(&params.base, &b), 0);
	assert_answer(buf_slice(&b), NULL, ADDRESS);
	buf_clear(&b);
	params.containerd_version = version;
	MESSAGE_SET(&params, log_level, -4);
	assert_int_equal(message_encode(&params.base, &b), 0);
	/* Fields of later versions, extensions among them, are skipped. */
	assert_int_equal(buf_append(&b, "\x42\x02\x0a\x00\x4a\x01x", 7), 0);
	assert_answer(buf_slice(&b), "2", NEW_ANSWER);
	assert_answer(slice_of(b.data + b.start, buf_len(&b) - 1), "2", ADDRESS);
	buf_clear(&b);
	params.instance_id = empty;
	assert_int_equal(message_encode(&params.base, &b), 0);
	assert_answer(buf_slice(&b), NULL, ADDRESS);
}

static void a_version_that_is_allowed_is_used(void **state)
{
	static const struct {
		const char *max, *answer;
	} rows[] = {
		{"3", NEW_ANSWER},
		{"4", NEW_ANSWER},
		{"", ADDRESS},
		{"0", ADDRESS},
		{"-3", ADDRESS},
		{"3x", ADDRESS},
		{"x", ADDRESS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_answer(slice_of("", 0), rows[i].max, rows[i].answer);
}

static void the_info_has_the_options_that_were_given(void **state)
{
	static const char any[] = "\x0a\x03t/x\x12\x02\x00\xff";
	const Containerd__Types__RuntimeInfo *info;
	auto_buf struct buf b = BUF_INIT;
	ProtobufCMessage *message;

	(void)state;
	assert_int_equal(info_encode(slice_of(any, sizeof(any) - 1), &b, NULL), 0);
	assert_int_equal(message_decode(&containerd__types__runtime_info__descriptor, buf_slice(&b),
				 NULL, &message, NULL),
		0);
	info = (const void *)message;
	assert_string_equal(info->name, "io.containerd.kata.v2");
	assert_string_equal(info->version->version, KIHON_VERSION);
	assert_string_equal(info->options->type_url, "t/x");
	assert_int_equal(info->options->value.len, 2);
	assert_memory_equal(info->options->value.data, "\x00\xff", 2);
	message_free(message, NULL);

	buf_clear(&b);
	assert_int_equal(info_encode(slice_of("", 0), &b, NULL), 0);
	assert_int_equal(message_decode(&containerd__types__runtime_info__descriptor, buf_slice(&b),
				 NULL, &message, NULL),
		0);
	assert_null(((const Containerd__Types__RuntimeInfo *)message)->options);
	message_free(message, NULL);
}

static void options_that_are_none_are_refused(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(info_encode(slice_of("\x0a\x05x", 3), &b, &err), -EBADMSG);
	assert_true(err_is_set(&err));
	assert_int_equal(buf_len(&b), 0);
}

/* Runs input_read() on what fd gives. */
static int read_from(int fd, struct buf *b)
{
	int saved = dup(STDIN_FILENO), r;

	assert_true(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	r = input_read(b, NULL);
	assert_true(dup2(saved, STDIN_FILENO) == STDIN_FILENO);
	close(saved);
	return r;
}

static void input_is_read_to_its_end(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "a\0b", 3), 3);
	/* Whoever keeps the pipe open does not keep us for ever. */
	assert_int_equal(read_from(fds[0], &b), 0);
	assert_int_equal(buf_len(&b), 3);
	assert_int_equal(write(fds[1], "c", 1), 1);
	close(fds[1]);
	assert_int_equal(read_from(fds[0], &b), 0);
	assert_int_equal(buf_len(&b), 4);
	assert_memory_equal(b.data + b.start, "a\0bc", 4);
	close(fds[0]);
}

static void input_without_end_is_refused(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	FILE *zero = fopen("/dev/zero", "r");

	(void)state;
	assert_non_null(zero);
	assert_int_equal(read_from(fileno(zero), &b), -EFBIG);
	fclose(zero);
}

static void no_memory_is_an_error(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		auto_buf struct buf b = BUF_INIT;
		int r;

		oom_arm(n);
		r = bootstrap_answer(slice_of("", 0), "3", ADDRESS, &b);
		oom_disarm();
		assert_true(r == 0 || r == -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containerd_1_gets_the_bare_address),
		cmocka_unit_test(containerd_2_3_gets_version_3),
		cmocka_unit_test(a_version_that_is_allowed_is_used),
		cmocka_unit_test(the_info_has_the_options_that_were_given),
		cmocka_unit_test(options_that_are_none_are_refused),
		cmocka_unit_test(input_is_read_to_its_end),
		cmocka_unit_test(input_without_end_is_refused),
		cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
