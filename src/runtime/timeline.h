/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How long each step of a start took. A span becomes a log record and, where the environment
 * variable KIHON_TIMELINE names a file, one JSON line at its end:
 *
 *	{"who":"shim","what":"guest boot","from_ns":123,"to_ns":456}
 *
 * Times are CLOCK_MONOTONIC, so spans of several processes of one host can be merged.
 */
#include <stdint.h>

void timeline_span(const char *what, int64_t from_ns, int64_t to_ns);
