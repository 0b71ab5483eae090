/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "vhost_front.h"

static void bad_memory_is_refused(void **state)
{
	enum { M = DRIVER_MEM_SIZE };
	static const struct {
		const char *what;
		struct vhost_user_mem_table table;
		size_t n_fds;
		bool ok;
	} rows[] = {
		{"the whole file", {1, 0, {{0, 2 * M, UVA, 0}}}, 1, true},
		{"the last page", {1, 0, {{0, 4096, UVA, 2 * M - 4096}}}, 1, true},
		{"no regions", {0, 0, {{0}}}, 0, true},
		{"neighbours", {2, 0, {{0, M, UVA, 0}, {M, M, UVA + M, M}}}, 2, true},
		{"one page too many", {1, 0, {{0, 2 * M + 4096, UVA, 0}}}, 1, false},
		{"one page beyond", {1, 0, {{0, 4096, UVA, 2 * M}}}, 1, false},
		{"far beyond", {1, 0, {{0, 4096, UVA, UINT64_C(1) << 62}}}, 1, false},
		{"offset wraps", {1, 0, {{0, 8192, UVA, UINT64_MAX - 4095}}}, 1, false},
		{"huge", {1, 0, {{0, UINT64_MAX - 4095, 0, 0}}}, 1, false},
		{"empty", {1, 0, {{0, 0, UVA, 0}}}, 1, false},
		{"gpa wraps", {1, 0, {{UINT64_MAX - 4095, 8192, UVA, 0}}}, 1, false},
		{"uva wraps", {1, 0, {{0, 8192, UINT64_MAX - 4095, 0}}}, 1, false},
		{"gpa off a page", {1, 0, {{1, 4096, UVA, 0}}}, 1, false},
		{"size off a page", {1, 0, {{0, 4097, UVA, 0}}}, 1, false},
		{"uva off a page", {1, 0, {{0, 4096, UVA + 8, 0}}}, 1, false},
		{"offset off a page", {1, 0, {{0, 4096, UVA, 512}}}, 1, false},
		{"gpa overlaps", {2, 0, {{0, M, UVA, 0}, {M - 4096, M, UVA + 8 * M, 0}}}, 2, false},
		{"uva overlaps", {2, 0, {{0, M, UVA, 0}, {8 * M, M, UVA - 4096, 0}}}, 2, false},
		{"too few files", {2, 0, {{0, M, UVA, 0}, {M, M, UVA + M, M}}}, 1, false},
		{"too many files", {1, 0, {{0, M, UVA, 0}}}, 2, false},
		{"no files", {1, 0, {{0, M, UVA, 0}}}, 0, false},
		{"too many regions", {9, 0, {{0, M, UVA, 0}}}, 8, false},
		{"4294967295 regions", {UINT32_MAX, 0, {{0, M, UVA, 0}}}, 8, false},
	};
	const int fds[] = {
		f.mem_fd, f.mem_fd, f.mem_fd, f.mem_fd, f.mem_fd, f.mem_fd, f.mem_fd, f.mem_fd};
	size_t before = count_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		send_table(&rows[i].table, fds, rows[i].n_fds);
		if (f.failed == rows[i].ok)
			fail_msg("%s: %s", rows[i].what, f.failed ? f.err.msg : "accepted");
		assert_int_equal(f.n_ends, rows[i].ok ? 0 : 1);
		stop_backend();
		start_backend();
		assert_int_equal(count_fds(), before);
	}
}

static void only_files_are_memory(void **state)
{
	int fds[3] = {
		eventfd(0, EFD_CLOEXEC), memfd_create("ro", MFD_CLOEXEC | MFD_ALLOW_SEALING), -1};
	struct vhost_user_mem_table t = {1, 0, {{0, 4096, UVA, 0}}};
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	fds[2] = pair[0];
	assert_int_equal(ftruncate(fds[1], 4096), 0);
	assert_int_equal(fcntl(fds[1], F_ADD_SEALS, F_SEAL_WRITE), 0);
	for (size_t i = 0; i < 3; i++) {
		send_table(&t, &fds[i], 1);
		assert_true(f.failed);
		stop_backend();
		start_backend();
		close(fds[i]);
	}
	close(pair[1]);
}

