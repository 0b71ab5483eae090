/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU driver's life cycle, with stand-ins for the programs (fake_qemu.h). */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"
#include "fake_qemu.h"
#include "hypervisor/hypervisor.h"
#include "loop_until.h"

enum { PROCESSES_MAX = 8, WAIT_S = 5 };

struct noted {
	const char *role;
	pid_t pid;
};

struct fixture {
	char dir[64], run_dir[96], share_dir[96];
	struct loop *loop;
	struct config config;
	struct hypervisor_vm vm;
	struct hypervisor *hv;
	struct noted processes[PROCESSES_MAX];
	size_t n_processes, n_paths;
	int fail_note_at; /* this call of note_* fails; 0: none */
	bool started, stopped, exited;
	struct err start_err, exit_err;
};

/* ---- What the driver calls ---- */

static int note(struct fixture *f)
{
	return f->fail_note_at == (int)(f->n_processes + f->n_paths) ? -ENOSPC : 0;
}

static int note_process(void *data, const char *role, pid_t pid, uint64_t start_time)
{
	struct fixture *f = data;
	char path[64];
	char exe[256] = "";

	assert_true(start_time > 0 && f->n_processes < PROCESSES_MAX);
	/* It may not run yet: it still is a fork of this program. */
	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, exe, sizeof(exe) - 1) > 0);
	close(fd);
	assert_non_null(strstr(exe, "test_hypervisor"));
	f->processes[f->n_processes++] = (struct noted){role, pid};
	return note(f);
}

static int note_path(void *data, const char *path)
{
	struct fixture *f = data;

	/* Nothing is there before it is noted. */
	assert_int_equal(access(path, F_OK), -1);
	assert_ptr_equal(strstr(path, f->run_dir), path);
	f->n_paths++;
	return note(f);
}

static void on_started(void *data, const struct err *err)
{
	struct fixture *f = data;

	assert_false(f->started);
	f->started = true;
	if (err)
		f->start_err = *err;
}

static void on_stopped(void *data, const struct err *err)
{
	struct fixture *f = data;

	assert_null(err);
	assert_false(f->stopped);
	f->stopped = true;
}

static void on_exit_vm(void *data, const struct err *why)
{
	struct fixture *f = data;

	assert_false(f->exited);
	f->exited = true;
	f->exit_err = *why;
}

/* ---- The fixture ---- */

static char self_exe[] = "/proc/self/exe";

static void set_up(struct fixture *f, const char *qemu_word, const char *share_word)
{
	*f = (struct fixture){.dir = "/tmp/test_hypervisor.XXXXXX"};
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->run_dir, sizeof(f->run_dir), "%s/run", f->dir);
	(void)snprintf(f->share_dir, sizeof(f->share_dir), "%s/%s", f->dir, share_word);
	assert_int_equal(mkdir(f->run_dir, 0700), 0);
	assert_int_equal(loop_new(&f->loop), 0);
	f->config.hypervisor = (struct config_hypervisor){.path = self_exe,
		.kernel = self_exe,
		.initrd = self_exe,
		.kernel_params = strdup(qemu_word),
		.machine_type = strdup("q35"),
		.virtio_fs_daemon = self_exe,
		.virtio_fs_cache = strdup("auto"),
		.entropy_source = self_exe,
		.default_vcpus = 1.5,
		.default_memory_mib = 64,
		.virtio_fs_queue_size = 64};
	f->config.agent = (struct config_agent){.server_port = 1024, .log_port = 1025};
	f->config.runtime.hypervisor_name = strdup("qemu");
	f->vm = (struct hypervisor_vm){.id = "pod-1",
		.config = &f->config,
		.run_dir = f->run_dir,
		.share_dir = f->share_dir,
		.journal = {note_process, note_path, f}};
}

static int start(struct fixture *f, int64_t timeout_ns, struct err *err)
{
	assert_int_equal(hypervisor_new(f->loop, &f->vm, on_exit_vm, f, &f->hv, err), 0);
	return hypervisor_start(f->hv, clock_now_ns() + timeout_ns, on_started, f, err);
}

static void start_well(struct fixture *f)
{
	struct err err = ERR_INIT;

	assert_int_equal(start(f, WAIT_S * NS_PER_S, &err), 0);
	loop_until(f->loop, f->started);
	if (f->start_err.code)
		fail_msg("%s", f->start_err.msg);
}

