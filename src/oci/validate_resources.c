/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "oci/validate.h"

/* The kernel's, in microseconds. */
enum { MIN_CPU_PERIOD = 1000, MAX_CPU_PERIOD = 1000000, MAX_SWAPPINESS = 100 };

struct checker {
	const char *what, *path; /* borrowed: what messages start with */
	struct err *err;
};

static int check_device_rule(const struct checker *c, const Grpc__LinuxDeviceCgroup *rule, size_t i)
{
	const char *type = rule->type ? rule->type : "", *access = rule->access ? rule->access : "";

	if (type[0] && (type[1] || !strchr("abc", type[0])))
		return err_set(c->err, EINVAL, "%s: %sdevices[%zu].type: unknown type \"%s\"",
			c->what, c->path, i, type);
	if (access[strspn(access, "rwm")])
		return err_set(c->err, EINVAL,
			"%s: %sdevices[%zu].access: \"%s\" is not of r, w and m", c->what, c->path,
			i, access);
	return 0;
}

/* -1 is "no limit", 0 "leave it". */
static int check_limit(const struct checker *c, const char *name, int64_t limit)
{
	if (limit >= -1)
		return 0;
	return err_set(
		c->err, EINVAL, "%s: %s%s: %" PRId64 " is below -1", c->what, c->path, name, limit);
}

static int check_memory(const struct checker *c, const Grpc__LinuxMemory *m)
{
	int r = check_limit(c, "memory.limit", m->limit);

	if (r == 0)
		r = check_limit(c, "memory.reservation", m->reservation);
	if (r == 0)
		r = check_limit(c, "memory.swap", m->swap);
	if (r == 0)
		r = check_limit(c, "memory.kernel", m->kernel);
	if (r == 0)
		r = check_limit(c, "memory.kernelTCP", m->kerneltcp);
	if (r == 0 && m->swap > 0 && m->limit > m->swap)
		r = err_set(c->err, EINVAL,
			"%s: %smemory.swap: memory and swap together (%" PRId64
			") are below memory.limit (%" PRId64 ")",
			c->what, c->path, m->swap, m->limit);
	if (r == 0 && m->swappiness > MAX_SWAPPINESS)
		r = err_set(c->err, EINVAL,
			"%s: %smemory.swappiness: %" PRIu64 " is out of range (0 to %d)", c->what,
			c->path, m->swappiness, MAX_SWAPPINESS);
	return r;
}

/* As the kernel reads them: "0-3,8", with strides "0-63:2/8". */
static int check_list(const struct checker *c, const char *name, const char *list)
{
	if (!list || !list[strspn(list, "0123456789-,:/ \n")])
		return 0;
	return err_set(c->err, EINVAL, "%s: %s%s: \"%s\" is not a list of numbers", c->what,
		c->path, name, list);
}

static int check_cpu(const struct checker *c, const Grpc__LinuxCPU *cpu)
{
	int r = check_limit(c, "cpu.quota", cpu->quota);

	if (r == 0 && cpu->period > 0 &&
		(cpu->period < MIN_CPU_PERIOD || cpu->period > MAX_CPU_PERIOD))
		r = err_set(c->err, EINVAL,
			"%s: %scpu.period: %" PRIu64 " is out of range (%d to %d)", c->what,
			c->path, cpu->period, MIN_CPU_PERIOD, MAX_CPU_PERIOD);
	if (r == 0)
		r = check_list(c, "cpu.cpus", cpu->cpus);
	if (r == 0)
		r = check_list(c, "cpu.mems", cpu->mems);
	return r;
}

int oci_resources_validate(
	const Grpc__LinuxResources *resources, const char *what, const char *path, struct err *err)
{
	const struct checker c = {.what = what, .path = path, .err = err};
	int r = 0;

	for (size_t i = 0; i < resources->n_devices && r == 0; i++)
		r = check_device_rule(&c, resources->devices[i], i);
	if (r == 0 && resources->memory)
		r = check_memory(&c, resources->memory);
	if (r == 0 && resources->cpu)
		r = check_cpu(&c, resources->cpu);
	if (r == 0 && resources->pids)
		r = check_limit(&c, "pids.limit", resources->pids->limit);
	for (size_t i = 0; i < resources->n_hugepagelimits && r == 0; i++)
		if (!resources->hugepagelimits[i]->pagesize)
			r = err_set(err, EINVAL, "%s: %shugepageLimits[%zu].pageSize is missing",
				what, path, i);
	return r;
}