/* One message each, to a device that runs; what ends the connection and what does not. */
static void bad_messages_end_the_connection(void **state)
{
	static const struct {
		const char *what;
		uint32_t request, flags, size;
		uint64_t words[5];
		size_t n_fds;
		bool ok;
	} rows[] = {
		{"unknown flags", VHOST_USER_SET_OWNER, 1 | 0xf0, 0, {0}, 0, true},
		{"an owner again", VHOST_USER_RESET_OWNER, 1, 0, {0}, 0, true},
		{"an error descriptor", VHOST_USER_SET_VRING_ERR, 1, 8, {1}, 1, true},
		{"no error descriptor", VHOST_USER_SET_VRING_ERR, 1, 8, {0x101}, 0, true},
		{"request 0", 0, 1, 0, {0}, 0, false},
		{"SET_LOG_BASE", 6, 1, 16, {0}, 0, false},
		{"SET_CONFIG", 25, 1, 16, {0}, 0, false},
		{"request 2^32 - 1", UINT32_MAX, 1, 0, {0}, 0, false},
		{"version 0", VHOST_USER_SET_OWNER, 0, 0, {0}, 0, false},
		{"version 2", VHOST_USER_SET_OWNER, 2, 0, {0}, 0, false},
		{"a reply", VHOST_USER_SET_OWNER, 5, 0, {0}, 0, false},
		{"a payload too many", VHOST_USER_SET_OWNER, 1, 8, {0}, 0, false},
		{"no payload", VHOST_USER_SET_FEATURES, 1, 0, {0}, 0, false},
		{"half a payload", VHOST_USER_SET_FEATURES, 1, 4, {0}, 0, false},
		{"a huge payload", VHOST_USER_SET_MEM_TABLE, 1, UINT32_MAX, {0}, 0, false},
		{"descriptors for nothing", VHOST_USER_SET_OWNER, 1, 0, {0}, 1, false},
		{"two kicks", VHOST_USER_SET_VRING_KICK, 1, 8, {0}, 2, false},
		{"more than can be", VHOST_USER_SET_MEM_TABLE, 1, 8, {0}, 9, false},
		{"far more than can be", VHOST_USER_SET_MEM_TABLE, 1, 8, {0}, 64, false},
		{"features not offered", VHOST_USER_SET_FEATURES, 1, 8, {1}, 0, false},
		{"all features", VHOST_USER_SET_FEATURES, 1, 8, {UINT64_MAX}, 0, false},
		{"protocol not offered", VHOST_USER_SET_PROTOCOL_FEATURES, 1, 8, {2}, 0, false},
		{"queue 2 size", VHOST_USER_SET_VRING_NUM, 1, 8, {16ULL << 32 | 2}, 0, false},
		{"queue 2 addr", VHOST_USER_SET_VRING_ADDR, 1, 40, {2}, 0, false},
		{"queue 2 base", VHOST_USER_SET_VRING_BASE, 1, 8, {2}, 0, false},
		{"queue 2^32 - 1", VHOST_USER_GET_VRING_BASE, 1, 8, {UINT32_MAX}, 0, false},
		{"queue 2 enable", VHOST_USER_SET_VRING_ENABLE, 1, 8, {2}, 0, false},
		{"queue 2 kick", VHOST_USER_SET_VRING_KICK, 1, 8, {2}, 1, false},
		{"queue 255 call", VHOST_USER_SET_VRING_CALL, 1, 8, {255}, 1, false},
		{"queue 255 error", VHOST_USER_SET_VRING_ERR, 1, 8, {255}, 1, false},
		{"size of a running queue", VHOST_USER_SET_VRING_NUM, 1, 8, {8ULL << 32}, 0, false},
		{"base of a running queue", VHOST_USER_SET_VRING_BASE, 1, 8, {8ULL << 32}, 0,
			false},
		{"rings nowhere", VHOST_USER_SET_VRING_ADDR, 1, 40, {0, 1, 2, 3}, 0, false},
		{"rings in one", VHOST_USER_SET_VRING_ADDR, 1, 40, {0, UVA + 8, UVA, UVA}, 0,
			false},
		{"logging", VHOST_USER_SET_VRING_ADDR, 1, 40, {1ULL << 32, UVA, UVA, UVA}, 0,
			false},
		{"enable 2", VHOST_USER_SET_VRING_ENABLE, 1, 8, {2ULL << 32}, 0, false},
		{"kick without", VHOST_USER_SET_VRING_KICK, 1, 8, {0}, 0, false},
		{"kick with none", VHOST_USER_SET_VRING_KICK, 1, 8, {0x100}, 0, false},
		{"call without", VHOST_USER_SET_VRING_CALL, 1, 8, {0}, 0, false},
		{"call with and without", VHOST_USER_SET_VRING_CALL, 1, 8, {0x100}, 1, false},
		{"call with odd bits", VHOST_USER_SET_VRING_CALL, 1, 8, {0x200}, 1, false},
		{"config too long", VHOST_USER_GET_CONFIG, 1, 269, {0}, 0, false},
		{"config too short", VHOST_USER_GET_CONFIG, 1, 11, {0}, 0, false},
	};
	int fds[64];
	size_t before = count_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = f.call[0];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vhost_user_header h = {rows[i].request, rows[i].flags, rows[i].size};
		uint8_t bytes[sizeof(h) + 300] = {0};
		uint32_t size = rows[i].size <= 300 ? rows[i].size : 0;

		start_device();
		memcpy(bytes, &h, sizeof(h));
		memcpy(bytes + sizeof(h), rows[i].words, sizeof(rows[i].words));
		send_raw(bytes, sizeof(h) + size, fds, rows[i].n_fds);
		run();
		if (f.failed == rows[i].ok)
			fail_msg("%s: %s", rows[i].what, f.failed ? f.err.msg : "accepted");
		assert_int_equal(f.n_ends, rows[i].ok ? 0 : 1);
		assert_true(rows[i].ok || f.err.msg[0]);
		/* The end is the end: nothing is processed any more, nothing leaks. */
		if (!rows[i].ok) {
			f.n_processed[1] = 0;
			kick(1);
			assert_int_equal(f.n_processed[1], 0);
			(void)is_called(f.kick[1]);
		}
		stop_backend();
		start_backend();
		assert_int_equal(count_fds(), before);
		f.n_restarts = 0;
		for (unsigned q = 0; q < N_QUEUES; q++)
			le16_store_relaxed(&driver_avail(&f.queues[q])->idx, 0);
	}
}

