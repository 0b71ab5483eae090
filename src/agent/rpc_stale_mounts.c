/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RemoveStaleVirtiofsShareMounts: the host has unmounted something in its shared directory. What
 * the guest has seen there, and the mounts that its kernel has made of the host's, stay until
 * somebody looks again; as long as they do, the host's server keeps its files open. So each of
 * these mounts is looked at, by a job, for that asks the host.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.pb-c.h"
#include "agent/agent.h"
#include "agent/job.h"
#include "agent/rpc.h"
#include "base/io.h"
#include "linux/mountinfo.h"

#define SHARE "/run/kata-containers/shared/containers/"

enum { MOUNTINFO_MAX_SIZE = 16 << 20 };

/* In the child. That a mount point is gone is what is hoped for. */
static int look(void *data, struct job_report *report, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_SIZE, &b);
	struct mountinfo info;
	struct stat st;
	char *text;

	(void)data, (void)report;
	if (r < 0)
		return err_sys(err, -r, "read /proc/self/mountinfo");
	text = (char *)b.data + b.start;
	while (mountinfo_next(&text, &info))
		if (strncmp(info.mount_point, SHARE, strlen(SHARE)) == 0)
			(void)stat(info.mount_point, &st);
	return 0;
}

static void on_done(void *data, const struct err *err, uint32_t n_steps)
{
	(void)n_steps;
	if (err)
		rpc_fail(data, err);
	else
		ttrpc_call_reply(data, NULL);
}

void rpc_remove_stale_mounts(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	struct job_config config = {
		.name = "look at the shared mounts", .run = look, .done = on_done, .data = call};
	struct agent *agent = user;
	struct err err = ERR_INIT;
	struct job *job;

	(void)request;
	if (job_start(agent->reaper, &config, &job, &err) < 0)
		rpc_fail(call, &err);
}
