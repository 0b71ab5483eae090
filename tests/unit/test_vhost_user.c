/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <cmocka.h>

#include "oom.h"
#include "vhost_front.h"

static void a_front_end_starts_the_device(void **state)
{
	(void)state;
	assert_true(ask_u64(VHOST_USER_GET_FEATURES) ==
		    (UINT64_C(1) << 32 | UINT64_C(1) << 30 | VQ_F_INDIRECT_DESC | VQ_F_EVENT_IDX));
	assert_true(ask_u64(VHOST_USER_GET_PROTOCOL_FEATURES) == (1 << 0 | 1 << 3 | 1 << 9));
	assert_int_equal(ask_u64(VHOST_USER_GET_QUEUE_NUM), N_QUEUES);
	start_device();
	assert_int_equal(f.n_processed[0], 1);
	assert_int_equal(f.n_processed[1], 1);
	assert_works(0);
	assert_works(1);
	assert_works(1);
	assert_int_equal(f.n_processed[1], 3);
	assert_int_equal(ask_base(1), 2);
	assert_int_equal(ask_base(0), 1);
	/* Stopped: kicks are not heard. */
	kick(1);
	assert_int_equal(f.n_processed[1], 3);
	assert_int_equal(f.n_ends, 0);
	close(f.fd);
	f.fd = -1;
	run();
	assert_int_equal(f.n_ends, 1);
	assert_false(f.failed);
}

static void a_disabled_queue_stands_still(void **state)
{
	(void)state;
	start_device();
	assert_works(1);
	send_state(VHOST_USER_SET_VRING_ENABLE, 1, 0);
	kick(1);
	assert_int_equal(f.n_processed[1], 2);
	send_state(VHOST_USER_SET_VRING_ENABLE, 1, 1);
	assert_int_equal(f.n_processed[1], 3);
	assert_works(1);
	assert_int_equal(f.n_restarts, 0);
}

static void without_protocol_features_queues_need_no_enabling(void **state)
{
	(void)state;
	send_u64(VHOST_USER_SET_FEATURES, UINT64_C(1) << 32);
	send_table(&one_region, &f.mem_fd, 1);
	start_queue(0, 0);
	assert_works(0);
}

static void the_newest_call_descriptor_counts(void **state)
{
	int newer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	size_t before;

	(void)state;
	start_device();
	before = count_fds();
	for (unsigned i = 0; i < 5; i++)
		send_fd(VHOST_USER_SET_VRING_CALL, 1, newer);
	assert_int_equal(count_fds(), before);
	/* An interrupt that the old one may have swallowed. */
	assert_true(is_called(newer));
	vhost_user_backend_notify(f.backend, vhost_user_backend_queue(f.backend, 1));
	assert_true(is_called(newer));
	assert_false(is_called(f.call[1]));
	/* And none at all is allowed. */
	send_u64(VHOST_USER_SET_VRING_CALL, 1 | VHOST_USER_VRING_NO_FD);
	vhost_user_backend_notify(f.backend, vhost_user_backend_queue(f.backend, 1));
	assert_false(is_called(newer));
	assert_int_equal(f.n_ends, 0);
	close(newer);
}

static void work_left_over_is_done_in_the_next_round(void **state)
{
	(void)state;
	start_device();
	f.more = true;
	kick(1);
	assert_true(f.n_processed[1] >= 4);
	f.more = false;
	run();
	f.n_processed[1] = 0;
	run();
	assert_int_equal(f.n_processed[1], 0);
}

static void memory_may_come_in_pieces_and_again(void **state)
{
	/* The same memory as two regions of one file, the second first. */
	static const uint64_t half = DRIVER_MEM_SIZE / 2;
	const struct vhost_user_mem_table two = {.n_regions = 2,
		.regions = {{DRIVER_GPA + half, half, UVA + (UINT64_C(1) << 32),
				    DRIVER_MEM_SIZE + half},
			{DRIVER_GPA, half, UVA, DRIVER_MEM_SIZE}}};
	const int fds[] = {f.mem_fd, f.mem_fd};
	size_t before;

	(void)state;
	start_device();
	assert_works(1);
	before = count_fds();
	for (unsigned i = 0; i < 3; i++) {
		send_table(&two, fds, 2);
		assert_works(1);
		assert_works(0);
		send_table(&one_region, fds, 1);
		assert_works(1);
	}
	assert_int_equal(count_fds(), before);
	/* Memory goes away below a running queue: that is the end. */
	send_table(&(struct vhost_user_mem_table){0}, NULL, 0);
	assert_true(f.failed);
	assert_string_equal(f.err.msg, "SET_MEM_TABLE: the rings of queue 0: Bad address");
}

static void messages_may_come_byte_by_byte(void **state)
{
	struct vhost_user_header h = {VHOST_USER_SET_VRING_CALL, 1, 8};
	uint64_t index = 1;
	uint8_t bytes[sizeof(h) + sizeof(index)];

	(void)state;
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), &index, sizeof(index));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		send_raw(bytes + i, 1, &f.call[1], i == 3 ? 1 : 0);
		run();
	}
	vhost_user_backend_notify(f.backend, vhost_user_backend_queue(f.backend, 1));
	assert_true(is_called(f.call[1]));
	/* Many at once, and one that is cut. */
	for (unsigned i = 0; i < 10; i++)
		send_raw(bytes, sizeof(bytes), &f.call[0], 1);
	send_raw(bytes, sizeof(bytes) - 1, NULL, 0);
	for (unsigned i = 0; i < 10; i++)
		run();
	assert_int_equal(f.n_ends, 0);
	close(f.fd);
	f.fd = -1;
	run();
	assert_true(f.failed);
	assert_string_equal(f.err.msg, "a vhost-user message that is cut short");
}

