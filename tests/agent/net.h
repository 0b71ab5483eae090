/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A network of the agent's own: each test has a new network namespace, which goes with it. */
#include "fixture.h"

/* Or exits 77 with the reason. Before cmocka runs. */
void net_require(void);
int net_set_up(void **state);
int net_tear_down(void **state);

/* Runs ip with these words, which must succeed. */
void ip(const char *words);
/* What "ip words" says, until the next call. */
const char *ip_output(const char *words);
/* Fails the test unless "ip words" says it. */
void assert_ip(const char *words, const char *says);
void assert_ip_not(const char *words, const char *says);

#define net_test(name) cmocka_unit_test_setup_teardown(name, net_set_up, net_tear_down)
