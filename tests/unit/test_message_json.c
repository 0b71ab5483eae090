/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oom.h"
#include "wire/message.h"
#include "wire/message_json.h"
#include "wiretest.pb-c.h"

static const struct message_json loose = {.name = "text", .max_size = 1 << 20, .is_loose = true};
static const struct message_json strict = {.name = "text", .max_size = 1 << 20};

static Wiretest__All *parse(const struct message_json *how, const char *text)
{
	ProtobufCMessage *msg = NULL;
	struct err err = ERR_INIT;

	if (message_json_parse(how, &wiretest__all__descriptor, slice_of_str(text), &msg, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return (Wiretest__All *)msg;
}

static void release(Wiretest__All *all)
{
	protobuf_c_message_free_unpacked(&all->base, NULL);
}

/* Every scalar at its limits, and every kind of list and map. */
static const char everything[] =
	"{\"i32\":-2147483648,\"i64\":-9223372036854775808,\"u32\":4294967295,"
	"\"u64\":18446744073709551615,\"s32\":2147483647,\"s64\":9223372036854775807,"
	"\"f32\":1,\"f64\":2,\"sf32\":-3,\"sf64\":-4,\"b\":true,\"colour\":\"BLUE\","
	"\"s\":\"a\\\"\xc3\xa4\",\"by\":\"AP8=\",\"leaf\":{\"name\":\"n\",\"tags\":[\"x\",\"\"],"
	"\"leaves\":[{\"name\":\"\",\"tags\":[],\"leaves\":[]}]},\"text\":\"chosen\","
	"\"packed_i32\":[-1,0],\"plain_u64\":[18446744073709551615],\"packed_f32\":[5],"
	"\"packed_f64\":[6],\"packed_b\":[true,false],\"packed_colour\":[\"RED\",77],"
	"\"many_s\":[\"p\"],\"many_by\":[\"\",\"Zg==\"],\"words\":{\"k\":\"v\",\"\":\"\"},"
	"\"subs\":{\"l\":{\"name\":\"m\",\"tags\":[],\"leaves\":[]}},"
	"\"numbers\":{\"18446744073709551615\":7},\"by_i32\":{\"-8\":\"neg\"},"
	"\"by_bool\":{\"true\":\"Zg==\"},\"far\":9}";

static void every_kind_of_field_is_read(void **state)
{
	Wiretest__All *a = parse(&loose, everything);

	(void)state;
	assert_true(a->has_i32 && a->i32 == INT32_MIN && a->i64 == INT64_MIN);
	assert_true(a->u32 == UINT32_MAX && a->u64 == UINT64_MAX);
	assert_true(a->s32 == INT32_MAX && a->s64 == INT64_MAX);
	assert_true(a->f32 == 1 && a->f64 == 2 && a->sf32 == -3 && a->sf64 == -4);
	assert_true(a->has_b && a->b && a->has_colour && a->colour == WIRETEST__COLOUR__BLUE);
	assert_string_equal(a->s, "a\"\xc3\xa4");
	assert_true(a->has_by && a->by.len == 2 && a->by.data[0] == 0 && a->by.data[1] == 255);
	assert_string_equal(a->leaf->tags[0], "x");
	assert_int_equal(a->leaf->n_leaves, 1);
	assert_int_equal(a->choice_case, WIRETEST__ALL__CHOICE_TEXT);
	assert_string_equal(a->text, "chosen");
	assert_true(a->n_packed_i32 == 2 && a->packed_i32[0] == -1);
	assert_true(a->n_packed_b == 2 && a->packed_b[0] && !a->packed_b[1]);
	assert_true(a->n_packed_colour == 2 && a->packed_colour[1] == 77);
	assert_true(a->n_many_by == 2 && a->many_by[0].len == 0 && a->many_by[1].data[0] == 'f');
	assert_true(a->n_words == 2 && a->n_subs == 1);
	assert_string_equal(a->subs[0]->value->name, "m");
	assert_true(a->numbers[0]->has_key && a->numbers[0]->key == UINT64_MAX);
	assert_true(a->by_i32[0]->key == -8 && a->by_bool[0]->key);
	assert_false(a->has_f || a->has_d);
	release(a);
}

static void what_was_read_is_written_the_same(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	Wiretest__All *a = parse(&loose, everything);

	(void)state;
	assert_int_equal(message_json_format(&a->base, MESSAGE_JSON_BASE64, &text), 0);
	assert_string_equal(buf_str(&text), everything);
	release(a);
}

static void absent_scalars_and_lists_are_written_messages_are_not(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	Wiretest__Leaf leaf = WIRETEST__LEAF__INIT;
	Wiretest__All *all = parse(&loose, "{}");

	(void)state;
	assert_int_equal(message_json_format(&leaf.base, MESSAGE_JSON_BASE64, &text), 0);
	assert_string_equal(buf_str(&text), "{\"name\":\"\",\"tags\":[],\"leaves\":[]}");
	buf_clear(&text);
	assert_int_equal(message_json_format(&all->base, MESSAGE_JSON_BASE64, &text), 0);
	assert_non_null(strstr(buf_str(&text), "{\"i32\":0,\"i64\":0,"));
	assert_non_null(
		strstr(buf_str(&text), "\"b\":false,\"colour\":\"RED\",\"s\":\"\",\"by\":\"\","));
	assert_non_null(strstr(buf_str(&text), "\"words\":{}"));
	assert_null(strstr(buf_str(&text), "\"leaf\""));
	assert_null(strstr(buf_str(&text), "\"number\""));
	release(all);
}

static void people_may_write_loosely(void **state)
{
	Wiretest__All *a = parse(&loose,
		"{\"I64\":\"-5\",\"u-64\":\"18446744073709551615\",\"B\":\"true\","
		"\"colour\":\"5\",\"manyS\":null,\"packedI32\":[\"1\"],\"by\":[0,255],\"s\":null,"
		"\"Far\":3}");

	(void)state;
	assert_true(a->i64 == -5 && a->u64 == UINT64_MAX && a->b && a->far == 3);
	assert_true(a->colour == WIRETEST__COLOUR__BLUE && a->packed_i32[0] == 1);
	assert_true(a->by.len == 2 && a->by.data[1] == 255);
	assert_true(a->n_many_s == 0 && !a->s);
	release(a);
}

static void a_strict_reader_wants_names_and_types_as_they_are(void **state)
{
	ProtobufCMessage *msg;
	struct err err = ERR_INIT;
	Wiretest__All *a = parse(&strict, "{\"I64\":1,\"unknown\":{},\"i64\":2}");

	(void)state;
	assert_true(a->i64 == 2);
	release(a);
	assert_int_equal(message_json_parse(&strict, &wiretest__all__descriptor,
				 slice_of_str("{\"i64\":\"1\"}"), &msg, &err),
		-EINVAL);
	assert_string_equal(err.msg, "text: i64: expected an integer, got a string");
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{"", "text:1:1: unexpected end of text"},
		{"[]", "text: expected an object, got an array"},
		{"{\"x\":1}", "text: x: All has no such field"},
		{"{\"leaf\":{\"leaves\":[{\"y\":1}]}}",
			"text: leaf.leaves[0].y: Leaf has no such field"},
		{"{\"i64\":1,\"I_64\":2}", "text: I_64: given twice: also as i64"},
		{"{\"number\":1,\"text\":\"x\"}",
			"text: text: excludes another member that is set"},
		{"{\"sub\":{\"x\":1},\"number\":1}", "text: sub.x: Leaf has no such field"},
		{"{\"i32\":2147483648}",
			"text: i32: 2147483648 is out of range (-2147483648 to 2147483647)"},
		{"{\"sf32\":-2147483649}",
			"text: sf32: -2147483649 is out of range (-2147483648 to 2147483647)"},
		{"{\"u32\":\"4294967296\"}",
			"text: u32: 4294967296 is out of range (0 to 4294967295)"},
		{"{\"f64\":\"18446744073709551616\"}",
			"text: f64: expected an unsigned integer, got a string"},
		{"{\"u64\":\"-\"}", "text: u64: expected an unsigned integer, got a string"},
		{"{\"u64\":\"\"}", "text: u64: expected an unsigned integer, got a string"},
		{"{\"u64\":\"0x10\"}", "text: u64: expected an unsigned integer, got a string"},
		{"{\"u64\":1.5}",
			"text: u64: expected an unsigned integer, got a number with a fraction or "
			"exponent"},
		{"{\"b\":\"yes\"}", "text: b: expected a boolean, got a string"},
		{"{\"b\":1}", "text: b: expected a boolean, got an integer"},
		{"{\"colour\":\"GREEN\"}", "text: colour: no value of wiretest.Colour"},
		{"{\"colour\":2147483648}",
			"text: colour: 2147483648 is out of range (-2147483648 to 2147483647)"},
		{"{\"by\":\"*\"}", "text: by: not base64"},
		{"{\"by\":[256]}", "text: by[0]: 256 is out of range (0 to 255)"},
		{"{\"by\":5}", "text: by: expected a string, got an integer"},
		{"{\"many_by\":[\"Zg==\",\"!\"]}", "text: many_by[1]: not base64"},
		{"{\"s\":5}", "text: s: expected a string, got an integer"},
		{"{\"many_s\":[null]}", "text: many_s[0]: expected a string, got null"},
		{"{\"many_s\":\"x\"}", "text: many_s: expected an array, got a string"},
		{"{\"words\":[]}", "text: words: expected an object, got an array"},
		{"{\"words\":{\"k\":1}}", "text: words.k: expected a string, got an integer"},
		{"{\"numbers\":{\"x\":1}}",
			"text: numbers.x: expected an unsigned integer, got a string"},
		{"{\"by_i32\":{\"2147483648\":\"\"}}",
			"text: by_i32.2147483648: 2147483648 is out of range (-2147483648 to "
			"2147483647)"},
		{"{\"by_bool\":{\"1\":\"\"}}",
			"text: by_bool.1: expected a boolean, got an integer"},
		{"{\"subs\":{\"k\":{\"z\":1}}}", "text: subs.k.z: Leaf has no such field"},
		{"{\"f\":1}", "text: f: not supported"},
		{"{\"d\":1.5}", "text: d: not supported"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct slice text = slice_of_str(rows[i].text);
		ProtobufCMessage *msg = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(
			message_json_parse(&loose, &wiretest__all__descriptor, text, &msg, &err),
			-EINVAL);
		assert_string_equal(err.msg, rows[i].msg);
		assert_null(msg);
	}
}

static void size_is_limited(void **state)
{
	struct message_json small = {.name = "text", .max_size = 4, .is_loose = true};
	ProtobufCMessage *msg;

	(void)state;
	assert_int_equal(message_json_parse(&small, &wiretest__all__descriptor,
				 slice_of_str("{   }"), &msg, NULL),
		-EFBIG);
	assert_int_equal(message_json_parse(&small, &wiretest__all__descriptor,
				 slice_of_str("{  }"), &msg, NULL),
		0);
	protobuf_c_message_free_unpacked(msg, NULL);
}

static int refuse(void *data, const struct value *object, const ProtobufCMessageDescriptor *desc,
	struct err *err)
{
	unsigned *n = data;

	if (--*n == 0)
		return value_error(object, err, "%s refused", desc->short_name);
	return 0;
}

static void a_visitor_sees_each_object_and_may_end_it(void **state)
{
	static const char text[] = "{\"leaf\":{\"leaves\":[{}]}}";
	unsigned n = 3;
	struct message_json visited = {
		.name = "text", .max_size = 100, .visit = refuse, .data = &n};
	ProtobufCMessage *msg;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(message_json_parse(&visited, &wiretest__all__descriptor,
				 slice_of_str(text), &msg, &err),
		-EINVAL);
	assert_int_equal(n, 0);
	assert_string_equal(err.msg, "text: All refused");
}

/* What a peer may send, and JSON cannot hold. */
static void text_that_is_not_utf8_is_written_with_replacements(void **state)
{
	static const uint8_t wire[] = {0x7a, 3, 'a', 0xff, 'b', 0x82, 1, 3, 'c', 0, 0x80};
	auto_buf struct buf base64 = BUF_INIT, text = BUF_INIT;
	ProtobufCMessage *msg;

	(void)state;
	assert_int_equal(message_decode(&wiretest__all__descriptor, slice_of(wire, sizeof(wire)),
				 NULL, &msg, NULL),
		0);
	assert_int_equal(message_json_format(msg, MESSAGE_JSON_BASE64, &base64), 0);
	assert_non_null(strstr(buf_str(&base64), "\"s\":\"a\xef\xbf\xbd"
						 "b\",\"by\":\"YwCA\""));
	assert_int_equal(message_json_format(msg, MESSAGE_JSON_TEXT, &text), 0);
	assert_non_null(strstr(buf_str(&text), "\"by\":\"c\xef\xbf\xbd\xef\xbf\xbd\""));
	message_free(msg, NULL);
}

static void a_float_that_is_set_cannot_be_written(void **state)
{
	Wiretest__All all = WIRETEST__ALL__INIT;
	auto_buf struct buf text = BUF_INIT;

	(void)state;
	MESSAGE_SET(&all, d, 1.5);
	assert_int_equal(message_json_format(&all.base, MESSAGE_JSON_BASE64, &text), -EOPNOTSUPP);
}

/* Looks like a map by its fields; its name says that it is a list. */
static void pairs_are_a_list(void **state)
{
	static const char text[] = "{\"pairs\":[{\"key\":\"k\",\"value\":\"v\"}]}";
	auto_buf struct buf again = BUF_INIT;
	ProtobufCMessage *msg;

	(void)state;
	assert_int_equal(message_json_parse(&loose, &wiretest__pairs__descriptor,
				 slice_of_str(text), &msg, NULL),
		0);
	assert_int_equal(message_json_format(msg, MESSAGE_JSON_BASE64, &again), 0);
	assert_string_equal(buf_str(&again), text);
	protobuf_c_message_free_unpacked(msg, NULL);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	OOM_SWEEP(n)
	{
		auto_buf struct buf text = BUF_INIT;
		ProtobufCMessage *msg;
		int r;

		oom_arm(n);
		r = message_json_parse(
			&loose, &wiretest__all__descriptor, slice_of_str(everything), &msg, NULL);
		if (r == 0) {
			r = message_json_format(msg, MESSAGE_JSON_BASE64, &text);
			protobuf_c_message_free_unpacked(msg, NULL);
		}
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_field_is_read),
		cmocka_unit_test(what_was_read_is_written_the_same),
		cmocka_unit_test(absent_scalars_and_lists_are_written_messages_are_not),
		cmocka_unit_test(people_may_write_loosely),
		cmocka_unit_test(a_strict_reader_wants_names_and_types_as_they_are),
		cmocka_unit_test(what_is_wrong_is_named_with_its_place),
		cmocka_unit_test(size_is_limited),
		cmocka_unit_test(a_visitor_sees_each_object_and_may_end_it),
		cmocka_unit_test(text_that_is_not_utf8_is_written_with_replacements),
		cmocka_unit_test(a_float_that_is_set_cannot_be_written),
		cmocka_unit_test(pairs_are_a_list),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
