/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/procstat.h"
#include "oom.h"
#include "runtime/undo.h"

struct fixture {
	char root[32];
	struct layout layout;
};

static int set_up(void **data)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/test_state.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	assert_int_equal(layout_init(&f->layout, f->root, "c1"), 0);
	assert_int_equal(path_mkdir(f->layout.run_dir, 0700), 0);
	*data = f;
	return 0;
}

static int tear_down(void **data)
{
	struct fixture *f = *data;

	assert_int_equal(path_remove_tree(AT_FDCWD, f->root), 0);
	free(f);
	return 0;
}

static void what_is_noted_is_read_back(void **data)
{
	struct fixture *f = *data;
	struct state *state, *read;
	struct stat st;
	char file[300];

	assert_int_equal(state_new(f->layout.run_dir, "c1", "/run/s/1", &state), 0);
	state->keep_abnormal = true;
	assert_int_equal(state_note_process(state, "shim", 42, UINT64_MAX), 0);
	assert_int_equal(state_note_process(state, "qemu", 43, 0), 0);
	assert_int_equal(state_note_mount(state, "/run/x/ro"), 0);
	assert_int_equal(state_note_mount(state, "/run/x/\"quoted\" and \\"), 0);
	assert_int_equal(state_note_file(state, "/run/x/sock"), 0);
	/* Every note is in the file already. */
	assert_int_equal(state_load(f->layout.run_dir, &read, NULL), 0);
	assert_string_equal(read->id, "c1");
	assert_string_equal(read->owner, "/run/s/1");
	assert_true(read->keep_abnormal);
	assert_int_equal(read->n_processes, 2);
	assert_string_equal(read->processes[0].role, "shim");
	assert_int_equal(read->processes[0].pid, 42);
	assert_true(read->processes[0].start_time == UINT64_MAX);
	assert_string_equal(read->processes[1].role, "qemu");
	assert_int_equal(read->mounts.n, 2);
	assert_string_equal(read->mounts.items[0], "/run/x/ro");
	assert_string_equal(read->mounts.items[1], "/run/x/\"quoted\" and \\");
	assert_int_equal(read->files.n, 1);
	assert_string_equal(read->files.items[0], "/run/x/sock");
	snprintf(file, sizeof(file), "%s/state.json", f->layout.run_dir);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	state_free(read);
	state_free(state);
}

static void the_network_is_noted_with_its_namespace(void **data)
{
	char path[] = "/run/netns/cni-1";
	struct state_network network = {
		.netns = path, .dev = 4, .ino = UINT64_MAX, .links = {2, INT32_MAX}, .n_links = 2};
	struct fixture *f = *data;
	struct state *state, *read;

	assert_int_equal(state_new(f->layout.run_dir, "c1", "/run/s/1", &state), 0);
	assert_int_equal(state_save(state), 0);
	assert_int_equal(state_load(f->layout.run_dir, &read, NULL), 0);
	assert_null(read->network.netns);
	state_free(read);
	assert_int_equal(state_note_network(state, &network), 0);
	assert_int_equal(state_load(f->layout.run_dir, &read, NULL), 0);
	assert_string_equal(read->network.netns, path);
	assert_int_equal(read->network.dev, 4);
	assert_true(read->network.ino == UINT64_MAX);
	assert_int_equal(read->network.n_links, 2);
	assert_int_equal(read->network.links[1], INT32_MAX);
	state_free(read);
	state_free(state);
}

static void a_note_that_cannot_be_written_is_not_taken(void **data)
{
	struct fixture *f = *data;
	struct state *state;

	assert_int_equal(state_new(f->layout.run_dir, "c1", "/run/s/1", &state), 0);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->layout.run_dir), 0);
	assert_int_equal(state_note_process(state, "qemu", 43, 1), -ENOENT);
	assert_int_equal(state_note_mount(state, "/run/x"), -ENOENT);
	assert_int_equal(state->n_processes, 0);
	assert_int_equal(state->mounts.n, 0);
	state_free(state);
}

#define STATE(processes, mounts, files)                                                 \
	"{\"version\":1,\"id\":\"c1\",\"owner\":\"/"                                    \
	"s\",\"keep_abnormal\":false,\"processes\":[" processes "],\"mounts\":[" mounts \
	"],\"files\":[" files "]}"