static void acknowledgements_are_sent_when_agreed(void **state)
{
	const uint64_t bad = 1;
	struct vhost_user_message m;

	(void)state;
	send_message(VHOST_USER_SET_OWNER, 1 | VHOST_USER_FLAG_NEED_REPLY, NULL, 0, NULL, 0);
	assert_false(receive_reply(&m));
	send_u64(VHOST_USER_SET_PROTOCOL_FEATURES, 1 << VHOST_USER_PROTOCOL_F_REPLY_ACK);
	send_message(VHOST_USER_SET_OWNER, 1 | VHOST_USER_FLAG_NEED_REPLY, NULL, 0, NULL, 0);
	assert_true(receive_reply(&m));
	assert_int_equal(m.header.request, VHOST_USER_SET_OWNER);
	assert_int_equal(m.payload.u64, 0);
	/* A request with a reply of its own gets just that. */
	send_message(VHOST_USER_GET_QUEUE_NUM, 1 | VHOST_USER_FLAG_NEED_REPLY, NULL, 0, NULL, 0);
	assert_true(receive_reply(&m));
	assert_int_equal(m.payload.u64, N_QUEUES);
	send_message(VHOST_USER_SET_FEATURES, 1 | VHOST_USER_FLAG_NEED_REPLY, &bad, 8, NULL, 0);
	assert_true(receive_reply(&m));
	assert_int_equal(m.payload.u64, 1);
	assert_true(f.failed);
}

static void the_configuration_can_be_read(void **state)
{
	static const struct {
		uint32_t offset, size, payload, reply_size;
	} rows[] = {{0, 8, 20, 20}, {4, 4, 16, 16}, {8, 0, 12, 12}, {0, 9, 21, 0}, {8, 1, 13, 0},
		{UINT32_MAX, 2, 14, 0}, {0, 8, 12, 0}, {0, UINT32_MAX, 268, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vhost_user_config c = {.offset = rows[i].offset, .size = rows[i].size};
		struct vhost_user_message m;

		send_message(VHOST_USER_GET_CONFIG, 1, &c, rows[i].payload, NULL, 0);
		assert_true(receive_reply(&m));
		assert_int_equal(m.header.size, rows[i].reply_size);
		if (m.header.size > 12)
			assert_memory_equal(m.payload.config.bytes,
				(const uint8_t *)&front_config + rows[i].offset, rows[i].size);
	}
	assert_int_equal(f.n_ends, 0);
}

static void a_reset_is_told_from_a_pause(void **state)
{
	uint16_t base[N_QUEUES];

	(void)state;
	start_device();
	assert_works(0);
	assert_works(1);
	/* The machine is stopped and goes on. */
	for (uint32_t i = 0; i < N_QUEUES; i++)
		base[i] = (uint16_t)ask_base(i);
	for (uint32_t i = 0; i < N_QUEUES; i++) {
		send_state(VHOST_USER_SET_VRING_ENABLE, i, 0);
		start_queue(i, base[i]);
	}
	for (uint32_t i = 0; i < N_QUEUES; i++)
		send_state(VHOST_USER_SET_VRING_ENABLE, i, 1);
	assert_int_equal(f.n_restarts, 0);
	assert_works(1);
	/* The guest is reset: fresh rings. */
	for (uint32_t i = 0; i < N_QUEUES; i++) {
		(void)ask_base(i);
		send_state(VHOST_USER_SET_VRING_ENABLE, i, 0);
		driver_queue_init(&f.driver, &f.queues[i], QUEUE_SIZE, 0);
		start_queue(i, 0);
	}
	for (uint32_t i = 0; i < N_QUEUES; i++)
		send_state(VHOST_USER_SET_VRING_ENABLE, i, 1);
	assert_int_equal(f.n_restarts, 1);
	assert_works(0);
	assert_works(1);
}

static void no_memory_makes_no_backend(void **state)
{
	static const struct vhost_user_device device = {.n_queues = 1};
	struct vhost_user_backend *b;
	size_t before = count_fds();

	(void)state;
	oom_arm(1);
	assert_int_equal(vhost_user_backend_new(f.loop, dup(0), &device, &b), -ENOMEM);
	oom_disarm();
	assert_int_equal(count_fds(), before);
}

#define with(test) cmocka_unit_test_setup_teardown(test, front_setup, front_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(a_front_end_starts_the_device),
		with(a_disabled_queue_stands_still),
		with(without_protocol_features_queues_need_no_enabling),
		with(the_newest_call_descriptor_counts),
		with(work_left_over_is_done_in_the_next_round),
		with(memory_may_come_in_pieces_and_again),
		with(messages_may_come_byte_by_byte),
		with(acknowledgements_are_sent_when_agreed),
		with(the_configuration_can_be_read),
		with(a_reset_is_told_from_a_pause),
		with(no_memory_makes_no_backend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
