/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about files of the guest. Each is a job, for a file system may hang. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "agent.pb-c.h"
#include "agent/agent.h"
#include "agent/call_job.h"
#include "agent/container.h"
#include "agent/copy_file.h"
#include "agent/guest_path.h"
#include "agent/rpc.h"
#include "base/io.h"
#include "base/path.h"
#include "base/utf8.h"
#include "csi.pb-c.h"
#include "wire/message.h"
#include "wire/status.h"

/* Kubernetes' limit for it (k8s.io/api/core/v1, TerminationMessagePath). */
enum { TERMINATION_LOG_MAX = 4096, UTF8_REPLACEMENT_SIZE = 3 };
#define TERMINATION_PATH "io.kubernetes.container.terminationMessagePath"

static int copy(
	const struct agent *agent, const ProtobufCMessage *request, void *result, struct err *err)
{
	char share[AGENT_SHARE_PATH_SIZE];

	(void)result;
	return copy_file(
		agent_share_path(agent, share), (const Grpc__CopyFileRequest *)request, err);
}

/* The chunks of one file in the order in which they came; others at once. */
void rpc_copy_file(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__CopyFileRequest *request = (const Grpc__CopyFileRequest *)message;
	struct call_job_config config = {.run = copy, .key = request->path};
	char share[AGENT_SHARE_PATH_SIZE];
	struct err err = ERR_INIT;

	if (copy_file_check(agent_share_path(user, share), request, &err) < 0)
		rpc_fail(call, &err);
	else
		call_job_start(user, call, &config);
}

struct volume {
	uint64_t bytes, bytes_free, inodes, inodes_free;
};

static uint64_t multiply(uint64_t blocks, uint64_t size)
{
	uint64_t product;

	return __builtin_mul_overflow(blocks, size, &product) ? UINT64_MAX : product;
}

static int measure(
	const struct agent *agent, const ProtobufCMessage *message, void *result, struct err *err)
{
	const Grpc__VolumeStatsRequest *request = (const Grpc__VolumeStatsRequest *)message;
	const char *path = rpc_str(request->volume_guest_path);
	auto_fd int fd = guest_path_open(path, err);
	struct volume *v = result;
	struct statfs fs;

	(void)agent;
	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, errno, "statfs %.512s", path);
	*v = (struct volume){
		.bytes = multiply(fs.f_blocks, (uint64_t)fs.f_bsize),
		.bytes_free = multiply(fs.f_bfree, (uint64_t)fs.f_bsize),
		.inodes = fs.f_files,
		.inodes_free = fs.f_ffree,
	};
	return 0;
}

static void fill_usage(
	Grpc__VolumeUsage *u, Grpc__VolumeUsage__Unit unit, uint64_t total, uint64_t available)
{
	grpc__volume_usage__init(u);
	MESSAGE_SET(u, unit, unit);
	MESSAGE_SET(u, total, total);
	MESSAGE_SET(u, available, available);
	/* A file system of somebody else may say anything. */
	MESSAGE_SET(u, used, total > available ? total - available : 0);
}

static void reply_volume(struct ttrpc_call *call, void *result)
{
	static char ok[] = "OK";
	const struct volume *v = result;
	Grpc__VolumeStatsResponse reply = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Grpc__VolumeCondition condition = GRPC__VOLUME_CONDITION__INIT;
	Grpc__VolumeUsage bytes, inodes, *usages[] = {&bytes, &inodes};

	fill_usage(&bytes, GRPC__VOLUME_USAGE__UNIT__BYTES, v->bytes, v->bytes_free);
	fill_usage(&inodes, GRPC__VOLUME_USAGE__UNIT__INODES, v->inodes, v->inodes_free);
	MESSAGE_SET(&condition, abnormal, false);
	condition.message = ok;
	reply.usage = usages;
	reply.n_usage = ARRAY_SIZE(usages);
	reply.volume_condition = &condition;
	ttrpc_call_reply(call, &reply.base);
}

void rpc_get_volume_stats(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	call_job_start(user, call,
		&(struct call_job_config){.run = measure,
			.reply = reply_volume,
			.result_size = sizeof(struct volume)});
}