#define NETWORK(text)                                                                             \
	"{\"version\":1,\"id\":\"c1\",\"owner\":\"/s\",\"keep_abnormal\":false,\"processes\":[]," \
	"\"mounts\":[],\"files\":[],\"network\":" text "}"
#define PROCESS(pid) "{\"role\":\"qemu\",\"pid\":" pid ",\"start_time\":1}"

static void foreign_and_hostile_states_are_refused(void **data)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"", "state.json"},
		{"{", "state.json"},
		{"[]", "state.json"},
		{"{}", "version"},
		{"{\"version\":2,\"id\":\"c1\"}", "version"},
		{"{\"version\":1,\"id\":\"../c1\",\"owner\":\"/s\",\"keep_abnormal\":false}", "id"},
		{"{\"version\":1,\"id\":\"c1\",\"owner\":\"/s\",\"keep_abnormal\":0}",
			"keep_abnormal"},
		{STATE("{}", "", ""), "role"},
		{STATE(PROCESS("0"), "", ""), "pid"},
		{STATE(PROCESS("1"), "", ""), "pid"},
		{STATE(PROCESS("-1"), "", ""), "pid"},
		{STATE(PROCESS("2147483648"), "", ""), "pid"},
		{STATE(PROCESS("2.5"), "", ""), "pid"},
		{STATE("{\"role\":\"a-role-that-is-far-too-long-for-us\",\"pid\":2,\"start_time\":"
		       "1}",
			 "", ""),
			"role"},
		{STATE("", "\"relative\"", ""), "mounts[0]"},
		{STATE("", "\"/a/../etc\"", ""), "mounts[0]"},
		{STATE("", "\"/a\",\"/b/.\"", ""), "mounts[1]"},
		{STATE("", "\"\"", ""), "mounts[0]"},
		{STATE("", "\"/\"", ""), "mounts[0]"},
		{STATE("", "\"/a//b\"", ""), "mounts[0]"},
		{STATE("", "", "7"), "files[0]"},
		{STATE("", "", "") "x", "state.json"},
		{NETWORK("[]"), "network"},
		{NETWORK("{\"netns\":\"x\",\"dev\":1,\"ino\":1,\"links\":[]}"), "network.netns"},
		{NETWORK("{\"netns\":\"/x\",\"dev\":-1,\"ino\":1,\"links\":[]}"), "network.dev"},
		{NETWORK("{\"netns\":\"/x\",\"dev\":1,\"links\":[]}"), "network.ino"},
		{NETWORK("{\"netns\":\"/x\",\"dev\":1,\"ino\":1,\"links\":[0]}"),
			"network.links[0]"},
		{NETWORK("{\"netns\":\"/x\",\"dev\":1,\"ino\":1,\"links\":[2147483648]}"),
			"network.links[0]"},
	};

	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct state *state = NULL;

		assert_int_equal(state_parse(slice_of_str(rows[i].text), &state, &err), -EINVAL);
		assert_null(state);
		assert_non_null(strstr(err.msg, rows[i].part));
	}
}

static void a_state_has_no_more_processes_than_fit(void **data)
{
	auto_buf struct buf b = BUF_INIT;
	struct state *state;

	(void)data;
	for (int n = STATE_MAX_PROCESSES; n <= STATE_MAX_PROCESSES + 1; n++) {
		buf_clear(&b);
		assert_int_equal(buf_append_str(&b, "{\"version\":1,\"id\":\"c1\",\"owner\":\"/s\","
						    "\"keep_abnormal\":false,\"processes\":["),
			0);
		for (int i = 0; i < n; i++)
			assert_int_equal(
				buf_printf(&b, "%s" PROCESS("%d"), i ? "," : "", i + 2), 0);
		assert_int_equal(buf_append_str(&b, "],\"mounts\":[],\"files\":[]}"), 0);
		if (n <= STATE_MAX_PROCESSES) {
			assert_int_equal(state_parse(buf_slice(&b), &state, NULL), 0);
			assert_int_equal(state->n_processes, n);
			state_free(state);
		} else {
			assert_int_equal(state_parse(buf_slice(&b), &state, NULL), -EINVAL);
		}
	}
}

