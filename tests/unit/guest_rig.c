/* SPDX-License-Identifier: Apache-2.0 */
#include "guest_rig.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/path.h"
#include "loop_until.h"
#include "wire/dial.h"

static void on_connected(void *data, const struct err *err)
{
	struct guest_rig *rig = data;

	assert_null(err);
	rig->n_connected++;
}

static void on_lost(void *data, const struct err *why)
{
	struct guest_rig *rig = data;

	assert_non_null(why);
	rig->n_lost++;
}

void guest_rig_init(
	struct guest_rig *rig, const struct ttrpc_method *methods, size_t n_methods, void *user)
{
	struct ttrpc_server_config server = {
		.methods = methods, .n_methods = n_methods, .user = user};
	struct agent_config agent = {.address = rig->address,
		.config = &rig->config,
		.deadline_ns = INT64_MAX,
		.connected = on_connected,
		.lost = on_lost,
		.data = rig};

	clock_shift_ns = 0;
	rig->config =
		(struct config_agent){.dial_timeout_ms = 10, .create_container_timeout_s = 60};
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/test_guest.XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->address, sizeof(rig->address), "unix://%s/agent", rig->dir);
	assert_int_equal(loop_new(&rig->loop), 0);
	assert_int_equal(
		ttrpc_server_new(rig->loop, dial_listen(rig->address, NULL), &server, &rig->server),
		0);
	assert_int_equal(agent_new(rig->loop, &agent, &rig->agent, NULL), 0);
	run_until(rig, &rig->n_connected, 1);
}

void guest_rig_fini(struct guest_rig *rig)
{
	agent_free(rig->agent);
	ttrpc_server_free(rig->server);
	loop_free(rig->loop);
	assert_int_equal(path_remove_tree(AT_FDCWD, rig->dir), 0);
}

void guest_hang_up(struct guest_rig *rig)
{
	ttrpc_server_free(rig->server);
	rig->server = NULL;
}

void run_until(struct guest_rig *rig, const size_t *counter, size_t n)
{
	loop_until_count(rig->loop, counter, n);
}

void settle(struct guest_rig *rig)
{
	loop_settle(rig->loop);
}

void pass(struct guest_rig *rig, int64_t ns)
{
	clock_shift_ns += ns;
	settle(rig);
}
