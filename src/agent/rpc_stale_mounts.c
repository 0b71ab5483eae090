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
#include "agent/call_job.h"
#include "agent/rpc.h"
#include "base/io.h"
#include "linux/mountinfo.h"

enum { MOUNTINFO_MAX_SIZE = 16 << 20 };

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* That a mount point is gone is what is hoped for. */
static int look(
	const struct agent *agent, const ProtobufCMessage *request, void *result, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_SIZE, &b);
	char share[AGENT_SHARE_PATH_SIZE];
	struct mountinfo info;
	struct stat st;
	char *text;

	(void)request, (void)result;
	if (r < 0)
		return err_sys(err, -r, "read /proc/self/mountinfo");
	agent_share_path(agent, share);
	text = (char *)b.data + b.start;
	while (mountinfo_next(&text, &info))
		if (is_below(info.mount_point, share))
			(void)stat(info.mount_point, &st);
	return 0;
}

/* One at a time: each looks at all of them. */
void rpc_remove_stale_mounts(struct ttrpc_call *call, const ProtobufCMessage *request, void *user)
{
	(void)request;
	call_job_start(
		user, call, &(struct call_job_config){.run = look, .key = "all of the share"});
}
