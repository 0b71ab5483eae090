/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/container/report.h"

static int agent_fd = -1, process_fd = -1;

static int set_up(void **state)
{
	(void)state;
	return report_open_pair(&agent_fd, &process_fd);
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(agent_fd);
	close_fd(process_fd);
	agent_fd = process_fd = -1;
	return 0;
}

static void messages_arrive_as_sent(void **state)
{
	int fds[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/", O_PATH | O_CLOEXEC)};
	struct err err = {.code = ENOENT, .status = 3, .msg = "what went wrong"};
	struct report report;

	(void)state;
	assert_int_equal(report_receive(agent_fd, &report), -EAGAIN);
	assert_int_equal(report_send(process_fd, REPORT_READY, 5, fds, 2), 0);
	report_log(process_fd, LOG_WARN, "%s %d", "number", 7);
	assert_int_equal(report_send_failure(process_fd, &err), 0);
	assert_int_equal(report_receive(agent_fd, &report), 1);
	assert_int_equal(report.type, REPORT_READY);
	assert_int_equal(report.value, 5);
	assert_int_equal(report.pid, getpid());
	assert_int_equal(report.n_fds, 2);
	assert_int_equal(fcntl(report.fds[0], F_GETFD), FD_CLOEXEC);
	report_fini(&report);
	assert_int_equal(report_receive(agent_fd, &report), 1);
	assert_int_equal(report.type, REPORT_LOG);
	assert_int_equal(report.value, LOG_WARN);
	assert_string_equal(report.text, "number 7");
	assert_int_equal(report_receive(agent_fd, &report), 1);
	assert_int_equal(report.type, REPORT_FAILURE);
	assert_int_equal(report.value, ENOENT);
	assert_int_equal(report.status, 3);
	assert_string_equal(report.text, "what went wrong");
	close_fd(fds[0]);
	close_fd(fds[1]);
}

static void the_longest_text_fits(void **state)
{
	char text[3 * ERR_MSG_SIZE];
	struct report report;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	report_log(process_fd, LOG_INFO, "%s", text);
	assert_int_equal(report_receive(agent_fd, &report), 1);
	assert_int_equal(strlen(report.text), ERR_MSG_SIZE - 1);
}

static void ends_are_noticed(void **state)
{
	struct report report;

	(void)state;
	assert_int_equal(send(agent_fd, "A", 1, 0), 1);
	assert_int_equal(report_await(process_fd, REPORT_ACK), 0);
	assert_int_equal(send(agent_fd, "A", 1, 0), 1);
	assert_int_equal(report_await(process_fd, REPORT_GO), -EBADMSG);
	close_fd(agent_fd);
	agent_fd = -1;
	assert_int_equal(report_await(process_fd, REPORT_GO), -EPIPE);
	assert_int_equal(report_send(process_fd, REPORT_HELLO, 0, NULL, 0), -EPIPE);
	tear_down(NULL);
	assert_int_equal(set_up(NULL), 0);
	close_fd(process_fd);
	process_fd = -1;
	assert_int_equal(report_receive(agent_fd, &report), 0);
}

/* Whoever sends: it is the kernel that says who it was. */
static void the_senders_pid_is_the_kernels_word(void **state)
{
	struct report report;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(report_send(process_fd, REPORT_HELLO, 0, NULL, 0) < 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(report_receive(agent_fd, &report), 1);
	/* Ended and collected by now: still its number, or none, but not ours. */
	assert_int_not_equal(report.pid, getpid());
}

static void what_no_sender_makes_is_refused(void **state)
{
	static const struct {
		uint32_t type;
		int32_t value;
		uint32_t status, text_len;
		size_t size;
	} rows[] = {
		{0, 0, 0, 0, 16},
		{6, 0, 0, 0, 16},
		{REPORT_HELLO, 0, 0, 1, 16},
		{REPORT_HELLO, 0, 0, 0, 17},
		{REPORT_HELLO, 0, 0, 0, 15},
		{REPORT_HELLO, 0, 0, 0, 1},
		{REPORT_HELLO, 0, 0, UINT32_MAX, 16},
		{REPORT_FAILURE, 0, 0, 0, 16},
		{REPORT_FAILURE, -1, 0, 0, 16},
		{REPORT_FAILURE, 1, 256, 0, 16},
		{REPORT_LOG, -1, 0, 0, 16},
		{REPORT_LOG, LOG_LEVEL_COUNT, 0, 0, 16},
		{REPORT_LOG, LOG_INFO, 0, ERR_MSG_SIZE, 16 + ERR_MSG_SIZE},
	};
	static uint8_t bytes[REPORT_SIZE + 64];
	struct report report;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memcpy(bytes, &rows[i], 16);
		if (report_decode(slice_of(bytes, rows[i].size), &report) != -EBADMSG)
			fail_msg("row %zu", i);
		assert_int_equal(send(process_fd, bytes, rows[i].size, 0), rows[i].size);
		assert_int_equal(report_receive(agent_fd, &report), -EBADMSG);
	}
	assert_int_equal(send(process_fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(report_receive(agent_fd, &report), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_arrive_as_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_longest_text_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_are_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_senders_pid_is_the_kernels_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_no_sender_makes_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