static void expect_nothing_left(struct fixture *f)
{
	DIR *dir = opendir(f->run_dir);
	struct dirent *e;

	for (size_t i = 0; i < f->n_processes; i++)
		assert_int_equal(kill(f->processes[i].pid, 0), -1);
	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			fail_msg("%s is left", e->d_name);
	closedir(dir);
}

static void stop(struct fixture *f, int64_t grace_ns)
{
	hypervisor_stop(f->hv, grace_ns, on_stopped, f);
	assert_false(f->stopped); /* answered from the loop only */
	loop_until(f->loop, f->stopped);
}

static void tear_down(struct fixture *f)
{
	hypervisor_free(f->hv);
	expect_nothing_left(f);
	loop_free(f->loop);
	free(f->config.hypervisor.kernel_params);
	free(f->config.hypervisor.machine_type);
	free(f->config.hypervisor.virtio_fs_cache);
	free(f->config.runtime.hypervisor_name);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->dir), 0);
}

static pid_t pid_of(const struct fixture *f, const char *role)
{
	for (size_t i = 0; i < f->n_processes; i++)
		if (strcmp(f->processes[i].role, role) == 0)
			return f->processes[i].pid;
	return 0;
}

/* ---- Tests ---- */

static void a_vm_starts_and_stops(void **state)
{
	char address[HYPERVISOR_ADDRESS_SIZE], want[HYPERVISOR_ADDRESS_SIZE];
	struct fixture f;

	(void)state;
	set_up(&f, "good", "share");
	start_well(&f);
	assert_int_equal(hypervisor_pid(f.hv), pid_of(&f, "qemu"));
	assert_true(pid_of(&f, "virtiofsd") > 0);
	if (pid_of(&f, "vsockd") > 0) {
		(void)snprintf(want, sizeof(want), "hvsock://%s/vsock.sock:1024", f.run_dir);
		assert_string_equal(hypervisor_agent_address(f.hv), want);
		(void)snprintf(want, sizeof(want), "hvsock://%s/vsock.sock:1025", f.run_dir);
	} else {
		(void)snprintf(want, sizeof(want), "%.*s1025",
			(int)strlen(hypervisor_agent_address(f.hv)) - 4,
			hypervisor_agent_address(f.hv));
	}
	assert_int_equal(hypervisor_port_address(f.hv, 1025, address), 0);
	assert_string_equal(address, want);
	stop(&f, WAIT_S * NS_PER_S);
	assert_false(f.exited);
	assert_string_equal(hypervisor_console_tail(f.hv), "first words");
	expect_nothing_left(&f);
	tear_down(&f);
}

static void whoever_is_killed_is_named(void **state)
{
	static const char *const roles[] = {"qemu", "virtiofsd", "vsockd"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		char want[64];
		struct fixture f;

		set_up(&f, "good", "share");
		start_well(&f);
		if (pid_of(&f, roles[i]) > 0) {
			assert_int_equal(kill(pid_of(&f, roles[i]), SIGKILL), 0);
			loop_until(f.loop, f.exited);
			(void)snprintf(want, sizeof(want), "%s was killed by signal 9", roles[i]);
			assert_ptr_equal(strstr(f.exit_err.msg, want), f.exit_err.msg);
			assert_non_null(strstr(f.exit_err.msg, "first words"));
			stop(&f, 0);
			expect_nothing_left(&f);
		}
		tear_down(&f);
	}
}

/* When QEMU dies its daemons leave by themselves, and the order in which they are reaped is open.
 */
static void a_daemon_that_follows_qemu_is_not_blamed(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++) {
		struct fixture f;

		set_up(&f, "good", "share");
		start_well(&f);
		assert_int_equal(kill(pid_of(&f, "qemu"), SIGKILL), 0);
		/* Every second time all that follows from it happens before the loop looks. */
		if (i % 2 == 0)
			assert_int_equal(waitid(P_PID, (id_t)pid_of(&f, "virtiofsd"),
						 &(siginfo_t){0}, WEXITED | WNOWAIT),
				0);
		loop_until(f.loop, f.exited);
		assert_ptr_equal(strstr(f.exit_err.msg, "qemu was killed"), f.exit_err.msg);
		tear_down(&f);
	}
}

