/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about the guest as a whole: health, details, clock, random numbers. */
#include <ctype.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "agent.pb-c.h"
#include "agent/agent.h"
#include "agent/rpc.h"
#include "agent/span.h"
#include "agent/storage.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "health.pb-c.h"
#include "wire/message.h"
#include "wire/status.h"

#define SYSFS_MEMORY "/sys/devices/system/memory/"

enum { MAX_SYSFS_FILE = 4096 };

void rpc_check(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	Grpc__HealthCheckResponse reply = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	(void)request, (void)user;
	reply.has_status = 1;
	reply.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	ttrpc_call_reply(call, &reply.base);
}

void rpc_version(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	static char api[] = AGENT_API_VERSION, version[] = KIHON_VERSION;
	Grpc__VersionCheckResponse reply = GRPC__VERSION_CHECK_RESPONSE__INIT;

	(void)request, (void)user;
	reply.grpc_version = api;
	reply.agent_version = version;
	ttrpc_call_reply(call, &reply.base);
}

/* 0 where the kernel cannot plug memory in. */
static int read_block_size(uint64_t *ret, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = io_read_file(AT_FDCWD, SYSFS_MEMORY "block_size_bytes", MAX_SYSFS_FILE, &text);
	unsigned long long size;
	char *end;

	if (r == -ENOENT) {
		*ret = 0;
		return 0;
	}
	if (r < 0)
		return err_sys(err, -r, "read %s", SYSFS_MEMORY "block_size_bytes");
	errno = 0;
	size = strtoull(buf_str(&text), &end, 16);
	/* strtoull would take a sign and spaces. */
	if (errno || !isxdigit((unsigned char)*buf_str(&text)) || (*end && *end != '\n'))
		return err_set(err, EINVAL, "Invalid block size");
	*ret = size;
	return 0;
}

static void fill_agent_details(const struct agent *agent, char *features[static AGENT_FEATURES_MAX],
	Grpc__AgentDetails *details)
{
	static char version[] = KIHON_VERSION;

	details->version = version;
	details->has_init_daemon = 1;
	details->init_daemon = agent->is_init;
	details->storage_handlers = storage_driver_names(&details->n_storage_handlers);
	details->has_supports_seccomp = 1;
	details->supports_seccomp = 1;
	details->extra_features = features;
	while (agent_feature(details->n_extra_features)) {
		features[details->n_extra_features] =
			message_text(agent_feature(details->n_extra_features));
		details->n_extra_features++;
	}
}

void rpc_get_guest_details(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__GuestDetailsRequest *request = (const Grpc__GuestDetailsRequest *)message;
	Grpc__GuestDetailsResponse reply = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails details = GRPC__AGENT_DETAILS__INIT;
	char *features[AGENT_FEATURES_MAX];
	struct err err = ERR_INIT;

	if (request->mem_block_size) {
		reply.has_mem_block_size_bytes = 1;
		if (read_block_size(&reply.mem_block_size_bytes, &err) < 0) {
			rpc_fail(call, &err);
			return;
		}
	}
	if (request->mem_hotplug_probe) {
		reply.has_support_mem_hotplug_probe = 1;
		reply.support_mem_hotplug_probe = access(SYSFS_MEMORY "probe", F_OK) == 0;
	}
	fill_agent_details(user, features, &details);
	reply.agent_details = &details;
	ttrpc_call_reply(call, &reply.base);
}

void rpc_set_guest_date_time(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__SetGuestDateTimeRequest *request =
		(const Grpc__SetGuestDateTimeRequest *)message;
	struct timeval now = {.tv_sec = request->sec, .tv_usec = request->usec};
	struct err err = ERR_INIT;

	(void)user;
	span_clock();
	if (settimeofday(&now, NULL) < 0) {
		err_sys(&err, errno, "set the date to %lld.%06lld", (long long)request->sec,
			(long long)request->usec);
		rpc_fail(call, &err);
		return;
	}
	ttrpc_call_reply(call, NULL);
}

static int reseed(ProtobufCBinaryData data, struct err *err)
{
	/* The kernel keeps 256 bits of it; the credit is an int of bits. */
	int bits = data.len > 512 ? 4096 : (int)data.len * 8;
	auto_fd int fd = -1;
	int r;

	if (data.len == 0)
		return err_status(
			err, EINVAL, WIRE_INVALID_ARGUMENT, "missing data for the random pool");
	fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open /dev/random");
	r = io_write_full(fd, data.data, data.len);
	if (r < 0)
		return err_sys(err, -r, "write /dev/random");
	if (ioctl(fd, RNDADDTOENTCNT, &bits) < 0)
		return err_sys(err, errno, "credit the random pool");
	if (ioctl(fd, RNDRESEEDCRNG, NULL) < 0)
		return err_sys(err, errno, "reseed the random generator");
	return 0;
}

void rpc_reseed_random_dev(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	const Grpc__ReseedRandomDevRequest *request = (const Grpc__ReseedRandomDevRequest *)message;
	struct err err = ERR_INIT;

	(void)user;
	if (reseed(request->data, &err) < 0)
		rpc_fail(call, &err);
	else
		ttrpc_call_reply(call, NULL);
}

/* As upstream's agent answers in builds without policies: a host that asks for one must not go on. */
void rpc_set_policy(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	struct err err = ERR_INIT;

	(void)message, (void)user;
	err_status(
		&err, EOPNOTSUPP, WIRE_NOT_FOUND, "/grpc.AgentService/SetPolicy is not supported");
	rpc_fail(call, &err);
}

/* MemAgentMemcgSet, MemAgentCompactSet: as where mem-agent is not switched on. */
void rpc_mem_agent(struct ttrpc_call *call, const ProtobufCMessage *message, void *user)
{
	struct err err = ERR_INIT;

	(void)message, (void)user;
	err_status(&err, EOPNOTSUPP, WIRE_INTERNAL, "%s: mem-agent is disabled",
		ttrpc_call_method(call)->method);
	rpc_fail(call, &err);
}