struct diagnostic {
	char text[TERMINATION_LOG_MAX * UTF8_REPLACEMENT_SIZE + 1];
};

/* Where the container's log comes from: the source of the mount that its annotation names. */
static const char *find_termination_log(const Grpc__Spec *spec)
{
	const char *path = NULL;

	for (size_t i = 0; i < spec->n_annotations; i++)
		if (strcmp(rpc_str(spec->annotations[i]->key), TERMINATION_PATH) == 0)
			path = rpc_str(spec->annotations[i]->value);
	for (size_t i = 0; path && i < spec->n_mounts; i++)
		if (strcmp(rpc_str(spec->mounts[i]->destination), path) == 0)
			return rpc_str(spec->mounts[i]->source);
	return NULL;
}

static int read_start(
	const char *path, char bytes[static TERMINATION_LOG_MAX], size_t *ret_len, struct err *err)
{
	auto_fd int fd = -1;
	struct stat st;
	ssize_t n = 0;
	int r = guest_path_check(path, err);

	*ret_len = 0;
	if (r < 0)
		return r;
	/* The volume may be the container's to write: a link could lead to the guest's own files,
	 * and a fifo would have us wait. */
	fd = path_open_no_links(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_sys(err, -fd, "open %.512s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat %.512s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%.512s: not a file", path);
	while (*ret_len < TERMINATION_LOG_MAX &&
		(n = read(fd, bytes + *ret_len, TERMINATION_LOG_MAX - *ret_len)) > 0)
		*ret_len += (size_t)n;
	return n < 0 ? err_sys(err, errno, "read %.512s", path) : 0;
}

static int copy_log(const char *path, struct diagnostic *ret, struct err *err)
{
	char bytes[TERMINATION_LOG_MAX];
	auto_buf struct buf text = BUF_INIT;
	struct err missing = ERR_INIT;
	size_t len;
	int r = read_start(path, bytes, &len, &missing);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_copy(err, &missing);
	r = utf8_clean(slice_of(bytes, len), &text);
	if (r < 0 || buf_len(&text) >= sizeof(ret->text))
		return err_sys(err, ENOMEM, "read %.512s", path);
	memcpy(ret->text, buf_str(&text), buf_len(&text) + 1);
	return 0;
}

static int diagnose(
	const struct agent *agent, const ProtobufCMessage *message, void *result, struct err *err)
{
	const Grpc__GetDiagnosticDataRequest *request =
		(const Grpc__GetDiagnosticDataRequest *)message;
	const char *id = rpc_str(request->container_id), *path;
	const struct container *c = map_find(&agent->sandbox.containers, id);
	ProtobufCMessage *spec;
	int r;

	if (!c || buf_len(&c->spec) == 0)
		return err_set(err, ENOENT, "Invalid container id %.128s", id);
	/* Not freed: the job ends here. */
	r = message_decode(&grpc__spec__descriptor, buf_slice(&c->spec), NULL, &spec, err);
	if (r < 0)
		return err_wrap(err, "container %s: its spec", id);
	path = find_termination_log((const Grpc__Spec *)spec);
	if (!path)
		return err_set(err, ENOENT,
			"container %s: no annotation " TERMINATION_PATH ", or no mount there", id);
	return copy_log(path, result, err);
}

static void reply_diagnostic(struct ttrpc_call *call, void *result)
{
	struct diagnostic *d = result;
	Grpc__GetDiagnosticDataResponse reply = GRPC__GET_DIAGNOSTIC_DATA_RESPONSE__INIT;

	reply.data = d->text;
	ttrpc_call_reply(call, &reply.base);
}

void rpc_get_diagnostic_data(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__GetDiagnosticDataRequest *request =
		(const Grpc__GetDiagnosticDataRequest *)message;
	const char *type = rpc_str(request->log_type);
	struct err err = ERR_INIT;

	if (strcmp(type, "termination_log") == 0) {
		call_job_start(user, call,
			&(struct call_job_config){.run = diagnose,
				.reply = reply_diagnostic,
				.result_size = sizeof(struct diagnostic)});
		return;
	}
	err_status(&err, EINVAL, WIRE_INVALID_ARGUMENT, "unknown log type \"%.64s\"", type);
	rpc_fail(call, &err);
}