static void a_daemon_that_leaves_alone_is_blamed(void **state)
{
	struct fixture f;
	struct err err = ERR_INIT;

	(void)state;
	set_up(&f, "good", "leave");
	assert_int_equal(start(&f, WAIT_S * NS_PER_S, &err), 0);
	/* Depending on who is quicker, the VM has come up before. */
	while (!f.exited && !(f.started && f.start_err.code))
		assert_int_equal(loop_run_once(f.loop, WAIT_S * NS_PER_S), 0);
	assert_non_null(strstr(
		f.exited ? f.exit_err.msg : f.start_err.msg, "virtiofsd exited with status 0"));
	tear_down(&f);
}

static void the_guests_end_is_told(void **state)
{
	static const struct {
		const char *word, *message;
	} rows[] = {
		{"panic", "guest panicked (the console's last line: [ 1.0] Kernel panic - not "
			  "syncing: sysrq triggered crash)"},
		{"poweroff", "the guest has powered itself off (the console's last line: first "
			     "words)"},
		{"stopped",
			"qemu has stopped the guest after an internal error (the console's last "
			"line: first words)"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;

		set_up(&f, rows[i].word, "share");
		start_well(&f);
		loop_until(f.loop, f.exited);
		assert_string_equal(f.exit_err.msg, rows[i].message);
		stop(&f, NS_PER_S);
		expect_nothing_left(&f);
		tear_down(&f);
	}
}

static void a_start_that_fails_says_why(void **state)
{
	static const struct {
		const char *qemu, *share, *message;
	} rows[] = {
		{"refuse", "share", "qemu exited with status 1: qemu: could not load kernel"},
		{"good", "refuse", "virtiofsd exited with status 1: virtiofsd: no such directory"},
		{"paused", "share", "its status is paused"},
		{"garbage", "share", "QMP: message"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct fixture f;

		set_up(&f, rows[i].qemu, rows[i].share);
		/* QEMU needs its share before it runs a guest; the stand-in does not wait for it.
		 */
		assert_int_equal(start(&f, WAIT_S * NS_PER_S, &err), 0);
		while (!f.exited && !(f.started && f.start_err.code))
			assert_int_equal(loop_run_once(f.loop, WAIT_S * NS_PER_S), 0);
		if (!strstr(f.exited ? f.exit_err.msg : f.start_err.msg, rows[i].message))
			fail_msg("row %zu: %s", i, f.exited ? f.exit_err.msg : f.start_err.msg);
		if (!f.exited)
			expect_nothing_left(&f);
		tear_down(&f);
	}
}

static void a_broken_protocol_ends_a_running_vm(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "garbage-later", "share");
	start_well(&f);
	loop_until(f.loop, f.exited);
	assert_ptr_equal(strstr(f.exit_err.msg, "QMP: message"), f.exit_err.msg);
	tear_down(&f);
}

static void the_deadline_ends_a_start(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f, "silent", "share");
	assert_int_equal(start(&f, NS_PER_S / 4, &err), 0);
	loop_until(f.loop, f.started);
	assert_int_equal(f.start_err.code, ETIMEDOUT);
	assert_string_equal(f.start_err.msg,
		"qemu did not start in time (the console's last line: first words)");
	expect_nothing_left(&f);
	tear_down(&f);
}

static void a_vm_that_does_not_quit_is_killed(void **state)
{
	struct fixture f;
	int64_t begin_ns;

	(void)state;
	set_up(&f, "stuck", "share");
	start_well(&f);
	begin_ns = clock_now_ns();
	stop(&f, NS_PER_S / 10);
	assert_true(clock_now_ns() - begin_ns >= NS_PER_S / 10);
	expect_nothing_left(&f);
	tear_down(&f);
}

static void a_start_may_be_given_up(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f, "silent", "share");
	assert_int_equal(start(&f, WAIT_S * NS_PER_S, &err), 0);
	stop(&f, WAIT_S * NS_PER_S);
	assert_false(f.started);
	assert_false(f.exited);
	expect_nothing_left(&f);
	tear_down(&f);
}

static void a_vm_that_never_ran_stops_and_frees(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f, "good", "share");
	assert_int_equal(hypervisor_new(f.loop, &f.vm, on_exit_vm, &f, &f.hv, &err), 0);
	assert_int_equal(
		hypervisor_port_address(f.hv, 1, (char[HYPERVISOR_ADDRESS_SIZE]){0}), -ENOTCONN);
	stop(&f, 0);
	tear_down(&f);
	hypervisor_free(NULL);
}