static void reading_survives_the_lack_of_memory(void **data)
{
	static const char text[] = STATE(PROCESS("7"), "\"/a\",\"/b\"",
		"\"/c\"],\"network\":{\"netns\":\"/x\",\"dev\":1,\"ino\":1,\"links\":[2]},\"x\":[");

	(void)data;
	OOM_SWEEP(n)
	{
		struct state *state = NULL;
		int r;

		oom_arm(n);
		r = state_parse(slice_of_str(text), &state, NULL);
		oom_disarm();
		if (r == 0)
			state_free(state);
		else
			assert_int_equal(r, -ENOMEM);
	}
}

static pid_t start_sleeper(uint64_t *ret_start_time)
{
	struct procstat stat;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(procstat_read(pid, &stat), 0);
	*ret_start_time = stat.start_time;
	return pid;
}

static void processes_are_killed_only_by_pid_and_start_time(void **data)
{
	struct fixture *f = *data;
	struct state state = {0};
	struct undo undo = {.layout = &f->layout, .state = &state};
	struct err err = ERR_INIT;
	uint64_t start_time;
	pid_t pid = start_sleeper(&start_time);
	int status;

	/* Another process has the pid now. */
	state.processes[0] = (struct state_process){"qemu", pid, start_time + 1};
	state.n_processes = 1;
	assert_int_equal(undo_processes(&undo, NS_PER_S, &err), 0);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);

	state.processes[0].start_time = start_time;
	assert_int_equal(undo_processes(&undo, 10 * NS_PER_S, &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	/* And once more: nothing left to do. */
	assert_int_equal(undo_processes(&undo, NS_PER_S, &err), 0);
}

/* Ends by itself with status 5, but only a while from now. */
static pid_t start_writer(uint64_t *ret_start_time)
{
	struct procstat stat;
	pid_t pid = fork();

	if (pid == 0) {
		(void)poll(NULL, 0, 300);
		_exit(5);
	}
	assert_true(pid > 0);
	assert_int_equal(procstat_read(pid, &stat), 0);
	*ret_start_time = stat.start_time;
	return pid;
}

static void loggers_may_end_by_themselves(void **data)
{
	struct fixture *f = *data;
	struct state state = {.n_processes = 2};
	struct undo undo = {.layout = &f->layout, .state = &state};
	uint64_t start_times[2];
	pid_t writer = start_writer(&start_times[0]), sleeper = start_sleeper(&start_times[1]);
	int status;

	state.processes[0] = (struct state_process){STATE_ROLE_LOGGER, writer, start_times[0]};
	state.processes[1] = (struct state_process){STATE_ROLE_LOGGER, sleeper, start_times[1]};
	assert_int_equal(undo_processes(&undo, 2 * NS_PER_S, NULL), 0);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	assert_int_equal(waitpid(sleeper, &status, 0), sleeper);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void what_has_ended_is_forgotten(void **data)
{
	struct fixture *f = *data;
	struct state *state, *read;

	assert_int_equal(state_new(f->layout.run_dir, "c1", "/o", &state), 0);
	assert_int_equal(state_note_process(state, "shim", 40, 1), 0);
	assert_int_equal(state_note_process(state, STATE_ROLE_LOGGER, 41, 2), 0);
	assert_int_equal(state_note_process(state, STATE_ROLE_LOGGER, 42, 3), 0);
	/* Another process with that pid. */
	assert_int_equal(state_forget_process(state, 41, 3), 0);
	assert_int_equal(state->n_processes, 3);
	assert_int_equal(state_forget_process(state, 41, 2), 0);
	assert_int_equal(state_load(f->layout.run_dir, &read, NULL), 0);
	assert_int_equal(read->n_processes, 2);
	assert_int_equal(read->processes[0].pid, 40);
	assert_int_equal(read->processes[1].pid, 42);
	state_free(read);
	/* There is no end of them. */
	for (int i = 0; i < STATE_MAX_PROCESSES; i++) {
		assert_int_equal(state_note_process(state, STATE_ROLE_LOGGER, 100 + i, 1), 0);
		assert_int_equal(state_forget_process(state, 100 + i, 1), 0);
	}
	state_free(state);
}

static void files_outside_the_sandbox_are_not_touched(void **data)
{
	struct fixture *f = *data;
	struct state *state;
	struct undo undo = {.layout = &f->layout};
	char outside[64], inside[300];

	snprintf(outside, sizeof(outside), "%s/outside", f->root);
	snprintf(inside, sizeof(inside), "%s/vsock.sock", f->layout.run_dir);
	assert_int_equal(io_replace_file(AT_FDCWD, outside, 0600, "x", 1), 0);
	assert_int_equal(io_replace_file(AT_FDCWD, inside, 0600, "x", 1), 0);
	assert_int_equal(state_new(f->layout.run_dir, "c1", "/run/s/1", &state), 0);
	assert_int_equal(state_note_file(state, outside), 0);
	assert_int_equal(state_note_file(state, inside), 0);
	assert_int_equal(state_note_mount(state, outside), 0);
	undo.state = state;
	assert_int_equal(undo_mounts(&undo, NULL), 0);
	assert_int_equal(undo_files(&undo, NULL), 0);
	assert_int_equal(access(outside, F_OK), 0);
	assert_int_equal(access(f->layout.run_dir, F_OK), -1);
	/* Nothing there any more: fine too. */
	assert_int_equal(undo_mounts(&undo, NULL), 0);
	assert_int_equal(undo_files(&undo, NULL), 0);
	state_free(state);
}

static void a_containers_mounts_are_forgotten(void **data)
{
	struct fixture *f = *data;
	struct state *state, *read;

	assert_int_equal(state_new(f->layout.run_dir, "c1", "/run/s/1", &state), 0);
	assert_int_equal(state_note_mount(state, "/rw/c1/rootfs"), 0);
	assert_int_equal(state_note_mount(state, "/rw/c10/rootfs"), 0);
	assert_int_equal(state_note_mount(state, "/rw/c1/vol3"), 0);
	assert_int_equal(state_note_mount(state, "/rw/c1"), 0);
	assert_int_equal(state_note_mount(state, "/x/rw/c1/vol3"), 0);
	assert_int_equal(state_forget_mounts(state, "/rw/c1"), 0);
	assert_int_equal(state_load(f->layout.run_dir, &read, NULL), 0);
	assert_int_equal(read->mounts.n, 3);
	assert_string_equal(read->mounts.items[0], "/rw/c10/rootfs");
	assert_string_equal(read->mounts.items[1], "/rw/c1");
	assert_string_equal(read->mounts.items[2], "/x/rw/c1/vol3");
	assert_int_equal(state_forget_mounts(state, "/rw/none"), 0);
	assert_int_equal(state->mounts.n, 3);
	state_free(read);
	state_free(state);
}

/* What a container leaves behind without mounts: its directories; nobody else's. */
static void one_containers_directories_are_removed(void **data)
{
	struct fixture *f = *data;
	char dir[LAYOUT_CONTAINER_SIZE], other[LAYOUT_CONTAINER_SIZE];
	char path[LAYOUT_CONTAINER_SIZE + 16];

	assert_int_equal(layout_container(&f->layout, "c2", dir), 0);
	snprintf(path, sizeof(path), "%s/vol1/x", dir);
	assert_int_equal(path_mkdir(path, 0700), 0);
	assert_int_equal(layout_container(&f->layout, "c22", other), 0);
	assert_int_equal(path_mkdir(other, 0700), 0);
	assert_int_equal(undo_container(&f->layout, "c2", NULL), 0);
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
	assert_int_equal(undo_container(&f->layout, "c2", NULL), 0);
}

static void a_layout_that_does_not_fit_is_refused(void **data)
{
	struct layout layout;
	char id[LAYOUT_PATH_SIZE];

	(void)data;
	memset(id, 'a', sizeof(id));
	id[sizeof(id) - 1] = '\0';
	assert_int_equal(layout_init(&layout, "/run", id), -ENAMETOOLONG);
	/* The longest id that base/path.h lets through. */
	id[128] = '\0';
	assert_int_equal(layout_init(&layout, "/run", id), 0);
	assert_string_equal(layout.rw_dir + strlen(layout.rw_dir) - 3, "/rw");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_noted_is_read_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_network_is_noted_with_its_namespace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_note_that_cannot_be_written_is_not_taken, set_up, tear_down),
		cmocka_unit_test(foreign_and_hostile_states_are_refused),
		cmocka_unit_test(a_state_has_no_more_processes_than_fit),
		cmocka_unit_test(reading_survives_the_lack_of_memory),
		cmocka_unit_test_setup_teardown(
			processes_are_killed_only_by_pid_and_start_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loggers_may_end_by_themselves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_has_ended_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			files_outside_the_sandbox_are_not_touched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_containers_mounts_are_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_containers_directories_are_removed, set_up, tear_down),
		cmocka_unit_test(a_layout_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
