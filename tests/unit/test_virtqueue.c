/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "virtio_driver.h"

enum { SIZE = 8, NEXT = VQ_DESC_F_NEXT, WRITE = VQ_DESC_F_WRITE, INDIRECT = VQ_DESC_F_INDIRECT };

struct fixture {
	struct driver driver;
	struct driver_queue q;
	struct vq_chain chain;
	uint64_t buf; /* 64 KiB of guest memory */
};

static struct fixture f;

static int setup_with(uint64_t features)
{
	driver_init(&f.driver);
	driver_queue_init(&f.driver, &f.q, SIZE, features);
	f.buf = driver_alloc(&f.driver, 64 << 10);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_with(0);
}

static int setup_indirect(void **state)
{
	(void)state;
	return setup_with(VQ_F_INDIRECT_DESC);
}

static int setup_event_idx(void **state)
{
	(void)state;
	return setup_with(VQ_F_EVENT_IDX);
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&f.driver);
	return 0;
}

static void a_chain_is_split_into_readable_and_writable(void **state)
{
	const struct driver_part parts[] = {{f.buf, 10, false}, {f.buf + 100, 20, false},
		{f.buf + 200, 1, true}, {f.buf + 300, 4096, true}};
	uint16_t head = driver_add(&f.q, parts, 4), used_head;
	uint32_t len;

	(void)state;
	assert_true(vq_pop(&f.q.vq, &f.chain));
	assert_int_equal(f.chain.head, head);
	assert_int_equal(f.chain.n_out, 2);
	assert_int_equal(f.chain.n_in, 2);
	assert_int_equal(f.chain.out_len, 30);
	assert_int_equal(f.chain.in_len, 4097);
	for (size_t i = 0; i < 4; i++) {
		assert_ptr_equal(f.chain.iov[i].iov_base, driver_ptr(&f.driver, parts[i].gpa));
		assert_int_equal(f.chain.iov[i].iov_len, parts[i].len);
	}
	assert_false(vq_pop(&f.q.vq, &f.chain));
	vq_push(&f.q.vq, &f.chain, 77);
	assert_false(driver_take(&f.q, &used_head, &len));
	assert_true(vq_flush(&f.q.vq));
	assert_true(driver_take(&f.q, &used_head, &len));
	assert_int_equal(used_head, head);
	assert_int_equal(len, 77);
	assert_false(vq_flush(&f.q.vq));
}

