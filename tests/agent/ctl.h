/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* kata-agent-ctl, run as people run it. */
#include "fixture.h"

/* What the last run left. */
struct ctl_result {
	int status;
	char out[16384], err[4096];
};
extern struct ctl_result ctl_last;

/* Runs the tool until it ends, with the NULL-terminated args. */
void ctl_run(const struct fixture *f, const char *const *args);
/* With the agent's address in front. */
#define ctl_call(f, ...) \
	ctl_run(f, (const char *const[]){"--server-address", (f)->address, __VA_ARGS__, NULL})
/* Likewise, with this text as its standard input, a file. */
void ctl_run_with_input(const struct fixture *f, const char *input, const char *const *args);
/* On a terminal of 30 rows and 90 columns; steps as tests/tools/on-terminal has them. */
void ctl_run_on_terminal(
	const struct fixture *f, const char *const *steps, const char *const *args);
/* Fails the test when the last run had another result. */
void ctl_expect(int status, const char *out, const char *err);

/* A directory with a config.json that runs the script in the fixture's root. */
void ctl_write_bundle(const struct fixture *f, const char *dir, const char *script);
