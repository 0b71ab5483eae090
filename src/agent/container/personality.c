/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/personality.h"

#include <string.h>
#include <sys/personality.h>

#include "wire/status.h"

static int parse_domain(const char *name)
{
	if (strcmp(name, "LINUX") == 0)
		return PER_LINUX;
	return strcmp(name, "LINUX32") == 0 ? PER_LINUX32 : -EINVAL;
}

int personality_check(const Grpc__LinuxPersonality *p, struct err *err)
{
	const char *domain = p && p->domain ? p->domain : "";

	if (!p)
		return 0;
	if (parse_domain(domain) < 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"personality: unknown domain \"%.64s\"", domain);
	if (p->n_flags > 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"personality: unknown flag \"%.64s\"", p->flags[0]);
	return 0;
}

int personality_apply(const Grpc__LinuxPersonality *p, struct err *err)
{
	if (p && personality((unsigned long)parse_domain(p->domain)) < 0)
		return err_sys(err, errno, "set the personality %s", p->domain);
	return 0;
}
