/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * systemd's units, through the programs that come with it (busctl, systemctl).
 *
 * What asks systemd runs a program and waits for it: for jobs, never for a loop.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Whether it is this machine's init, and busctl is there. */
bool systemd_is_running(void);

/*
 * Properties of a unit, as busctl's arguments. A zeroed one is empty. Adding never fails: a lack of
 * memory is told by the function that they are given to.
 */
struct systemd_properties {
	struct buf words; /* each with its NUL */
	size_t n_words, n_properties;
	bool has_failed;
};

void systemd_properties_fini(struct systemd_properties *p);
#define auto_systemd_properties __attribute__((cleanup(systemd_properties_fini)))
void systemd_add_bool(struct systemd_properties *p, const char *name, bool value);
/* UINT64_MAX is "infinity". */
void systemd_add_number(struct systemd_properties *p, const char *name, uint64_t value);
void systemd_add_string(struct systemd_properties *p, const char *name, const char *value);
void systemd_add_bytes(
	struct systemd_properties *p, const char *name, const uint8_t *bytes, size_t n);

/*
 * Makes the unit, a scope of the slice with the process pid in it, and waits until it has started.
 * The processes' cgroup is the unit's path below the slice's; systemd removes both when the last
 * process has ended.
 */
int systemd_start_scope(const char *unit, const char *slice, pid_t pid,
	const struct systemd_properties *p, struct err *err) must_check;
/* Of a unit that runs, until it ends. */
int systemd_set_properties(
	const char *unit, const struct systemd_properties *p, struct err *err) must_check;
/* Waits until it has stopped; an error also if it is not there (any more). */
int systemd_stop(const char *unit, struct err *err) must_check;
