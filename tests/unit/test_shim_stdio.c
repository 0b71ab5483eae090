/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks whose output goes to a file or to a logger. Loggers are shells here. */
#include "shim_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "loop_until.h"
#include "wire/status.h"

/* Makes f->output a URI that runs the script; $1 is the fixture's directory. */
static void log_by(struct fixture *f, const char *script)
{
	char *p = f->output + snprintf(f->output, sizeof(f->output), "binary:///bin/sh?-c=");

	for (; *script; script++)
		p += snprintf(p, 4, "%%%02x", (unsigned char)*script);
	snprintf(p, sizeof(f->output) - (size_t)(p - f->output), "&sh=%s", f->dir);
}

static void read_text(const char *dir, const char *name, struct buf *b)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	buf_clear(b);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, b), 0);
}

static void assert_log(struct fixture *f, const char *text)
{
	auto_buf struct buf b = BUF_INIT;

	read_text(f->dir, "log", &b);
	assert_string_equal(buf_str(&b), text);
}

static bool is_log(struct fixture *f, const char *text)
{
	auto_buf struct buf b = BUF_INIT;

	read_text(f->dir, "log", &b);
	return strcmp(buf_str(&b), text) == 0;
}

static bool is_logger_noted(struct fixture *f)
{
	auto_buf struct buf b = BUF_INIT;

	read_text(f->run_root, "kata/c1/state.json", &b);
	assert_non_null(strstr(buf_str(&b), "\"shim\""));
	return strstr(buf_str(&b), "\"logger\"") != NULL;
}

static void output_is_appended_to_a_file(void **data)
{
	struct fixture *f = *data;
	char e1[] = "e1";

	script(f, "speaks");
	write_file(f->dir, "log", "old\n");
	snprintf(f->output, sizeof(f->output), "file://%s/log", f->dir);
	assert_int_equal(create(f).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	assert_int_equal(kill_task(f, e1, SIGKILL).status, 0);
	run_until_event(f, "/tasks/exit c1");
	assert_int_equal(delete_task(f, e1).status, 0);
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	assert_int_equal(delete_task(f, NULL).status, 0);
	assert_log(f, "old\nhello\nhello\n");
}

static void a_full_disk_does_not_hold_a_container(void **data)
{
	struct fixture *f = *data;
	struct answer wait;

	script(f, "speaks ends");
	snprintf(f->output, sizeof(f->output), "file:///dev/full");
	assert_int_equal(create(f).status, 0);
	begin_wait(f, &wait, NULL);
	assert_int_equal(start(f, NULL).status, 0);
	run_until(f, &wait.has_come);
	assert_int_equal(wait.exit_status, 7);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void a_logger_has_written_when_delete_is_answered(void **data)
{
	struct fixture *f = *data;
	struct answer wait;

	script(f, "speaks");
	/* Still at work when the container has long ended. */
	log_by(f, "exec 5>&-; cat <&3 >$1/log; sleep 0.5; echo $CONTAINER_ID end >>$1/log");
	assert_int_equal(create(f).status, 0);
	assert_false(is_logger_noted(f));
	begin_wait(f, &wait, NULL);
	assert_int_equal(start(f, NULL).status, 0);
	assert_true(is_logger_noted(f));
	assert_int_equal(kill_task(f, NULL, SIGKILL).status, 0);
	run_until(f, &wait.has_come);
	/* The exit was not held back by it. */
	assert_true(is_logger_noted(f));
	assert_int_equal(delete_task(f, NULL).status, 0);
	assert_log(f, "hello\nc1 end\n");
}

static void the_logger_of_an_exec_goes_with_it(void **data)
{
	struct fixture *f = *data;
	char e1[] = "e1";

	script(f, "speaks");
	assert_int_equal(create(f).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	log_by(f, "exec 5>&-; cat <&3 >$1/log; sleep 0.5; echo end >>$1/log");
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	assert_true(is_logger_noted(f));
	assert_int_equal(kill_task(f, e1, SIGKILL).status, 0);
	run_until_event(f, "/tasks/exit c1");
	assert_int_equal(delete_task(f, e1).status, 0);
	assert_log(f, "hello\nend\n");
	assert_false(is_logger_noted(f));
	assert_int_equal(delete_task(f, e1).status, WIRE_NOT_FOUND);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

static void a_container_takes_its_execs_loggers_along(void **data)
{
	struct fixture *f = *data;
	char e1[] = "e1", e2[] = "e2";

	script(f, "speaks");
	write_file(f->dir, "log", "");
	log_by(f, "exec 5>&-; cat <&3 >>$1/log");
	assert_int_equal(create(f).status, 0);
	assert_int_equal(start(f, NULL).status, 0);
	assert_int_equal(exec(f, e1).status, 0);
	assert_int_equal(start(f, e1).status, 0);
	/* Its logger has not been started. */
	assert_int_equal(exec(f, e2).status, 0);
	/* The guest has been asked for its output, and it has come here. */
	loop_until(f->shim.loop, is_log(f, "hello\nhello\n"));
	assert_int_equal(delete_task(f, NULL).status, 0);
	assert_log(f, "hello\nhello\n");
}

static void a_logger_that_does_not_start_fails_the_start(void **data)
{
	struct fixture *f = *data;
	char path[64];
	struct answer a;

	snprintf(f->output, sizeof(f->output), "binary:///nonexistent/logger");
	a = create(f);
	assert_int_equal(a.status, WIRE_NOT_FOUND);
	assert_non_null(strstr(a.msg, "/nonexistent/logger"));
	snprintf(path, sizeof(path), "%s/logger", f->dir);
	write_file(f->dir, "logger", "#!/nonexistent/interpreter\n");
	assert_int_equal(chmod(path, 0700), 0);
	snprintf(f->output, sizeof(f->output), "binary://%s", path);
	assert_int_equal(create(f).status, 0);
	a = start(f, NULL);
	assert_int_not_equal(a.status, 0);
	assert_non_null(strstr(a.msg, "logger"));
	assert_int_equal(start(f, NULL).status, WIRE_FAILED_PRECONDITION);
	assert_int_equal(delete_task(f, NULL).status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		shim_test(output_is_appended_to_a_file),
		shim_test(a_full_disk_does_not_hold_a_container),
		shim_test(a_logger_has_written_when_delete_is_answered),
		shim_test(the_logger_of_an_exec_goes_with_it),
		shim_test(a_container_takes_its_execs_loggers_along),
		shim_test(a_logger_that_does_not_start_fails_the_start),
	};
	int status = fixture_main(argc, argv);

	return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
