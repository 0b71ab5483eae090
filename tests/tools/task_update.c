/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a shim to change a container's limits, which ctr of containerd 1.6 has no command for:
 *
 *	task_update SOCKET ID JSON
 *
 * SOCKET is what the file `address` in the container's bundle says, JSON the "linux.resources" of a
 * config.json. Exit status: 0 done, 1 refused (stderr says why), 2 usage.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "task.pb-c.h"
#include "wire/dial.h"
#include "wire/ttrpc_client.h"

enum { LIMIT_S = 30, RETRY_MS = 100 };

struct update {
	struct loop *loop;
	char *id, *json;
	struct dial *dial;
	struct ttrpc_client *client;
};

static void fail(struct update *u, const struct err *err)
{
	fprintf(stderr, "task_update: %s\n", err->msg);
	loop_stop(u->loop, 1);
}

static void on_updated(void *data, const ProtobufCMessage *reply, const struct err *err)
{
	struct update *u = data;

	(void)reply;
	if (err)
		fail(u, err);
	else
		loop_stop(u->loop, 0);
}

static void on_dialled(void *data, int fd, const struct err *err)
{
	static char type[] = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
	Containerd__Task__V2__UpdateTaskRequest request =
		CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct update *u = data;
	struct err failed = ERR_INIT;
	int r;

	u->dial = NULL;
	if (fd < 0) {
		fail(u, err);
		return;
	}
	any.type_url = type;
	any.has_value = 1;
	any.value.data = (uint8_t *)u->json;
	any.value.len = strlen(u->json);
	request.id = u->id;
	request.resources = &any;
	r = ttrpc_client_new(u->loop, fd, NULL, NULL, &u->client);
	if (r == 0)
		r = ttrpc_client_call(u->client, "containerd.task.v2.Task", "Update", &request.base,
			LIMIT_S * NS_PER_S, NULL, on_updated, u, NULL);
	if (r < 0) {
		err_sys(&failed, -r, "call the shim");
		fail(u, &failed);
	}
}

int main(int argc, char **argv)
{
	struct dial_config config = {.address = argc == 4 ? argv[1] : "",
		.retry_ns = RETRY_MS * NS_PER_MS,
		.attempt_ns = LIMIT_S * NS_PER_S,
		.deadline_ns = clock_now_ns() + LIMIT_S * NS_PER_S};
	struct update u = {0};
	struct err err = ERR_INIT;
	int status;

	if (argc != 4) {
		fprintf(stderr, "usage: task_update SOCKET ID JSON\n");
		return 2;
	}
	u.id = argv[2];
	u.json = argv[3];
	if (loop_new(&u.loop) < 0)
		return 1;
	if (dial_start(u.loop, &config, on_dialled, &u, &u.dial, &err) < 0) {
		fprintf(stderr, "task_update: %s\n", err.msg);
		loop_free(u.loop);
		return 1;
	}
	status = loop_run(u.loop);
	ttrpc_client_free(u.client);
	loop_free(u.loop);
	return status;
}
