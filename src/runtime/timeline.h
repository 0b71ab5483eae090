/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the time of a start went. Each step is a span, told at its end: one JSON line
 *
 *	{"pod":"c1","who":"shim","what":"mount","id":"c1","from_ns":123,"to_ns":456}
 *
 * in the pod's own file, /run/kata/<id>/timeline.json, which lives as long as the pod; in the file
 * that the environment variable KIHON_TIMELINE names (an absolute path), to which all pods append;
 * and in the log, at debug. tools/timeline draws them; docs/timeline.md lists who and what there
 * are. Those names are an interface: tools and tests go by them.
 *
 * Times are CLOCK_MONOTONIC of the host, so spans of several processes can be merged; those of the
 * guest have been converted (runtime/guest_timeline.h). Only steps that succeed have a span.
 *
 * There is one timeline in a process, as there is one log. A span costs a write, and telling one
 * never fails: what cannot be written is left out.
 */
#include <stddef.h>
#include <stdint.h>

struct timeline_span {
	const char *who;  /* "shim", "vm", "kernel", "agent" */
	const char *what; /* the step */
	const char *id;	  /* of a container or process, NULL: the pod's own step */
	int64_t from_ns, to_ns;
};

/* What the pod's file may hold: its start several times over. Later spans are left out of it. */
enum { TIMELINE_FILE_MAX = 64 << 10 };

/* Names the pod (borrowed for ever). Until then spans belong to pod "". */
void timeline_init(const char *pod);
/* Begins the pod's file, with what has been told before. dir must exist. */
void timeline_open(const char *dir);
/* Ends the pod's file; spans may still be told. */
void timeline_close(void);

void timeline_add(const struct timeline_span *span);
/* A step of the shim; id as above. The second: one that ends now. */
void timeline_span(const char *what, const char *id, int64_t from_ns, int64_t to_ns);
void timeline_end(const char *what, const char *id, int64_t from_ns);
