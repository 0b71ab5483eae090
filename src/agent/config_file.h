/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent's configuration file, TOML. Its keys are those of the kernel command line without their
 * prefix; a few have other names (options.c is the list).
 *
 *	log_level = "debug"
 *	server_addr = "vsock://-1:1024"
 *	hotplug_timeout = { secs = 3, nanos = 0 }	# or 3
 *
 *	[endpoints]
 *	allowed = ["CreateContainerRequest", "StartContainerRequest"]
 *
 * Where [endpoints] is given, only the methods that take one of those messages may be called. A key
 * or a message that is not known is logged and ignored, since files written for other versions hold
 * some; a value of the wrong type or range is an error that names file, line and column.
 */
#include "agent/options.h"
#include "base/slice.h"

/* About 40 keys of up to 100 bytes, and comments. */
enum { CONFIG_FILE_MAX = 64 << 10 };

/* A file that is missing is an error as well. */
int config_file_read(struct options *o, const char *path, struct err *err) must_check;
/* name: of the file, for messages. */
int config_file_parse(
	struct options *o, const char *name, struct slice text, struct err *err) must_check;
