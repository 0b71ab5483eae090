/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The hooks of a container: those of its spec (OCI runtime specification, "POSIX-platform Hooks"),
 * then those of the guest's image, which CreateSandbox names by a directory.
 *
 *	kind             where                     when                                pid
 *	prestart         the agent's namespaces    root built, not entered             the agent's
 *	createRuntime    the agent's namespaces    after prestart                      view of it
 *	createContainer  the container's, but in   after createRuntime                 the con-
 *	                 the guest's root                                              tainer's
 *	startContainer   the container, as its     StartContainer, before its program  view
 *	                 user, without its seccomp
 *	poststart        the agent's namespaces    its program runs; before the answer as first
 *	poststop         the agent's namespaces    everything of it has been removed   none
 *
 * The working directory is the bundle; "/" in the container, and when the bundle has gone. A hook that fails ends the first four: the creation or the start fails, and the
 * container is undone. The last two are all run, and what fails is logged.
 */
#include "base/buf.h"
#include "base/err.h"
#include "oci.pb-c.h"

enum hooks_kind {
	HOOKS_PRESTART,
	HOOKS_CREATE_RUNTIME,
	HOOKS_CREATE_CONTAINER,
	HOOKS_START_CONTAINER,
	HOOKS_POSTSTART,
	HOOKS_POSTSTOP,
	HOOKS_COUNT,
};

/* A line for the agent's log. */
typedef void hooks_log_fn(void *data, const char *text);

struct hooks {
	const Grpc__Spec *spec;
	const char *container_id;
	const char *bundle;    /* NULL: none */
	const char *guest_dir; /* absolute; holds prestart/, poststart/ and poststop/; NULL: none */
	hooks_log_fn *log;     /* for what hooks write, and failures that stop nothing */
	void *data;	       /* for log */
};

/* Absolute paths, no negative time-outs (0 is none given: then it is 10 s). Sets INVALID_ARGUMENT. */
int hooks_check(const Grpc__Hooks *hooks, struct err *err) must_check;

/* Whether there may be one to run. */
bool hooks_any(const struct hooks *hooks, enum hooks_kind kind);

/* Runs them one after another; blocks (hook.h). pid: of the container's init as the hook sees it. */
int hooks_run(
	const struct hooks *hooks, enum hooks_kind kind, pid_t pid, struct err *err) must_check;

/* What they read: the state of the container, as the specification has it. -ENOMEM, -EILSEQ. */
int hooks_format_state(
	const struct hooks *hooks, enum hooks_kind kind, pid_t pid, struct buf *ret) must_check;
