/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/limits.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/container/limits_place.h"
#include "agent/container/report.h"
#include "base/io.h"
#include "wire/status.h"

struct limits_place limits_find(const struct limits_target *t, enum cgroup_controller controller)
{
	struct limits_place p = {.target = t, .controller = controller};

	p.fd = cgroup_fd_of(t->cgroup, controller, &p.unified);
	return p;
}

static bool is_default(const char *text)
{
	return strcmp(text, "max") == 0 || strncmp(text, "max ", 4) == 0 || strcmp(text, "-1") == 0;
}

int limits_put(const struct limits_place *p, const char *file, const char *text)
{
	int r = p->fd < 0 ? -ENOENT : io_write_file(p->fd, file, text);

	if (r == 0 || (r == -ENOENT && is_default(text)))
		return 0;
	if (r == -ENOENT)
		return err_set(p->target->err, ENOENT,
			"cannot limit %s to %s: the cgroup has no such controller", file, text);
	return err_sys(p->target->err, -r, "write \"%s\" to %s", text, file);
}

int limits_put_number(const struct limits_place *p, const char *file, int64_t value)
{
	char text[LIMITS_TEXT_SIZE];

	if (value == 0)
		return 0;
	/* pids.max is spelled alike in both. */
	if (value < 0)
		return limits_put(
			p, file, p->unified || p->controller == CGROUP_PIDS ? "max" : "-1");
	snprintf(text, sizeof(text), "%" PRId64, value);
	return limits_put(p, file, text);
}

/* "2MB", "1GB": becomes part of a file name. */
static bool is_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits > 0 && digits < 8 && strchr("KMG", s[digits]) && s[digits] &&
	       strcmp(s + digits + 1, "B") == 0;
}

static int put_hugepages(const struct limits_target *t, const Grpc__LinuxHugepageLimit *h)
{
	struct limits_place p = limits_find(t, CGROUP_HUGETLB);
	char file[48], text[LIMITS_TEXT_SIZE];
	int r;

	if (!h->pagesize || !is_page_size(h->pagesize))
		return err_status(t->err, EINVAL, WIRE_INVALID_ARGUMENT, "huge page size \"%.32s\"",
			h->pagesize ? h->pagesize : "");
	snprintf(file, sizeof(file), "hugetlb.%s.%s", h->pagesize,
		p.unified ? "max" : "limit_in_bytes");
	snprintf(text, sizeof(text), "%" PRIu64, h->limit);
	r = limits_put(&p, file, text);
	if (r < 0)
		return r;
	/* What a mapping reserves and does not use yet; kernels before 5.7 do not count it. */
	snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", h->pagesize,
		p.unified ? "max" : "limit_in_bytes");
	if (p.fd < 0 || faccessat(p.fd, file, F_OK, 0) < 0)
		return 0;
	return limits_put(&p, file, text);
}

static int put_network(const struct limits_target *t, const Grpc__LinuxNetwork *n)
{
	struct limits_place class = limits_find(t, CGROUP_NET_CLS),
			    priority = limits_find(t, CGROUP_NET_PRIO);
	char text[LIMITS_TEXT_SIZE];
	int r = 0;

	if (n->classid > 0 && !class.unified) {
		snprintf(text, sizeof(text), "%" PRIu32, n->classid);
		r = limits_put(&class, "net_cls.classid", text);
	}
	for (size_t i = 0; i < n->n_priorities && r == 0 && !priority.unified; i++) {
		const Grpc__LinuxInterfacePriority *p = n->priorities[i];

		snprintf(text, sizeof(text), "%.64s %" PRIu32, p->name ? p->name : "", p->priority);
		r = limits_put(&priority, "net_prio.ifpriomap", text);
	}
	return r;
}

