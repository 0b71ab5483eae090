/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A guest for tests of src/runtime: a ttRPC server whose methods the test gives, and our client of
 * it (runtime/agent.h), connected, on one loop. Whole pods, in processes of their own:
 * fake_agent.h.
 *
 *	struct fixture {
 *		struct guest_rig rig;
 *		...
 *	};
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.pb-c.h"
#include "fake_clock.h"
#include "health.pb-c.h"
#include "runtime/agent.h"
#include "wire/ttrpc_server.h"

struct guest_rig {
	struct loop *loop;
	struct ttrpc_server *server; /* the guest; NULL once it has hung up */
	struct agent *agent;
	struct config_agent config;
	char dir[32], address[48]; /* a directory for the test's files too */
	size_t n_connected, n_lost;
};

#define GUEST_METHOD(name, message, fn)                                       \
	{                                                                     \
		"grpc.AgentService", name, &grpc__##message##__descriptor, fn \
	}

/* The clock (fake_clock.h) is the machine's from here on. user is the handlers'. */
void guest_rig_init(
	struct guest_rig *rig, const struct ttrpc_method *methods, size_t n_methods, void *user);
/* What is made of the rig's agent is freed before, and parked calls are answered. */
void guest_rig_fini(struct guest_rig *rig);
void guest_hang_up(struct guest_rig *rig);

/* Runs the loop until the counter is n, and not more. */
void run_until(struct guest_rig *rig, const size_t *counter, size_t n);
/* Long enough for everything that can happen without further input. */
void settle(struct guest_rig *rig);
/* Lets time go by, and everything happen that this brings. */
void pass(struct guest_rig *rig, int64_t ns);
