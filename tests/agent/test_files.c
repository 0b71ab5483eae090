/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about files of the guest. What CopyFile does with them: unit/test_copy_file. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "csi.pb-c.h"
#include "fixture.h"

enum { CHUNK = 1 << 20, LONG_PATH = 4 * PATH_SIZE };

static const char *share(const struct fixture *f, const char *path)
{
	static char text[LONG_PATH];

	snprintf(text, sizeof(text), "%s/shared/containers/%s", f->run_dir, path);
	return text;
}

static void expect_content(const char *path, const struct buf *want)
{
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, path, 8 * CHUNK, &b), 0);
	assert_int_equal(buf_len(&b), buf_len(want));
	assert_memory_equal(buf_str(&b), buf_str(want), buf_len(want));
}

static void fill_copy(Grpc__CopyFileRequest *request, char *path, uint32_t mode)
{
	grpc__copy_file_request__init(request);
	request->path = path;
	request->has_file_mode = request->has_dir_mode = request->has_file_size = 1;
	request->has_offset = request->has_data = 1;
	request->file_mode = mode;
	request->dir_mode = 0755;
}

/* As hosts send it, and without waiting for answers in between. */
static void a_large_file_comes_in_chunks(void **state)
{
	struct fixture *f = *state;
	Grpc__CopyFileRequest request;
	struct reply replies[4];
	char path[LONG_PATH];
	auto_buf struct buf data = BUF_INIT;
	const size_t size = 3 * CHUNK + 5;

	snprintf(path, sizeof(path), "%s", share(f, "c1/data.bin"));
	assert_non_null(buf_reserve(&data, size));
	for (size_t i = 0; i < size; i++)
		data.data[i] = (uint8_t)(i * 31 >> 7);
	buf_commit(&data, size);
	fill_copy(&request, path, S_IFREG | 0640);
	request.file_size = (int64_t)size;
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		request.offset = (int64_t)i * CHUNK;
		request.data.data = data.data + i * CHUNK;
		request.data.len = i < 3 ? CHUNK : 5;
		call_start(f, "CopyFile", &request.base, NULL, &replies[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		call_wait(f, &replies[i]);
		assert_false(err_is_set(&replies[i].err));
	}
	expect_content(path, &data);
}

static void paths_outside_are_refused_and_nothing_is_made(void **state)
{
	struct fixture *f = *state;
	char outside[LONG_PATH], dotdot[LONG_PATH], prefix[LONG_PATH], link[LONG_PATH],
		through[LONG_PATH], target[LONG_PATH];
	char *const paths[] = {outside, dotdot, prefix};
	Grpc__CopyFileRequest request;

	snprintf(outside, sizeof(outside), "%s/outside", f->dir);
	snprintf(dotdot, sizeof(dotdot), "%s", share(f, "../../../outside"));
	snprintf(prefix, sizeof(prefix), "%s/shared/containers-outside", f->run_dir);
	snprintf(link, sizeof(link), "%s", share(f, "link"));
	snprintf(through, sizeof(through), "%s", share(f, "link/outside"));
	snprintf(target, sizeof(target), "%s", f->dir);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		fill_copy(&request, paths[i], S_IFREG | 0644);
		assert_int_equal(call(f, "CopyFile", &request.base, NULL), WIRE_INVALID_ARGUMENT);
		assert_int_not_equal(access(paths[i], F_OK), 0);
	}
	fill_copy(&request, NULL, S_IFREG | 0644);
	assert_int_equal(call(f, "CopyFile", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	/* A link that the host sends leads out; the file behind it does not get there. */
	fill_copy(&request, link, S_IFLNK | 0777);
	request.data = (ProtobufCBinaryData){.data = (uint8_t *)target, .len = strlen(target)};
	assert_int_equal(call(f, "CopyFile", &request.base, NULL), 0);
	fill_copy(&request, through, S_IFREG | 0644);
	assert_int_equal(call(f, "CopyFile", &request.base, NULL), WIRE_INTERNAL);
	assert_int_not_equal(access(outside, F_OK), 0);
}

static void a_volume_tells_its_size_and_files(void **state)
{
	struct fixture *f = *state;
	Grpc__VolumeStatsRequest request = GRPC__VOLUME_STATS_REQUEST__INIT;
	const Grpc__VolumeStatsResponse *response;
	char path[LONG_PATH];
	struct reply reply;
	struct stat st;

	/* The agent has this mount namespace too. */
	snprintf(path, sizeof(path), "%s/volume", f->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mount("none", path, "tmpfs", 0, "size=1m,nr_inodes=100"), 0);
	request.volume_guest_path = path;
	call_start(f, "GetVolumeStats", &request.base, &grpc__volume_stats_response__descriptor,
		&reply);
	call_wait(f, &reply);
	assert_int_equal(umount(path), 0);
	assert_false(err_is_set(&reply.err));
	response = (const Grpc__VolumeStatsResponse *)reply.message;
	assert_int_equal(response->n_usage, 2);
	assert_int_equal(response->usage[0]->unit, GRPC__VOLUME_USAGE__UNIT__BYTES);
	assert_int_equal(response->usage[0]->total, 1 << 20);
	assert_int_equal(response->usage[0]->available, 1 << 20);
	assert_int_equal(response->usage[0]->used, 0);
	assert_int_equal(response->usage[1]->unit, GRPC__VOLUME_USAGE__UNIT__INODES);
	assert_int_equal(response->usage[1]->total, 100);
	assert_int_equal(response->usage[1]->used, 1);
	assert_false(response->volume_condition->abnormal);
	assert_string_equal(response->volume_condition->message, "OK");
	reply_fini(&reply);
	/* Whose opening would wait. */
	snprintf(path, sizeof(path), "%s/fifo", f->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(call(f, "GetVolumeStats", &request.base, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
}

static void a_volume_that_is_none_is_an_error(void **state)
{
	static char relative[] = "tmp", missing[] = "/nonexistent/volume",
		    magic[] = "/proc/self/root/tmp";
	Grpc__VolumeStatsRequest request = GRPC__VOLUME_STATS_REQUEST__INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	assert_int_equal(call(f, "GetVolumeStats", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	request.volume_guest_path = relative;
	assert_int_equal(call(f, "GetVolumeStats", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	request.volume_guest_path = missing;
	assert_int_equal(call(f, "GetVolumeStats", &request.base, &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, missing));
	request.volume_guest_path = magic;
	assert_int_equal(call(f, "GetVolumeStats", &request.base, NULL), WIRE_INTERNAL);
}

static char destination[] = "/dev/termination-log";

struct log_mount {
	char *source; /* NULL: no mount */
	bool has_annotation;
};

static void add_log_mount(Grpc__CreateContainerRequest *request, void *data)
{
	static char key[] = "io.kubernetes.container.terminationMessagePath", bind[] = "bind";
	static Grpc__Spec__AnnotationsEntry entry, *entries[] = {&entry};
	static Grpc__Mount log, *mounts[4];
	static char *options[] = {bind};
	const struct log_mount *m = data;

	grpc__spec__annotations_entry__init(&entry);
	entry.key = key;
	entry.value = destination;
	request->oci->annotations = entries;
	request->oci->n_annotations = m->has_annotation;
	if (!m->source)
		return;
	grpc__mount__init(&log);
	log.destination = destination;
	log.type = bind;
	log.source = m->source;
	log.options = options;
	log.n_options = 1;
	memcpy(mounts, request->oci->mounts, 2 * sizeof(*mounts));
	mounts[2] = &log;
	request->oci->mounts = mounts;
	request->oci->n_mounts = 3;
}

static int diagnose(struct fixture *f, char *id, struct buf *ret)
{
	static char type[] = "termination_log";
	Grpc__GetDiagnosticDataRequest request = GRPC__GET_DIAGNOSTIC_DATA_REQUEST__INIT;
	struct reply reply;
	int status;

	request.container_id = id;
	request.log_type = type;
	call_start(f, "GetDiagnosticData", &request.base,
		&grpc__get_diagnostic_data_response__descriptor, &reply);
	call_wait(f, &reply);
	buf_clear(ret);
	if (reply.message)
		assert_int_equal(buf_append_str(ret,
					 ((Grpc__GetDiagnosticDataResponse *)reply.message)->data),
			0);
	status = err_is_set(&reply.err) ? (int)wire_status_of(&reply.err) : 0;
	reply_fini(&reply);
	return status;
}

static void write_log(const char *path, const void *bytes, size_t len)
{
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0644, bytes, len), 0);
}

static void a_container_leaves_a_last_message(void **state)
{
	static char id[] = "c1", long_text[5000];
	struct fixture *f = *state;
	char source[LONG_PATH];
	struct log_mount log = {.source = source, .has_annotation = true};
	struct container_options o = {.id = id,
		.script = "printf 'gone\\377\\n' >/dev/termination-log; exec sleep 1000",
		.amend = add_log_mount,
		.data = &log};
	auto_buf struct buf text = BUF_INIT;

	snprintf(source, sizeof(source), "%s/log", f->dir);
	write_log(source, "", 0);
	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(diagnose(f, id, &text), 0);
	assert_string_equal(buf_str(&text), "");
	assert_int_equal(start_container(f, id), 0);
	while (diagnose(f, id, &text) == 0 && buf_len(&text) == 0)
		;
	assert_string_equal(buf_str(&text), "gone\xef\xbf\xbd\n");
	memset(long_text, 0xff, sizeof(long_text));
	write_log(source, long_text, sizeof(long_text));
	assert_int_equal(diagnose(f, id, &text), 0);
	assert_int_equal(buf_len(&text), 3 * 4096);
	write_log(source, "a\0b", 3);
	assert_int_equal(diagnose(f, id, &text), 0);
	assert_string_equal(buf_str(&text), "a\xef\xbf\xbd"
					    "b");
	assert_int_equal(unlink(source), 0);
	assert_int_equal(diagnose(f, id, &text), 0);
	assert_string_equal(buf_str(&text), "");
}

static void a_message_is_not_read_from_elsewhere(void **state)
{
	static char id[] = "c1";
	struct fixture *f = *state;
	char sub[LONG_PATH], source[LONG_PATH], secret[LONG_PATH];
	struct log_mount log = {.source = source, .has_annotation = true};
	struct container_options o = {
		.id = id, .script = "exit", .amend = add_log_mount, .data = &log};
	auto_buf struct buf text = BUF_INIT;

	snprintf(sub, sizeof(sub), "%s/sub", f->dir);
	snprintf(source, sizeof(source), "%s/sub/log", f->dir);
	snprintf(secret, sizeof(secret), "%s/log", f->dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	write_log(source, "x", 1);
	/* Of the agent itself, by now. */
	assert_int_equal(access(secret, F_OK), 0);
	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(diagnose(f, id, &text), 0);
	assert_string_equal(buf_str(&text), "x");
	assert_int_equal(unlink(source), 0);
	assert_int_equal(symlink(secret, source), 0);
	assert_int_equal(diagnose(f, id, &text), WIRE_INTERNAL);
	assert_int_equal(unlink(source), 0);
	assert_int_equal(rmdir(sub), 0);
	assert_int_equal(symlink(".", sub), 0);
	assert_int_equal(diagnose(f, id, &text), WIRE_INTERNAL);
	assert_int_equal(unlink(sub), 0);
	assert_int_equal(mkdir(sub, 0755), 0);
	assert_int_equal(mkfifo(source, 0644), 0);
	assert_int_equal(diagnose(f, id, &text), WIRE_INTERNAL);
}

static void a_message_needs_a_container_an_annotation_and_a_mount(void **state)
{
	static char type[] = "nonsense", a[] = "c-a", b[] = "c-b", none[] = "none";
	Grpc__GetDiagnosticDataRequest request = GRPC__GET_DIAGNOSTIC_DATA_REQUEST__INIT;
	struct fixture *f = *state;
	char source[LONG_PATH];
	struct log_mount log = {.has_annotation = true};
	struct container_options o = {
		.id = a, .script = "exit", .amend = add_log_mount, .data = &log};
	auto_buf struct buf text = BUF_INIT;

	snprintf(source, sizeof(source), "%s/message", f->dir);
	write_log(source, "x", 1);
	assert_int_equal(create_container(f, &o, NULL), 0);
	log = (struct log_mount){.source = source};
	o.id = b;
	assert_int_equal(create_container(f, &o, NULL), 0);
	assert_int_equal(diagnose(f, a, &text), WIRE_INTERNAL);
	assert_int_equal(diagnose(f, b, &text), WIRE_INTERNAL);
	assert_int_equal(diagnose(f, none, &text), WIRE_INTERNAL);
	request.container_id = a;
	assert_int_equal(call(f, "GetDiagnosticData", &request.base, NULL), WIRE_INVALID_ARGUMENT);
	request.log_type = type;
	assert_int_equal(call(f, "GetDiagnosticData", &request.base, NULL), WIRE_INVALID_ARGUMENT);
}

/* A file system whose server never answers, until the fd is closed. */
static int mount_hanging(const char *path)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mount("kihon-test", path, "fuse", 0, options), 0);
	return fd;
}

static void measure_many(
	struct fixture *f, struct ttrpc_client *client, char *path, struct reply *replies, size_t n)
{
	Grpc__VolumeStatsRequest request = GRPC__VOLUME_STATS_REQUEST__INIT;

	request.volume_guest_path = path;
	for (size_t i = 0; i < n; i++)
		call_start_on(f, client, "GetVolumeStats", &request.base, 0, NULL, &replies[i]);
}

static void copy_one(struct fixture *f)
{
	Grpc__CopyFileRequest request;
	char path[LONG_PATH];

	snprintf(path, sizeof(path), "%s", share(f, "small"));
	fill_copy(&request, path, S_IFREG | 0644);
	assert_int_equal(call(f, "CopyFile", &request.base, NULL), 0);
}

static void a_file_system_that_hangs_holds_up_nobody_else(void **state)
{
	static struct reply replies[300];
	Grpc__VolumeStatsRequest request = GRPC__VOLUME_STATS_REQUEST__INIT;
	struct fixture *f = *state;
	struct ttrpc_client *other = fixture_connect(f);
	char path[LONG_PATH], good[] = "/";
	struct reply reply;
	int fd;

	snprintf(path, sizeof(path), "%s/hang", f->dir);
	fd = mount_hanging(path);
	if (fd < 0) {
		ttrpc_client_free(other);
		skip();
	}
	/* More than may be worked on: the last are refused at once. */
	measure_many(f, other, path, replies, ARRAY_SIZE(replies));
	call_wait(f, &replies[ARRAY_SIZE(replies) - 1]);
	assert_int_equal(
		wire_status_of(&replies[ARRAY_SIZE(replies) - 1].err), WIRE_RESOURCE_EXHAUSTED);
	assert_false(replies[0].done);
	/* Its client leaves, and its places are free again. */
	ttrpc_client_free(other);
	other = fixture_connect(f);
	request.volume_guest_path = good;
	while (call(f, "GetVolumeStats", &request.base, NULL) == WIRE_RESOURCE_EXHAUSTED)
		;
	/* As many as may run at once: only their own method waits. */
	measure_many(f, other, path, replies, 16);
	copy_one(f);
	call_start_on(f, f->client, "GetVolumeStats", &request.base, 200 * NS_PER_MS, NULL, &reply);
	call_wait(f, &reply);
	assert_int_equal(wire_status_of(&reply.err), WIRE_DEADLINE_EXCEEDED);
	assert_false(replies[15].done);
	ttrpc_client_free(other);
	assert_int_equal(call(f, "GetVolumeStats", &request.base, NULL), 0);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(a_large_file_comes_in_chunks),
		agent_test(paths_outside_are_refused_and_nothing_is_made),
		agent_test(a_volume_tells_its_size_and_files),
		agent_test(a_volume_that_is_none_is_an_error),
		agent_test(a_container_leaves_a_last_message),
		agent_test(a_message_is_not_read_from_elsewhere),
		agent_test(a_file_system_that_hangs_holds_up_nobody_else),
		agent_test(a_message_needs_a_container_an_annotation_and_a_mount),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