static void bad_queues_end_the_connection(void **state)
{
	static const uint32_t sizes[] = {0, 3, 17, 65536, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		send_table(&one_region, &f.mem_fd, 1);
		send_state(VHOST_USER_SET_VRING_NUM, 0, sizes[i]);
		send_addr(0);
		assert_false(f.failed);
		send_fd(VHOST_USER_SET_VRING_KICK, 0, f.kick[0]);
		assert_true(f.failed);
		stop_backend();
		start_backend();
	}
	/* Without memory, without addresses. */
	start_queue(0, 0);
	assert_true(f.failed);
	stop_backend();
	start_backend();
	send_table(&one_region, &f.mem_fd, 1);
	send_state(VHOST_USER_SET_VRING_NUM, 0, QUEUE_SIZE);
	send_fd(VHOST_USER_SET_VRING_KICK, 0, f.kick[0]);
	assert_true(f.failed);
}

static void a_kick_that_is_no_eventfd_is_an_error(void **state)
{
	int pair[2];

	(void)state;
	start_device();
	assert_int_equal(pipe(pair), 0);
	send_fd(VHOST_USER_SET_VRING_KICK, 1, pair[0]);
	assert_false(f.failed);
	close(pair[0]);
	close(pair[1]);
	run();
	assert_true(f.failed);
	stop_backend();
	start_backend();
	/* A file cannot be waited for at all. */
	start_device();
	send_fd(VHOST_USER_SET_VRING_KICK, 1, f.mem_fd);
	assert_true(f.failed);
}

static void a_broken_queue_is_reported_once(void **state)
{
	int error = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct vq *vq = vhost_user_backend_queue(f.backend, 1);

	(void)state;
	start_device();
	send_fd(VHOST_USER_SET_VRING_ERR, 1, error);
	driver_offer(&f.queues[1], QUEUE_SIZE);
	kick(1);
	assert_non_null(vq_broken(vq));
	assert_true(vhost_user_backend_report_broken(f.backend, vq));
	assert_false(vhost_user_backend_report_broken(f.backend, vq));
	assert_true(is_called(error));
	assert_false(is_called(error));
	/* The driver resets the device: in order again, and reported again if it breaks again. */
	assert_int_equal(ask_base(1), 0);
	le16_store_relaxed(&driver_avail(&f.queues[1])->idx, 0);
	start_queue(1, 0);
	assert_null(vq_broken(vq));
	assert_works(1);
	assert_true(vhost_user_backend_report_broken(f.backend, vq));
	close(error);
}

#define with(test) cmocka_unit_test_setup_teardown(test, front_setup, front_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(bad_memory_is_refused),
		with(only_files_are_memory),
		with(bad_messages_end_the_connection),
		with(bad_queues_end_the_connection),
		with(a_kick_that_is_no_eventfd_is_an_error),
		with(a_broken_queue_is_reported_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