static void freeing_ends_a_running_vm(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "good", "share");
	start_well(&f);
	tear_down(&f);
	assert_false(f.exited);
}

static void a_journal_that_cannot_be_written_stops_the_start(void **state)
{
	int n_notes;
	struct fixture f;

	(void)state;
	set_up(&f, "good", "share");
	start_well(&f);
	n_notes = (int)(f.n_processes + f.n_paths);
	tear_down(&f);
	for (int i = 1; i <= n_notes; i++) {
		struct err err = ERR_INIT;

		set_up(&f, "good", "share");
		f.fail_note_at = i;
		assert_int_equal(start(&f, WAIT_S * NS_PER_S, &err), -ENOSPC);
		assert_non_null(strstr(err.msg, "No space left"));
		expect_nothing_left(&f);
		tear_down(&f);
	}
}

static void missing_files_are_named_by_their_key(void **state)
{
	static const struct {
		size_t offset;
		const char *key;
	} rows[] = {
		{offsetof(struct config_hypervisor, path), "path"},
		{offsetof(struct config_hypervisor, kernel), "kernel"},
		{offsetof(struct config_hypervisor, initrd), "initrd"},
		{offsetof(struct config_hypervisor, virtio_fs_daemon), "virtio_fs_daemon"},
	};
	static char missing[] = "/nonexistent/x", folder[] = "/usr", empty[] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *values[] = {missing, folder, empty, NULL};
		const char *wants[] = {"/nonexistent/x: No such file or directory",
			"/usr: not a file", "not set", "not set"};

		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			struct err err = ERR_INIT;
			char want[128];
			struct fixture f;

			set_up(&f, "good", "share");
			*(char **)(void *)((char *)&f.config.hypervisor + rows[i].offset) =
				values[j];
			assert_true(start(&f, NS_PER_S, &err) < 0);
			(void)snprintf(want, sizeof(want), "hypervisor.qemu.%s: %s", rows[i].key,
				wants[j]);
			assert_string_equal(err.msg, want);
			assert_int_equal(f.n_processes + f.n_paths, 0);
			tear_down(&f);
		}
	}
}

static void a_program_that_cannot_run_is_named(void **state)
{
	struct err err = ERR_INIT;
	char path[128], want[256];
	struct fixture f;
	int fd;

	(void)state;
	set_up(&f, "good", "share");
	(void)snprintf(path, sizeof(path), "%s/qemu", f.dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	close(fd);
	f.config.hypervisor.path = path;
	assert_int_equal(start(&f, WAIT_S * NS_PER_S, &err), 0);
	loop_until(f.loop, f.started);
	(void)snprintf(want, sizeof(want), "start qemu (%s): Exec format error", path);
	assert_string_equal(f.start_err.msg, want);
	expect_nothing_left(&f);
	tear_down(&f);
}

static void other_hypervisors_are_refused_by_name(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f, "good", "share");
	free(f.config.runtime.hypervisor_name);
	f.config.runtime.hypervisor_name = strdup("clh");
	assert_int_equal(hypervisor_new(f.loop, &f.vm, on_exit_vm, &f, &f.hv, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg, "hypervisor clh is not supported yet");
	tear_down(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_starts_and_stops),
		cmocka_unit_test(whoever_is_killed_is_named),
		cmocka_unit_test(a_daemon_that_follows_qemu_is_not_blamed),
		cmocka_unit_test(a_daemon_that_leaves_alone_is_blamed),
		cmocka_unit_test(the_guests_end_is_told),
		cmocka_unit_test(a_start_that_fails_says_why),
		cmocka_unit_test(a_broken_protocol_ends_a_running_vm),
		cmocka_unit_test(the_deadline_ends_a_start),
		cmocka_unit_test(a_vm_that_does_not_quit_is_killed),
		cmocka_unit_test(a_start_may_be_given_up),
		cmocka_unit_test(a_vm_that_never_ran_stops_and_frees),
		cmocka_unit_test(freeing_ends_a_running_vm),
		cmocka_unit_test(a_journal_that_cannot_be_written_stops_the_start),
		cmocka_unit_test(missing_files_are_named_by_their_key),
		cmocka_unit_test(a_program_that_cannot_run_is_named),
		cmocka_unit_test(other_hypervisors_are_refused_by_name),
	};
	int status = fake_qemu_main(argc, argv);

	if (status >= 0)
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
