/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent.pb-c.h"
#include "oom.h"
#include "pb_bytes.h"

static void well_formed_bytes_pass(void **state)
{
	static const struct {
		const char *what;
		struct slice data;
	} rows[] = {
		{"nothing", BYTES("")},
		{"a varint of ten bytes", BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
		{"a varint longer than it needs", BYTES("\x08\x81\x80\x80\x00")},
		{"a tag longer than it needs", BYTES("\x88\x80\x80\x00\x01")},
		{"a length longer than it needs", BYTES("\x7a\x81\x80\x80\x00x")},
		{"fixed32", BYTES("\x3d\1\2\3\4")},
		{"fixed64", BYTES("\x41\1\2\3\4\5\6\7\x08")},
		{"an empty string", BYTES("\x7a\0")},
		{"a string that is no UTF-8", BYTES("\x7a\2\xff\xfe")},
		{"bytes with a NUL", BYTES("\x82\x01\3a\0b")},
		{"an empty sub-message", BYTES("\x8a\x01\0")},
		{"an enum value that we do not know", BYTES("\x70\x63")},
		{"the highest field number", BYTES("\xf8\xff\xff\xff\x0f\1")},
		{"an unknown field of each wire type",
			BYTES("\xa0\x06\1\xa1\x06\1\2\3\4\5\6\7\x08\xa2\x06\1\0\xa5\x06\1\2\3\4")},
		{"packed numbers", BYTES("\xfa\x01\3\1\xac\x02")},
		{"the same, not packed", BYTES("\xf8\x01\1\xf8\x01\xac\x02")},
		{"packed where the schema says plain", BYTES("\x82\x02\2\1\2")},
		{"an empty packed list", BYTES("\xfa\x01\0")},
		{"packed fixed64", BYTES("\x92\x02\x10\1\2\3\4\5\6\7\x08\1\2\3\4\5\6\7\x08")},
		{"a field twice", BYTES("\x08\1\x08\2")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		ProtobufCMessage *msg;

		if (message_decode(all, rows[i].data, NULL, &msg, &err) < 0)
			fail_msg("%s: %s", rows[i].what, err.msg);
		message_free(msg, NULL);
	}
}

static void malformed_bytes_are_refused(void **state)
{
	static const struct {
		struct slice data;
		const char *text;
	} rows[] = {
		/* cut off: tag, varint, fixed, length, content */
		{BYTES("\x80"), "malformed"},
		{BYTES("\x08"), "malformed"},
		{BYTES("\x08\x80"), "malformed"},
		{BYTES("\x3d\1\2\3"), "malformed"},
		{BYTES("\x41\1\2\3\4\5\6\7"), "malformed"},
		{BYTES("\x7a"), "malformed"},
		{BYTES("\x7a\x80"), "malformed"},
		{BYTES("\x7a\2x"), "malformed"},
		{BYTES("\x7a\xff\xff\xff\xff\x0f"), "malformed"},
		{BYTES("\x8a\x01\2\x0a\1"), "wiretest.Leaf: malformed"},
		/* numbers that are too long */
		{BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "malformed"},
		{BYTES("\x88\x80\x80\x80\x80\x00\x01"), "malformed"},
		{BYTES("\x7a\x81\x80\x80\x80\x80\x00x"), "malformed"},
		/* field number 0, one past the highest */
		{BYTES("\x00\1"), "malformed"},
		{BYTES("\x80\x00\1"), "malformed"},
		{BYTES("\x80\x80\x80\x80\x10\1"), "malformed"},
		/* groups, known and unknown field, and wire types that do not exist */
		{BYTES("\x0b\x0c"), "malformed"},
		{BYTES("\xa3\x06\xa4\x06"), "malformed"},
		{BYTES("\x0e"), "malformed"},
		{BYTES("\x0f"), "malformed"},
		/* the wire type of another type */
		{BYTES("\x0d\1\2\3\4"), "All.i32: wrong wire type"},
		{BYTES("\x0a\1\1"), "All.i32: wrong wire type"},
		{BYTES("\x69\1\2\3\4\5\6\7\x08"), "All.b: wrong wire type"},
		{BYTES("\x78\1"), "All.s: wrong wire type"},
		{BYTES("\x88\x01\1"), "All.leaf: wrong wire type"},
		{BYTES("\x38\1"), "All.f32: wrong wire type"},
		{BYTES("\xa8\x02\1"), "All.many_s: wrong wire type"},
		{BYTES("\x88\x02\1"), "All.packed_f32: wrong wire type"},
		/* packed: the last number cut off */
		{BYTES("\xfa\x01\2\1\x80"), "All.packed_i32: bad packed numbers"},
		{BYTES("\x8a\x02\3\1\2\3"), "All.packed_f32: bad packed numbers"},
		{BYTES("\x92\x02\x09\1\2\3\4\5\6\7\x08\1"), "All.packed_f64: bad packed numbers"},
		{BYTES("\xfa\x01\x0b\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
			"All.packed_i32: bad packed numbers"},
		/* NUL at the start, inside, at the end; in a list, a map, a sub-message, a oneof */
		{BYTES("\x7a\1\0"), "All.s: NUL"},
		{BYTES("\x7a\3a\0b"), "All.s: NUL"},
		{BYTES("\x7a\2a\0"), "All.s: NUL"},
		{BYTES("\xaa\x02\2a\0"), "All.many_s: NUL"},
		{BYTES("\x9a\x03\4\x0a\2k\0"), "WordsEntry.key: NUL"},
		{BYTES("\x8a\x01\4\x0a\2a\0"), "Leaf.name: NUL"},
		{BYTES("\x9a\x01\1\0"), "All.text: NUL"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_refused(all, rows[i].data, rows[i].text);
}

static void every_type_is_decoded(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	Wiretest__All *msg;

	(void)state;
	put_number(&b, 1, UINT64_MAX);
	put_number(&b, 2, (uint64_t)INT64_MIN);
	put_number(&b, 3, UINT32_MAX);
	put_number(&b, 4, UINT64_MAX);
	put_number(&b, 5, 3);
	put_number(&b, 6, UINT64_MAX);
	put_number(&b, 13, 1);
	put_number(&b, 14, 99);
	put_str(&b, 15, "caf\xc3\xa9");
	put_number(&b, 536870911, 4);
	msg = decode_all(&b);
	assert_int_equal(msg->i32, -1);
	assert_true(msg->i64 == INT64_MIN);
	assert_true(msg->u32 == UINT32_MAX);
	assert_true(msg->u64 == UINT64_MAX);
	assert_int_equal(msg->s32, -2);
	assert_true(msg->s64 == INT64_MIN);
	assert_int_equal(msg->b, 1);
	assert_int_equal(msg->colour, 99);
	assert_string_equal(msg->s, "caf\xc3\xa9");
	assert_int_equal(msg->far, 4);
	assert_false(msg->has_f32);
	assert_null(msg->leaf);
	message_free(&msg->base, NULL);
}

static void packed_and_plain_numbers_add_up(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	Wiretest__All *msg;

	(void)state;
	put_number(&b, 31, 1);
	put_bytes(&b, 31, slice_of("\x02\xac\x02", 3));
	put_number(&b, 31, 4);
	put_bytes(&b, 32, slice_of("\x05\x06", 2));
	msg = decode_all(&b);
	assert_int_equal(msg->n_packed_i32, 4);
	assert_int_equal(msg->packed_i32[0], 1);
	assert_int_equal(msg->packed_i32[2], 300);
	assert_int_equal(msg->packed_i32[3], 4);
	assert_int_equal(msg->n_plain_u64, 2);
	assert_int_equal(msg->plain_u64[1], 6);
	message_free(&msg->base, NULL);
}

static void the_last_of_equal_keys_wins(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	Wiretest__All *msg;

	(void)state;
	put_entry(&b, 51, "a", "1");
	put_entry(&b, 51, "b", "2");
	put_entry(&b, 51, "a", "3");
	put_entry(&b, 51, "c", "4");
	put_entry(&b, 51, "a", "5");
	put_entry(&b, 51, "ab", "6");
	msg = decode_all(&b);
	assert_int_equal(msg->n_words, 4);
	assert_string_equal(msg->words[0]->key, "b");
	assert_string_equal(msg->words[1]->key, "c");
	assert_string_equal(msg->words[2]->key, "a");
	assert_string_equal(msg->words[2]->value, "5");
	assert_string_equal(msg->words[3]->key, "ab");
	message_free(&msg->base, NULL);
}

static void a_map_entry_has_its_key_and_value(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	Wiretest__All *msg;

	(void)state;
	put_entry(&b, 51, NULL, "v");
	put_entry(&b, 51, "k", NULL);
	put_str(&b, 51, "");
	put_entry(&b, 52, "k", NULL);
	put_str(&b, 53, "");
	put_str(&b, 55, "");
	msg = decode_all(&b);
	/* The third is {"": ""} and takes the place of the first, {"": "v"}. */
	assert_int_equal(msg->n_words, 2);
	assert_string_equal(msg->words[0]->key, "k");
	assert_string_equal(msg->words[0]->value, "");
	assert_string_equal(msg->words[1]->key, "");
	assert_string_equal(msg->words[1]->value, "");
	assert_int_equal(msg->n_subs, 1);
	assert_non_null(msg->subs[0]->value);
	assert_null(msg->subs[0]->value->name);
	assert_true(msg->numbers[0]->has_key && msg->numbers[0]->has_value);
	assert_int_equal(msg->by_bool[0]->value.len, 0);
	message_free(&msg->base, NULL);
}

static void keys_that_are_numbers_are_compared_whole(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	Wiretest__All *msg;

	(void)state;
	put_bytes(&b, 53, slice_of("\x08\x01\x10\x07", 4));
	/* 2^32 + 1 */
	put_bytes(&b, 53, slice_of("\x08\x81\x80\x80\x80\x10\x10\x08", 8));
	put_bytes(&b, 53, slice_of("\x08\x01\x10\x09", 4));
	put_bytes(&b, 54, slice_of("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x01x", 14));
	put_bytes(&b, 54, slice_of("\x08\x01\x12\x01y", 5));
	put_bytes(&b, 54, slice_of("\x08\xff\xff\xff\xff\x0f\x12\x01z", 9));
	msg = decode_all(&b);
	assert_int_equal(msg->n_numbers, 2);
	assert_true(msg->numbers[0]->key == (UINT64_C(1) << 32) + 1);
	assert_int_equal(msg->numbers[1]->value, 9);
	assert_int_equal(msg->n_by_i32, 2);
	assert_string_equal(msg->by_i32[1]->value, "z");
	message_free(&msg->base, NULL);
}

static void a_list_of_pairs_is_no_map(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	ProtobufCMessage *msg;

	(void)state;
	put_entry(&b, 1, "a", "1");
	put_entry(&b, 1, "a", NULL);
	assert_int_equal(
		message_decode(&wiretest__pairs__descriptor, buf_slice(&b), NULL, &msg, NULL), 0);
	assert_int_equal(((Wiretest__Pairs *)msg)->n_pairs, 2);
	assert_null(((Wiretest__Pairs *)msg)->pairs[1]->value);
	message_free(msg, NULL);
}

static void maps_in_sub_messages_are_settled_too(void **state)
{
	auto_buf struct buf linux_part = BUF_INIT, spec = BUF_INIT, b = BUF_INIT;
	ProtobufCMessage *msg;
	const Grpc__Linux *linux_msg;

	(void)state;
	put_entry(&linux_part, 3, "kernel.shmmax", "1");
	put_entry(&linux_part, 3, "kernel.shmmax", "2");
	put_bytes(&spec, 8, buf_slice(&linux_part));
	/* Merged from two occurrences of the sub-message. */
	put_bytes(&spec, 8, buf_slice(&linux_part));
	put_bytes(&b, 6, buf_slice(&spec));
	assert_int_equal(message_decode(&grpc__create_container_request__descriptor, buf_slice(&b),
				 NULL, &msg, NULL),
		0);
	linux_msg = ((Grpc__CreateContainerRequest *)msg)->oci->linux;
	assert_int_equal(linux_msg->n_sysctl, 1);
	assert_string_equal(linux_msg->sysctl[0]->value, "2");
	message_free(msg, NULL);
}

static void the_last_of_a_oneof_wins(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	Wiretest__All *msg;

	(void)state;
	put_str(&b, 20, "");
	put_str(&b, 19, "text");
	put_number(&b, 18, 0x7fffffff);
	msg = decode_all(&b);
	assert_int_equal(msg->choice_case, WIRETEST__ALL__CHOICE_NUMBER);
	assert_int_equal(msg->number, 0x7fffffff);
	message_free(&msg->base, NULL);
}

static void no_memory_is_an_error_everywhere(void **state)
{
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	put_entry(&b, 51, "a", NULL);
	put_entry(&b, 51, "a", "2");
	put_entry(&b, 52, "k", NULL);
	put_str(&b, 37, "x");
	put_str(&b, 16, "x");
	put_str(&b, 17, "");
	put_number(&b, 31, 5);
	put_number(&b, 100, 5);
	OOM_SWEEP(n)
	{
		struct message_budget budget = {.limit = 1 << 20};
		struct err err = ERR_INIT;
		ProtobufCMessage *msg = NULL;
		int r;

		oom_arm(n);
		r = message_decode(all, buf_slice(&b), &budget, &msg, &err);
		oom_disarm();
		assert_int_equal(r, msg ? 0 : -ENOMEM);
		message_free(msg, &budget);
		assert_int_equal(budget.used, 0);
	}
}

static void what_is_encoded_decodes_to_the_same(void **state)
{
	auto_buf struct buf b = BUF_INIT, again = BUF_INIT;
	Wiretest__All *msg;

	(void)state;
	put_number(&b, 1, UINT64_MAX);
	put_str(&b, 15, "s");
	put_str(&b, 16, "by");
	put_bytes(&b, 31, slice_of("\x01\x02", 2));
	put_entry(&b, 51, "k", "v");
	msg = decode_all(&b);
	assert_int_equal(buf_append_str(&again, "in front"), 0);
	assert_int_equal(message_encode(&msg->base, &again), 0);
	buf_consume(&again, strlen("in front"));
	assert_true(slice_equal(buf_slice(&b), buf_slice(&again)));
	message_free(&msg->base, NULL);
	message_free(NULL, NULL);
}

static void an_envelope_keeps_its_payload_in_place(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	struct slice payload;
	ProtobufCMessage *msg;

	(void)state;
	put_str(&b, 15, "before");
	put_str(&b, 16, "first");
	put_str(&b, 16, "last");
	put_number(&b, 1, 7);
	assert_int_equal(
		message_decode_envelope(all, buf_slice(&b), 16, NULL, &msg, &payload, NULL), 0);
	assert_true(slice_equal(payload, slice_of_str("last")));
	assert_in_range((uintptr_t)payload.p, (uintptr_t)b.data, (uintptr_t)b.data + b.end);
	assert_string_equal(((Wiretest__All *)msg)->s, "before");
	assert_int_equal(((Wiretest__All *)msg)->i32, 7);
	assert_false(((Wiretest__All *)msg)->has_by);
	message_free(msg, NULL);

	buf_clear(&b);
	put_number(&b, 1, 7);
	assert_int_equal(
		message_decode_envelope(all, buf_slice(&b), 16, NULL, &msg, &payload, NULL), 0);
	assert_int_equal(payload.len, 0);
	message_free(msg, NULL);
	/* It is checked with the rest. */
	put_number(&b, 16, 1);
	assert_int_equal(
		message_decode_envelope(all, buf_slice(&b), 16, NULL, &msg, &payload, NULL),
		-EBADMSG);
}

static void an_envelope_is_encoded_in_parts(void **state)
{
	auto_buf struct buf parts = BUF_INIT, whole = BUF_INIT;
	Wiretest__Leaf leaf = WIRETEST__LEAF__INIT;
	static char name[300];

	(void)state;
	assert_int_equal(message_encode_field(17, &leaf.base, &parts), 0);
	assert_int_equal(buf_len(&parts), 0);
	/* A length of two bytes. */
	memset(name, 'n', sizeof(name) - 1);
	leaf.name = name;
	assert_int_equal(message_encode_field(17, &leaf.base, &parts), 0);
	leaf.name = NULL;
	put_str(&whole, 1, name);
	{
		auto_buf struct buf field = BUF_INIT;

		put_bytes(&field, 17, buf_slice(&whole));
		assert_true(slice_equal(buf_slice(&parts), buf_slice(&field)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_bytes_pass),
		cmocka_unit_test(malformed_bytes_are_refused),
		cmocka_unit_test(every_type_is_decoded),
		cmocka_unit_test(packed_and_plain_numbers_add_up),
		cmocka_unit_test(the_last_of_equal_keys_wins),
		cmocka_unit_test(a_map_entry_has_its_key_and_value),
		cmocka_unit_test(keys_that_are_numbers_are_compared_whole),
		cmocka_unit_test(a_list_of_pairs_is_no_map),
		cmocka_unit_test(maps_in_sub_messages_are_settled_too),
		cmocka_unit_test(the_last_of_a_oneof_wins),
		cmocka_unit_test(no_memory_is_an_error_everywhere),
		cmocka_unit_test(what_is_encoded_decodes_to_the_same),
		cmocka_unit_test(an_envelope_keeps_its_payload_in_place),
		cmocka_unit_test(an_envelope_is_encoded_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
