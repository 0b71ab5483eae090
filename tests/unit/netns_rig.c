/* SPDX-License-Identifier: Apache-2.0 */
#include "netns_rig.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

bool netns_rig_is_possible(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return true;
	fprintf(stderr, "skipped: needs root and network namespaces\n");
	return false;
}

static int open_own(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

int netns_rig_set_up(void **state)
{
	struct netns_rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	rig->pod_fd = open_own();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	rig->host_fd = open_own();
	snprintf(rig->path, sizeof(rig->path), "/proc/%d/fd/%d", (int)getpid(), rig->pod_fd);
	*state = rig;
	netns_rig_pod(rig, "ip link set lo up");
	return 0;
}

int netns_rig_tear_down(void **state)
{
	struct netns_rig *rig = *state;

	close(rig->pod_fd);
	close(rig->host_fd);
	free(rig);
	return 0;
}

void netns_rig_enter(const struct netns_rig *rig)
{
	assert_int_equal(setns(rig->pod_fd, CLONE_NEWNET), 0);
}

void netns_rig_leave(const struct netns_rig *rig)
{
	assert_int_equal(setns(rig->host_fd, CLONE_NEWNET), 0);
}

/* $pod is the other namespace, for `ip link add ... netns $pod`. */
static void run(const struct netns_rig *rig, int fd, const char *script)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setenv("pod", rig->path, 1);
		if (setns(fd, CLONE_NEWNET) == 0)
			execl("/bin/sh", "sh", "-ec", script, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("status %d of: %s", status, script);
}

void netns_rig_host(const struct netns_rig *rig, const char *script)
{
	run(rig, rig->host_fd, script);
}

void netns_rig_pod(const struct netns_rig *rig, const char *script)
{
	run(rig, rig->pod_fd, script);
}