/* One descriptor table against one answer: what breaks a queue, and what only looks odd. */
static void hostile_chains_break_the_queue(void **state)
{
	const uint64_t end = DRIVER_GPA + DRIVER_MEM_SIZE, huge = UINT64_MAX - 1;
	const struct {
		const char *what;
		struct {
			uint64_t gpa;
			uint32_t len;
			uint16_t flags, next;
		} desc[3];
		uint16_t head;
		bool ok;
	} rows[] = {
		{"one readable", {{f.buf, 1, 0, 9}}, 0, true},
		{"the last byte of memory", {{end - 1, 1, WRITE, 0}}, 0, true},
		{"the chain runs backwards", {{f.buf, 1, 0, 0}, {f.buf, 1, NEXT, 0}}, 1, true},
		{"two parts that overlap", {{f.buf, 8, NEXT, 1}, {f.buf + 4, 8, WRITE, 0}}, 0,
			true},
		{"unknown flags", {{f.buf, 1, 0xfff0, 0}}, 0, true},
		{"head beyond the table", {{f.buf, 1, 0, 0}}, SIZE, false},
		{"head far beyond", {{f.buf, 1, 0, 0}}, 0xffff, false},
		{"next beyond", {{f.buf, 1, NEXT, SIZE}}, 0, false},
		{"a circle of one", {{f.buf, 1, NEXT, 0}}, 0, false},
		{"a circle of two", {{f.buf, 1, NEXT, 1}, {f.buf, 1, NEXT, 0}}, 0, false},
		{"no bytes", {{f.buf, 0, 0, 0}}, 0, false},
		{"below memory", {{DRIVER_GPA - 1, 1, 0, 0}}, 0, false},
		{"below and into memory", {{DRIVER_GPA - 1, 2, 0, 0}}, 0, false},
		{"out of memory's end", {{end - 1, 2, 0, 0}}, 0, false},
		{"the whole of 32 bits", {{f.buf, UINT32_MAX, WRITE, 0}}, 0, false},
		{"wraps around", {{huge, 16, WRITE, 0}}, 0, false},
		{"address 0", {{0, 16, WRITE, 0}}, 0, false},
		{"readable behind writable", {{f.buf, 1, NEXT | WRITE, 1}, {f.buf, 1, 0, 0}}, 0,
			false},
		{"bad second part", {{f.buf, 1, NEXT, 1}, {0, 1, 0, 0}}, 0, false},
		{"indirect, not negotiated", {{f.buf, 16, INDIRECT, 0}}, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (uint16_t d = 0; d < 3; d++)
			driver_set_desc(&f.q, d, rows[i].desc[d].gpa, rows[i].desc[d].len,
				rows[i].desc[d].flags, rows[i].desc[d].next);
		driver_offer(&f.q, rows[i].head);
		if (vq_pop(&f.q.vq, &f.chain) != rows[i].ok || !vq_broken(&f.q.vq) != rows[i].ok)
			fail_msg("%s: broken: %s", rows[i].what, vq_broken(&f.q.vq));
		/* Broken is broken: a good chain does not help. */
		driver_set_desc(&f.q, 0, f.buf, 1, 0, 0);
		driver_offer(&f.q, 0);
		assert_int_equal(vq_pop(&f.q.vq, &f.chain), rows[i].ok);
		assert_false(vq_enable_kicks(&f.q.vq));
		assert_int_equal(vq_start(&f.q.vq, le16_load_relaxed(&driver_avail(&f.q)->idx)), 0);
	}
}

static void too_many_heads_break_the_queue(void **state)
{
	struct vq_avail *avail = driver_avail(&f.q);
	const struct driver_part part = {f.buf, 1, false};

	(void)state;
	for (unsigned i = 0; i < SIZE; i++)
		driver_add(&f.q, &part, 1);
	for (unsigned i = 0; i < SIZE; i++)
		assert_true(vq_pop(&f.q.vq, &f.chain));
	/* All are in flight; none can be offered again. */
	driver_offer(&f.q, 0);
	assert_false(vq_pop(&f.q.vq, &f.chain));
	assert_non_null(vq_broken(&f.q.vq));
	assert_int_equal(vq_start(&f.q.vq, 0), 0);
	le16_store_release(&avail->idx, SIZE + 1);
	assert_false(vq_pop(&f.q.vq, &f.chain));
	assert_non_null(vq_broken(&f.q.vq));
	/* An index that runs backwards is an index far ahead. */
	assert_int_equal(vq_start(&f.q.vq, 5), 0);
	le16_store_release(&avail->idx, 4);
	assert_false(vq_pop(&f.q.vq, &f.chain));
	assert_non_null(vq_broken(&f.q.vq));
}

static void long_chains_are_bounded(void **state)
{
	struct driver_queue q;
	struct driver_part parts[VQ_IOV_MAX + 1];

	(void)state;
	driver_queue_init(&f.driver, &q, 256, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		parts[i] = (struct driver_part){f.buf + i, 1, i > 3};
	driver_add(&q, parts, VQ_IOV_MAX);
	assert_true(vq_pop(&q.vq, &f.chain));
	assert_int_equal(f.chain.n_out + f.chain.n_in, VQ_IOV_MAX);
	driver_add(&q, parts, VQ_IOV_MAX + 1);
	assert_false(vq_pop(&q.vq, &f.chain));
	assert_string_equal(vq_broken(&q.vq), "a chain of too many descriptors");
}

static void indirect_tables_are_followed(void **state)
{
	uint64_t table = driver_alloc(&f.driver, 16 * 4);
	struct vq_desc *d = (void *)driver_ptr(&f.driver, table);

	(void)state;
	d[0] = (struct vq_desc){le64_of(f.buf), le32_of(5), le16_of(NEXT), le16_of(2)};
	d[2] = (struct vq_desc){le64_of(f.buf + 8), le32_of(6), le16_of(WRITE), le16_of(0)};
	driver_set_desc(&f.q, 0, f.buf + 64, 1, NEXT, 1);
	driver_set_desc(&f.q, 1, table, 64, INDIRECT, 0);
	driver_offer(&f.q, 0);
	assert_true(vq_pop(&f.q.vq, &f.chain));
	assert_int_equal(f.chain.n_out, 2);
	assert_int_equal(f.chain.out_len, 6);
	assert_int_equal(f.chain.in_len, 6);
}

static void hostile_indirect_tables_break_the_queue(void **state)
{
	uint64_t table = driver_alloc(&f.driver, 16 * 2);
	struct vq_desc *d = (void *)driver_ptr(&f.driver, table);
	const struct {
		const char *what;
		uint64_t gpa;
		uint32_t len;
		uint16_t flags, inner_flags, inner_next;
	} rows[] = {
		{"empty", table, 0, INDIRECT, 0, 0},
		{"not whole descriptors", table, 24, INDIRECT, 0, 0},
		{"not in memory", 0, 32, INDIRECT, 0, 0},
		{"beyond memory", table, 0xfffffff0, INDIRECT, 0, 0},
		{"followed by another", table, 32, INDIRECT | NEXT, 0, 0},
		{"nested", table, 32, INDIRECT, INDIRECT, 0},
		{"next beyond the table", table, 32, INDIRECT, NEXT, 2},
		{"in a circle", table, 32, INDIRECT, NEXT, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		d[0] = (struct vq_desc){le64_of(f.buf), le32_of(16), le16_of(rows[i].inner_flags),
			le16_of(rows[i].inner_next)};
		driver_set_desc(&f.q, 0, rows[i].gpa, rows[i].len, rows[i].flags, 1);
		driver_set_desc(&f.q, 1, f.buf, 1, 0, 0);
		driver_offer(&f.q, 0);
		if (vq_pop(&f.q.vq, &f.chain))
			fail_msg("%s", rows[i].what);
		assert_non_null(vq_broken(&f.q.vq));
		assert_int_equal(vq_start(&f.q.vq, le16_load_relaxed(&driver_avail(&f.q)->idx)), 0);
	}
}

static void bad_rings_are_refused(void **state)
{
	struct vq *vq = &f.q.vq;
	const uint64_t end = DRIVER_GPA + DRIVER_MEM_SIZE;

	(void)state;
	assert_int_equal(vq_set_size(vq, 0), -EINVAL);
	assert_int_equal(vq_set_rings(vq, f.buf, f.buf, f.buf), -EINVAL);
	assert_int_equal(vq_set_size(vq, 3), -EINVAL);
	assert_int_equal(vq_set_size(vq, VQ_SIZE_MAX * 2), -EINVAL);
	assert_int_equal(vq_set_size(vq, UINT32_MAX), -EINVAL);
	assert_int_equal(vq_set_size(vq, 65536 + 8), -EINVAL);
	assert_int_equal(vq_set_size(vq, 4), 0);
	assert_int_equal(vq_start(vq, 0), -EINVAL);
	assert_int_equal(vq_set_rings(vq, f.buf + 8, f.buf, f.buf), -EILSEQ);
	assert_int_equal(vq_set_rings(vq, f.buf, f.buf + 1, f.buf), -EILSEQ);
	assert_int_equal(vq_set_rings(vq, f.buf, f.buf, f.buf + 2), -EILSEQ);
	assert_int_equal(vq_set_rings(vq, end - 48, f.buf, f.buf), -EFAULT);
	assert_int_equal(vq_set_rings(vq, f.buf, end - 12, f.buf), -EFAULT);
	assert_int_equal(vq_set_rings(vq, f.buf, f.buf, end - 36), -EFAULT);
	assert_int_equal(vq_set_rings(vq, 0, 0, 0), -EFAULT);
	assert_int_equal(vq_start(vq, 0), -EINVAL);
	assert_false(vq_pop(vq, &f.chain));
	assert_false(vq_flush(vq));
	/* The smallest rings that fit, event words included. */
	assert_int_equal(vq_set_rings(vq, end - 64, end - 14, end - 40), 0);
	assert_int_equal(vq_start(vq, 0), 0);
}

static void unpop_gives_the_same_chain_again(void **state)
{
	const struct driver_part parts[] = {{f.buf, 1, false}, {f.buf + 1, 2, true}};
	uint16_t heads[3], head;
	uint32_t len;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		heads[i] = driver_add(&f.q, parts, 2);
	for (unsigned i = 0; i < 3; i++)
		assert_true(vq_pop(&f.q.vq, &f.chain));
	vq_unpop(&f.q.vq, 2);
	assert_true(vq_pop(&f.q.vq, &f.chain));
	assert_int_equal(f.chain.head, heads[1]);
	vq_push(&f.q.vq, &f.chain, 2);
	assert_true(vq_flush(&f.q.vq));
	assert_true(driver_take(&f.q, &head, &len));
	assert_int_equal(head, heads[1]);
	assert_int_equal(vq_stop(&f.q.vq), 2);
	assert_false(vq_pop(&f.q.vq, &f.chain));
}

static void without_event_idx_flags_suppress(void **state)
{
	const struct driver_part part = {f.buf, 1, true};

	(void)state;
	vq_disable_kicks(&f.q.vq);
	assert_int_equal(le16_load_relaxed(&driver_used(&f.q)->flags), VQ_USED_F_NO_NOTIFY);
	assert_false(vq_enable_kicks(&f.q.vq));
	assert_int_equal(le16_load_relaxed(&driver_used(&f.q)->flags), 0);
	driver_add(&f.q, &part, 1);
	assert_true(vq_enable_kicks(&f.q.vq));
	le16_store_relaxed(&driver_avail(&f.q)->flags, VQ_AVAIL_F_NO_INTERRUPT);
	assert_true(vq_pop(&f.q.vq, &f.chain));
	vq_push(&f.q.vq, &f.chain, 0);
	assert_false(vq_flush(&f.q.vq));
}

static void one_round(bool *ret_interrupt)
{
	const struct driver_part part = {f.buf, 1, true};
	uint16_t head;
	uint32_t len;

	driver_add(&f.q, &part, 1);
	assert_true(vq_pop(&f.q.vq, &f.chain));
	vq_push(&f.q.vq, &f.chain, 1);
	*ret_interrupt = vq_flush(&f.q.vq);
	assert_true(driver_take(&f.q, &head, &len));
}

static void event_idx_asks_for_one_interrupt(void **state)
{
	le16 *used_event = &driver_avail(&f.q)->ring[SIZE];
	le16 *avail_event = (le16 *)(void *)&driver_used(&f.q)->ring[SIZE];
	bool interrupt;

	(void)state;
	/* "When used index 3 is filled": the fourth. Far beyond 16 bits of index. */
	for (unsigned round = 0; round < 20000; round++) {
		uint16_t idx = (uint16_t)(round * 4);

		le16_store_relaxed(used_event, (uint16_t)(idx + 3));
		for (unsigned i = 0; i < 4; i++) {
			one_round(&interrupt);
			assert_int_equal(interrupt, i == 3);
		}
		assert_false(vq_enable_kicks(&f.q.vq));
		assert_int_equal(le16_load_relaxed(avail_event), (uint16_t)(idx + 4));
	}
}

/*
 * Oracle: a driver that does random legal things against a list of what it has offered. The device
 * must see exactly that list, in order, and the driver must get back exactly what was pushed.
 */
static unsigned next_random(void)
{
	static uint32_t x = 12345;

	x = x * 1664525 + 1013904223;
	return x >> 8;
}

struct model_chain {
	unsigned n;
	struct driver_part parts[4];
	uint16_t head;
};

static void offer_random(struct driver_queue *q, struct model_chain *m)
{
	unsigned n_out;

	m->n = 1 + next_random() % 4;
	n_out = next_random() % (m->n + 1);
	for (unsigned i = 0; i < m->n; i++)
		m->parts[i] = (struct driver_part){
			f.buf + next_random() % 60000, 1 + next_random() % 4096, i >= n_out};
	m->head = driver_add(q, m->parts, m->n);
}

static void assert_same_chain(const struct model_chain *m)
{
	assert_int_equal(f.chain.head, m->head);
	assert_int_equal(f.chain.n_out + f.chain.n_in, m->n);
	for (unsigned i = 0; i < m->n; i++) {
		assert_int_equal(i >= f.chain.n_out, m->parts[i].write);
		assert_ptr_equal(f.chain.iov[i].iov_base, driver_ptr(&f.driver, m->parts[i].gpa));
		assert_int_equal(f.chain.iov[i].iov_len, m->parts[i].len);
	}
}

static void the_device_sees_what_the_driver_did(void **state)
{
	enum { ROUNDS = 50000, MODEL = 64 };
	struct model_chain model[MODEL];
	unsigned n_offered = 0, n_popped = 0, n_taken = 0;
	struct driver_queue q;
	uint16_t head;
	uint32_t len;

	(void)state;
	driver_queue_init(&f.driver, &q, 64, VQ_F_EVENT_IDX);
	for (unsigned round = 0; round < ROUNDS; round++) {
		while (q.n_free >= 4 && next_random() % 3 != 0)
			offer_random(&q, &model[n_offered++ % MODEL]);
		while (n_popped < n_offered && next_random() % 4 != 0) {
			assert_true(vq_pop(&q.vq, &f.chain));
			assert_same_chain(&model[n_popped % MODEL]);
			if (next_random() % 4 == 0) {
				vq_unpop(&q.vq, 1);
				continue;
			}
			vq_push(&q.vq, &f.chain, f.chain.in_len);
			n_popped++;
		}
		(void)!vq_flush(&q.vq);
		while (driver_take(&q, &head, &len))
			assert_int_equal(head, model[n_taken++ % MODEL].head);
		assert_int_equal(n_taken, n_popped);
		assert_null(vq_broken(&q.vq));
	}
	assert_true(n_taken > 65536);
}

static void scattered_bytes_are_copied(void **state)
{
	uint8_t a[3] = "abc", b[1] = "d", c[4] = "efgh", out[16] = {0};
	const struct iovec iov[] = {{a, 3}, {b, 1}, {c, 4}};
	struct iovec to[3];

	(void)state;
	for (size_t offset = 0; offset <= 9; offset++) {
		for (size_t len = 0; len <= 9; len++) {
			size_t left = offset < 8 ? 8 - offset : 0,
			       expected = len < left ? len : left;
			size_t sum = 0;
			unsigned n = vq_iov_slice(iov, 3, offset, len, to);

			assert_int_equal(vq_iov_read(iov, 3, offset, out, len), expected);
			assert_memory_equal(out, &"abcdefgh"[offset > 8 ? 8 : offset], expected);
			for (unsigned i = 0; i < n; i++)
				sum += to[i].iov_len;
			assert_int_equal(sum, expected);
			if (n > 0)
				assert_int_equal(*(uint8_t *)to[0].iov_base, "abcdefgh"[offset]);
		}
	}
	assert_int_equal(vq_iov_write(iov, 3, 2, "WXYZ", 4), 4);
	assert_memory_equal(a, "abW", 3);
	assert_memory_equal(b, "X", 1);
	assert_memory_equal(c, "YZgh", 4);
	assert_int_equal(vq_iov_write(iov, 3, 7, "12", 2), 1);
	assert_memory_equal(c, "YZg1", 4);
}

#define with(test, start) cmocka_unit_test_setup_teardown(test, start, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(a_chain_is_split_into_readable_and_writable, setup),
		with(hostile_chains_break_the_queue, setup),
		with(too_many_heads_break_the_queue, setup),
		with(long_chains_are_bounded, setup),
		with(indirect_tables_are_followed, setup_indirect),
		with(hostile_indirect_tables_break_the_queue, setup_indirect),
		with(bad_rings_are_refused, setup),
		with(unpop_gives_the_same_chain_again, setup),
		with(without_event_idx_flags_suppress, setup),
		with(event_idx_asks_for_one_interrupt, setup_event_idx),
		with(the_device_sees_what_the_driver_did, setup),
		cmocka_unit_test(scattered_bytes_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