static int put_rdma(const struct limits_target *t, const Grpc__LinuxResources__RdmaEntry *e)
{
	struct limits_place p = limits_find(t, CGROUP_RDMA);
	const Grpc__LinuxRdma *rdma = e->value;
	const char *device = e->key ? e->key : "";
	char text[LIMITS_TEXT_SIZE + NAME_MAX], number[16];
	struct {
		const char *key;
		bool is_set;
		uint32_t value;
	} fields[] = {
		{"hca_handle", rdma && rdma->has_hcahandles, rdma ? rdma->hcahandles : 0},
		{"hca_object", rdma && rdma->has_hcaobjects, rdma ? rdma->hcaobjects : 0},
	};
	int r = 0;

	if (!*device || strlen(device) > NAME_MAX || device[strcspn(device, " \t\n/")])
		return err_status(t->err, EINVAL, WIRE_INVALID_ARGUMENT,
			"\"%.64s\" is not the name of an RDMA device", device);
	for (size_t i = 0; i < ARRAY_SIZE(fields) && r == 0; i++) {
		if (!fields[i].is_set)
			continue;
		snprintf(number, sizeof(number), "%" PRIu32, fields[i].value);
		snprintf(text, sizeof(text), "%s %s=%s", device, fields[i].key, number);
		r = limits_put(&p, "rdma.max", text);
	}
	return r;
}

/* A file of the cgroup by its own name: a controller's. Those of the cgroup itself ("cgroup.kill") are the
 * agent's. */
static bool is_unified_name(const char *name)
{
	return strlen(name) <= NAME_MAX && *name != '.' && strchr(name, '.') &&
	       !strchr(name, '/') && strncmp(name, "cgroup.", strlen("cgroup.")) != 0;
}

/* Files like io.max take one line at a time. */
static int put_unified(const struct limits_target *t, const Grpc__LinuxResources__UnifiedEntry *e)
{
	const char *name = e->key ? e->key : "", *at = e->value ? e->value : "";
	int fd = cgroup_fd_of_unified(t->cgroup), r = 0;

	if (!is_unified_name(name))
		return err_status(t->err, EINVAL, WIRE_INVALID_ARGUMENT,
			"unified: \"%.64s\" is not the name of a controller's file", name);
	if (fd < 0)
		return err_set(t->err, ENOENT, "unified: %s: there is no cgroup v2", name);
	do {
		auto_free char *line = strndup(at, strcspn(at, "\n"));

		if (!line)
			return err_sys(t->err, ENOMEM, "unified: %s", name);
		r = io_write_file(fd, name, line);
		at += strlen(line);
		at += *at == '\n';
	} while (r == 0 && *at);
	return r < 0 ? err_sys(t->err, -r, "unified: write to %s", name) : 0;
}

/* What only our own hosts send, and what says how a file is to be written: last. */
static int put_named(const struct limits_target *t, const Grpc__LinuxResources *resources)
{
	int r = 0;

	for (size_t i = 0; i < resources->n_rdma && r == 0; i++)
		r = put_rdma(t, resources->rdma[i]);
	for (size_t i = 0; i < resources->n_unified && r == 0; i++)
		r = put_unified(t, resources->unified[i]);
	return r;
}

int limits_apply(const struct cgroup *cgroup, const Grpc__LinuxResources *resources,
	enum limits_use use, int report_fd, struct err *err)
{
	struct limits_target t = {.cgroup = cgroup, .use = use, .report_fd = report_fd, .err = err};
	struct limits_place pids = limits_find(&t, CGROUP_PIDS);
	int r = 0;

	if (!resources)
		return 0;
	if (resources->memory)
		r = limits_put_memory(&t, resources->memory);
	if (r == 0 && resources->cpu)
		r = limits_put_cpu(&t, resources->cpu);
	if (r == 0 && resources->pids)
		r = limits_put_number(&pids, "pids.max", resources->pids->limit);
	if (r == 0 && resources->blockio)
		r = limits_put_io(&t, resources->blockio);
	for (size_t i = 0; i < resources->n_hugepagelimits && r == 0; i++)
		r = put_hugepages(&t, resources->hugepagelimits[i]);
	if (r == 0 && resources->network)
		r = put_network(&t, resources->network);
	return r < 0 ? r : put_named(&t, resources);
}
