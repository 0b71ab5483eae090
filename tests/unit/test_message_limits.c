/* SPDX-License-Identifier: Apache-2.0 */
/* What a message may cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "agent.pb-c.h"
#include "pb_bytes.h"
#include "ttrpc.pb-c.h"
#include "wire/message_limits.h"

/* n times the field that one holds, in a message of type desc. */
static int decode_repeated(
	const ProtobufCMessageDescriptor *desc, const struct buf *one, size_t n, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	struct message_budget budget = {.limit = 64 << 20};
	ProtobufCMessage *msg;
	int r;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_append(&b, buf_slice(one).p, buf_len(one)), 0);
	r = message_decode(desc, buf_slice(&b), &budget, &msg, err);
	if (r == 0)
		message_free(msg, &budget);
	assert_int_equal(budget.used, 0);
	return r;
}

/* Finds where the limits are, so that none moves without this table. */
static void a_field_may_repeat_up_to_its_limit(void **state)
{
	static const struct {
		const ProtobufCMessageDescriptor *desc;
		const char *field;
		size_t limit;
	} rows[] = {
		{&wiretest__all__descriptor, "i32", 16},
		{&wiretest__all__descriptor, "s", 16},
		{&wiretest__all__descriptor, "leaf", 16},
		{&wiretest__all__descriptor, "packed_i32", 16384},
		{&wiretest__all__descriptor, "plain_u64", 16384},
		{&wiretest__all__descriptor, "many_s", 16384},
		{&wiretest__all__descriptor, "many_by", 16384},
		{&wiretest__leaf__descriptor, "leaves", 4096},
		{&wiretest__all__descriptor, "subs", 4096},
		{&grpc__process__descriptor, "env", 65536},
		{&grpc__process__descriptor, "args", 65536},
		{&grpc__process__descriptor, "rlimits", 64},
		{&grpc__user__descriptor, "additionalGids", 65536},
		{&grpc__string_user__descriptor, "additionalGids", 65536},
		{&grpc__spec__descriptor, "mounts", 4096},
		{&grpc__spec__descriptor, "annotations", 4096},
		{&grpc__linux__descriptor, "sysctl", 4096},
		{&grpc__linux__descriptor, "uidMappings", 340},
		{&grpc__linux__descriptor, "gidMappings", 340},
		{&grpc__linux__descriptor, "namespaces", 64},
		{&grpc__linux__descriptor, "devices", 4096},
		{&grpc__linux_capabilities__descriptor, "bounding", 256},
		{&grpc__linux_syscall__descriptor, "names", 16384},
		{&grpc__linux_syscall__descriptor, "args", 64},
		{&grpc__hooks__descriptor, "startContainer", 64},
		{&ttrpc__request__descriptor, "metadata", 128},
		{&ttrpc__status__descriptor, "details", 64},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field_by_name(
				rows[i].desc, rows[i].field);
		auto_buf struct buf one = BUF_INIT;
		struct err err = ERR_INIT;
		char name[64];

		assert_non_null(field);
		if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES ||
			field->type == PROTOBUF_C_TYPE_MESSAGE)
			put_str(&one, field->id, "");
		else
			put_number(&one, field->id, 1);
		if (decode_repeated(rows[i].desc, &one, rows[i].limit, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(
			decode_repeated(rows[i].desc, &one, rows[i].limit + 1, &err), -EBADMSG);
		snprintf(name, sizeof(name), ".%s: more than %zu", rows[i].field, rows[i].limit);
		assert_non_null(strstr(err.msg, name));
	}
}

static void packed_numbers_count_one_by_one(void **state)
{
	auto_buf struct buf b = BUF_INIT, numbers = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	for (int i = 0; i < 4096; i++)
		put_varint(&numbers, 1);
	put_bytes(&b, 31, buf_slice(&numbers));
	assert_int_equal(decode_repeated(all, &b, 4, &err), 0);
	put_number(&b, 31, 1);
	assert_int_equal(decode_repeated(all, &b, 4, &err), -EBADMSG);
}

static void unknown_fields_are_few(void **state)
{
	auto_buf struct buf one = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	put_number(&one, 100, 1);
	assert_int_equal(decode_repeated(all, &one, MESSAGE_LIMIT_UNKNOWN, &err), 0);
	assert_int_equal(decode_repeated(all, &one, MESSAGE_LIMIT_UNKNOWN + 1, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "unknown"));
}

static void sub_messages_merge_and_stay_within_limits(void **state)
{
	auto_buf struct buf leaf = BUF_INIT, b = BUF_INIT;
	struct err err = ERR_INIT;
	Wiretest__All *msg;

	(void)state;
	put_str(&leaf, 1, "first");
	put_str(&leaf, 2, "a");
	put_bytes(&b, 17, buf_slice(&leaf));
	buf_clear(&leaf);
	put_str(&leaf, 2, "b");
	put_bytes(&b, 17, buf_slice(&leaf));
	msg = decode_all(&b);
	assert_string_equal(msg->leaf->name, "first");
	assert_int_equal(msg->leaf->n_tags, 2);
	assert_string_equal(msg->leaf->tags[1], "b");
	message_free(&msg->base, NULL);

	/* Each part is within the limit of 16384; together they are not. */
	buf_clear(&leaf);
	for (int i = 0; i < 1025; i++)
		put_str(&leaf, 2, "");
	buf_clear(&b);
	put_bytes(&b, 17, buf_slice(&leaf));
	assert_int_equal(decode_repeated(all, &b, 15, &err), 0);
	assert_int_equal(decode_repeated(all, &b, 16, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "wiretest.Leaf.tags: more than 16384"));
}

/* A message of depth levels, the outermost counted. */
static void nest(struct buf *b, unsigned depth)
{
	for (unsigned i = 1; i < depth; i++) {
		auto_buf struct buf outer = BUF_INIT;

		put_bytes(&outer, 3, buf_slice(b));
		buf_clear(b);
		assert_int_equal(buf_append(b, buf_slice(&outer).p, buf_len(&outer)), 0);
	}
}

static void nesting_is_bounded(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	nest(&b, MESSAGE_MAX_DEPTH);
	assert_int_equal(message_check(&wiretest__leaf__descriptor, buf_slice(&b), &err), 0);
	nest(&b, 2);
	assert_int_equal(message_check(&wiretest__leaf__descriptor, buf_slice(&b), &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "nested too deeply"));
	nest(&b, 10000);
	expect_refused(&wiretest__leaf__descriptor, buf_slice(&b), "nested too deeply");
}

/* Keys in an order, and with a prefix, that a naive sort or search would be slow with. */
static void many_equal_keys_take_no_time(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	Wiretest__All *msg;
	char key[256];

	(void)state;
	for (int i = 0; i < 4096; i++) {
		snprintf(key, sizeof(key), "%0200d", i % 2048);
		put_entry(&b, 51, key, i < 2048 ? "old" : "new");
	}
	msg = decode_all(&b);
	assert_int_equal(msg->n_words, 2048);
	for (size_t i = 0; i < msg->n_words; i++)
		assert_string_equal(msg->words[i]->value, "new");
	message_free(&msg->base, NULL);
}

static void a_budget_is_charged_and_given_back(void **state)
{
	struct message_budget whole = {.limit = 1 << 20};
	struct message_budget part = {.limit = 1 << 19, .parent = &whole};
	auto_buf struct buf b = BUF_INIT;
	ProtobufCMessage *msg;

	(void)state;
	put_str(&b, 15, "0123456789");
	assert_int_equal(message_decode(all, buf_slice(&b), &part, &msg, NULL), 0);
	/* The struct, the string and what malloc keeps in front of each. */
	assert_true(part.used > sizeof(Wiretest__All) + 11);
	assert_true(part.used < sizeof(Wiretest__All) + 11 + 128);
	assert_int_equal(whole.used, part.used);
	message_free(msg, &part);
	assert_int_equal(part.used, 0);
	assert_int_equal(whole.used, 0);
}

static void a_frame_cannot_cost_more_than_the_budget(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	struct message_budget parent = {.limit = 256 << 10};
	struct message_budget budget = {.limit = 16 << 20, .parent = &parent};
	struct err err = ERR_INIT;
	ProtobufCMessage *msg = NULL;

	(void)state;
	/* 40 kB on the wire, 1 MB decoded: within the limits, so that only the budget is left. */
	for (int i = 0; i < 16384; i++)
		put_str(&b, 37, "");
	for (int i = 0; i < 4096; i++)
		put_str(&b, 52, "");
	assert_int_equal(message_decode(all, buf_slice(&b), &budget, &msg, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "wiretest.All"));
	assert_null(msg);
	assert_int_equal(budget.used, 0);
	assert_int_equal(parent.used, 0);
	parent.limit = 16 << 20;
	assert_int_equal(message_decode(all, buf_slice(&b), &budget, &msg, NULL), 0);
	message_free(msg, &budget);
}

/* Four million bytes of what is cheapest to send: each must end as an error or in the budget. */
static void full_frames_of_the_cheapest_fields_are_bounded(void **state)
{
	static const struct slice units[] = {
		BYTES("\x9a\x03\0"),		 /* empty map entries */
		BYTES("\xa2\x03\2\x12\0"),	 /* map entries with an empty message */
		BYTES("\x8a\x01\0"),		 /* a sub-message again and again */
		BYTES("\x08\1"),		 /* a number again and again */
		BYTES("\xaa\x02\0"),		 /* empty strings */
		BYTES("\xfa\x01\0"),		 /* empty packed lists: count for nothing */
		BYTES("\xa0\x06\1"),		 /* unknown numbers */
		BYTES("\xa2\x06\0"),		 /* unknown empty strings */
		BYTES("\x8a\x01\4\x1a\2\x1a\0"), /* merged sub-messages in lists */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		auto_buf struct buf b = BUF_INIT;
		struct message_budget budget = {.limit = 16 << 20};
		ProtobufCMessage *msg;
		int r;

		while (buf_len(&b) + units[i].len <= 4 << 20)
			assert_int_equal(buf_append(&b, units[i].p, units[i].len), 0);
		r = message_decode(all, buf_slice(&b), &budget, &msg, NULL);
		assert_true(r == -EBADMSG || r == -E2BIG);
		assert_int_equal(budget.used, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_may_repeat_up_to_its_limit),
		cmocka_unit_test(packed_numbers_count_one_by_one),
		cmocka_unit_test(unknown_fields_are_few),
		cmocka_unit_test(sub_messages_merge_and_stay_within_limits),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(many_equal_keys_take_no_time),
		cmocka_unit_test(a_budget_is_charged_and_given_back),
		cmocka_unit_test(a_frame_cannot_cost_more_than_the_budget),
		cmocka_unit_test(full_frames_of_the_cheapest_fields_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
