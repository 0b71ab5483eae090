/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "agent/trace.h"

static bool is_silent(const char *method)
{
	static const char *const silent[] = {"WriteStdin", "ReadStdout", "ReadStderr",
		"GetOOMEvent", "MemAgentMemcgSet", "MemAgentCompactSet"};

	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		if (strcmp(method, silent[i]) == 0)
			return true;
	return false;
}

/* NULL: as the rule has it. */
static const char *find_exception(const char *method)
{
	static const struct {
		const char *method, *name;
	} exceptions[] = {
		{"UpdateEphemeralMounts", "update_mounts"},
		{"GetIPTables", "get_iptables"},
		{"SetIPTables", "set_iptables"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++)
		if (strcmp(method, exceptions[i].method) == 0)
			return exceptions[i].name;
	return NULL;
}

/* A word begins at a capital behind a small letter, and at the last one of several: "ARPNeighbors"
 * is two words. */
static bool begins_word(const char *method, size_t i)
{
	if (i == 0 || !isupper((unsigned char)method[i]))
		return false;
	return !isupper((unsigned char)method[i - 1]) || islower((unsigned char)method[i + 1]);
}

bool trace_name_call(const struct ttrpc_method *method, char name[static TRACE_NAME_SIZE])
{
	const char *exception = find_exception(method->method);
	size_t n = 0;

	if (strcmp(method->service, "grpc.AgentService") != 0 || is_silent(method->method))
		return false;
	if (exception) {
		memcpy(name, exception, strlen(exception) + 1);
		return true;
	}
	for (size_t i = 0; method->method[i]; i++) {
		if (n + 3 > TRACE_NAME_SIZE)
			return false;
		if (begins_word(method->method, i))
			name[n++] = '_';
		name[n++] = (char)tolower((unsigned char)method->method[i]);
	}
	name[n] = '\0';
	return true;
}
