/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "linux/device_filter.h"

struct request {
	char type;
	uint32_t major, minor;
	unsigned int access;
};

static unsigned int kernel_access(unsigned int access)
{
	return (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0U) |
	       (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0U) |
	       (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0U);
}

/* As much of the machine as the programs use. */
static bool interpret(const struct device_filter *f, const struct request *q)
{
	uint32_t context[3] = {kernel_access(q->access) << 16 |
				       (q->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
		q->major, q->minor};
	uint64_t reg[11] = {0};

	for (size_t pc = 0; pc < f->n_insns; pc++) {
		const struct bpf_insn *i = &f->insns[pc];
		uint64_t k = (uint64_t)(int64_t)i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(i->src_reg, BPF_REG_1);
			reg[i->dst_reg] = context[i->off / 4];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
			reg[i->dst_reg] = reg[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			reg[i->dst_reg] = k;
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			reg[i->dst_reg] >>= k;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			reg[i->dst_reg] &= k;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			pc += (uint32_t)reg[i->dst_reg] != (uint32_t)k ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			pc += reg[i->dst_reg] != k ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += reg[i->dst_reg] == k ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return reg[0] == 1;
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("ran past the end");
	return false;
}

static bool matches(const struct device_rule *r, const struct request *q)
{
	return (r->type == 'a' || r->type == q->type) &&
	       (r->major == DEVICE_ANY || r->major == q->major) &&
	       (r->minor == DEVICE_ANY || r->minor == q->minor);
}

/* Each kind of access by itself: the last rule that matches it. */
static bool is_allowed(const struct device_rule *rules, size_t n, const struct request *q)
{
	for (unsigned int kind = 1; kind <= DEVICE_MKNOD; kind <<= 1) {
		bool allowed = false;

		if (!(q->access & kind))
			continue;
		for (size_t i = 0; i < n; i++)
			if (matches(&rules[i], q) && rules[i].access & kind)
				allowed = rules[i].allow;
		if (!allowed)
			return false;
	}
	return true;
}

static bool filter_allows(const struct device_rule *rules, size_t n, struct request q)
{
	struct device_filter f;
	bool allowed;

	assert_int_equal(device_filter_build(rules, n, &f), 0);
	allowed = interpret(&f, &q);
	device_filter_fini(&f);
	return allowed;
}

static void nothing_is_allowed_by_no_rules(void **state)
{
	(void)state;
	assert_false(filter_allows(NULL, 0, (struct request){'c', 1, 3, DEVICE_READ}));
}

static void the_last_matching_rule_decides(void **state)
{
	const struct device_rule rules[] = {
		{true, 'a', DEVICE_ANY, DEVICE_ANY, DEVICE_ALL},
		{false, 'b', 8, DEVICE_ANY, DEVICE_WRITE | DEVICE_MKNOD},
		{true, 'b', 8, 1, DEVICE_WRITE},
	};

	(void)state;
	assert_true(filter_allows(rules, 3, (struct request){'c', 8, 0, DEVICE_ALL}));
	assert_true(filter_allows(rules, 3, (struct request){'b', 8, 0, DEVICE_READ}));
	assert_false(filter_allows(rules, 3, (struct request){'b', 8, 0, DEVICE_WRITE}));
	assert_true(
		filter_allows(rules, 3, (struct request){'b', 8, 1, DEVICE_WRITE | DEVICE_READ}));
	assert_false(
		filter_allows(rules, 3, (struct request){'b', 8, 1, DEVICE_MKNOD | DEVICE_READ}));
}

static void kinds_may_come_from_several_rules(void **state)
{
	const struct device_rule rules[] = {
		{true, 'c', 10, 200, DEVICE_READ},
		{true, 'c', 10, DEVICE_ANY, DEVICE_WRITE},
	};

	(void)state;
	assert_true(filter_allows(
		rules, 2, (struct request){'c', 10, 200, DEVICE_READ | DEVICE_WRITE}));
	assert_false(filter_allows(
		rules, 2, (struct request){'c', 10, 201, DEVICE_READ | DEVICE_WRITE}));
}

static void large_numbers_compare_unsigned(void **state)
{
	const struct device_rule rule = {true, 'b', 0xfffffffe, 0x80000000, DEVICE_ALL};

	(void)state;
	assert_true(
		filter_allows(&rule, 1, (struct request){'b', 0xfffffffe, 0x80000000, DEVICE_ALL}));
	assert_false(filter_allows(&rule, 1, (struct request){'b', 0xfffffffe, 0, DEVICE_ALL}));
}

static void it_agrees_with_the_plain_reading(void **state)
{
	static const char types[] = "abc";

	(void)state;
	srand(1);
	for (int round = 0; round < 3000; round++) {
		struct device_rule rules[6];
		size_t n = (size_t)rand() % 7;
		struct request q = {types[1 + rand() % 2], (uint32_t)rand() % 3,
			(uint32_t)rand() % 3, 1 + (unsigned int)rand() % 7};

		for (size_t i = 0; i < n; i++)
			rules[i] = (struct device_rule){rand() % 2, types[rand() % 3],
				rand() % 4 - 1, rand() % 4 - 1, 1 + (unsigned int)rand() % 7};
		assert_int_equal(filter_allows(rules, n, q), is_allowed(rules, n, &q));
	}
}

static void too_many_rules_are_refused(void **state)
{
	struct device_rule *rules = calloc(DEVICE_RULES_MAX + 1, sizeof(*rules));
	struct device_filter f;

	(void)state;
	assert_non_null(rules);
	assert_int_equal(device_filter_build(rules, DEVICE_RULES_MAX + 1, &f), -E2BIG);
	assert_int_equal(device_filter_build(rules, DEVICE_RULES_MAX, &f), 0);
	device_filter_fini(&f);
	free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_allowed_by_no_rules),
		cmocka_unit_test(the_last_matching_rule_decides),
		cmocka_unit_test(kinds_may_come_from_several_rules),
		cmocka_unit_test(large_numbers_compare_unsigned),
		cmocka_unit_test(it_agrees_with_the_plain_reading),
		cmocka_unit_test(too_many_rules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
