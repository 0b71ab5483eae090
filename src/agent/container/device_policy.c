/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container/device_policy.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/container/devices.h"
#include "base/clock.h"
#include "base/io.h"
#include "linux/cgroup_freezer.h"
#include "linux/device_list.h"
#include "wire/status.h"

static const struct {
	char type;
	uint8_t access;
	int16_t major, minor;
} defaults[] = {
	{'c', DEVICE_MKNOD, DEVICE_ANY, DEVICE_ANY}, {'b', DEVICE_MKNOD, DEVICE_ANY, DEVICE_ANY},
	{'c', DEVICE_ALL, 1, 3},	    /* null */
	{'c', DEVICE_ALL, 1, 5},	    /* zero */
	{'c', DEVICE_ALL, 1, 7},	    /* full */
	{'c', DEVICE_ALL, 1, 8},	    /* random */
	{'c', DEVICE_ALL, 1, 9},	    /* urandom */
	{'c', DEVICE_ALL, 5, 0},	    /* tty */
	{'c', DEVICE_ALL, 5, 1},	    /* console */
	{'c', DEVICE_ALL, 5, 2},	    /* ptmx */
	{'c', DEVICE_ALL, 136, DEVICE_ANY}, /* pts */
};

/* The disk a partition is on and itself, for "/": no more than these. */
enum { GUEST_DISKS_MAX = 2 };

/* How long v1 may take to stop a container's processes. */
#define FREEZE_NS (5 * NS_PER_S)

static int parse_access(const char *text, unsigned int *ret)
{
	unsigned int access = 0;

	for (; *text; text++) {
		if (*text == 'r')
			access |= DEVICE_READ;
		else if (*text == 'w')
			access |= DEVICE_WRITE;
		else if (*text == 'm')
			access |= DEVICE_MKNOD;
		else
			return -EINVAL;
	}
	*ret = access ? access : DEVICE_ALL;
	return 0;
}

static int64_t number_or_any(bool given, int64_t number)
{
	return given && number >= 0 ? number : DEVICE_ANY;
}

static int parse_rule(const Grpc__LinuxDeviceCgroup *d, struct device_rule *ret, struct err *err)
{
	const char *type = d->type && *d->type ? d->type : "a",
		   *access = d->access ? d->access : "";
	struct device_rule rule = {
		.allow = d->allow,
		.type = type[0],
		.major = number_or_any(d->has_major, d->major),
		.minor = number_or_any(d->has_minor, d->minor),
	};

	if (strlen(type) != 1 || !strchr("abc", type[0]))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"device rule: unknown type \"%.16s\"", type);
	if (parse_access(access, &rule.access) < 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"device rule: unknown access \"%.16s\"", access);
	if (rule.major > UINT32_MAX || rule.minor > UINT32_MAX)
		return err_status(
			err, EINVAL, WIRE_INVALID_ARGUMENT, "device rule: no such device");
	if (rule.major == 0 && rule.minor == 0)
		rule.major = rule.minor = DEVICE_ANY;
	*ret = rule;
	return 0;
}

static struct device_rule rule_of_device(const Grpc__LinuxDevice *d)
{
	return (struct device_rule){
		.allow = true,
		.type = devices_parse_type(d->type) == S_IFBLK ? 'b' : 'c',
		.major = d->major,
		.minor = d->minor,
		.access = DEVICE_ALL,
	};
}

/* What "/" is on, if it is a disk; for a partition the whole disk too. */
static size_t find_guest_disks(dev_t disks[static GUEST_DISKS_MAX])
{
	auto_buf struct buf b = BUF_INIT;
	unsigned int disk_major, disk_minor;
	char path[64];
	struct stat st;

	/* Major 0: a file system that is on no device. */
	if (stat("/", &st) < 0 || major(st.st_dev) == 0)
		return 0;
	disks[0] = st.st_dev;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major(st.st_dev),
		minor(st.st_dev));
	if (io_read_file(AT_FDCWD, path, 64, &b) < 0 ||
		sscanf(buf_str(&b), "%u:%u", &disk_major, &disk_minor) != 2)
		return 1;
	disks[1] = makedev(disk_major, disk_minor);
	return 2;
}

static void add_own_rules(struct device_policy *p)
{
	dev_t disks[GUEST_DISKS_MAX];
	size_t n_disks = find_guest_disks(disks);

	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		p->rules[p->n_rules++] = (struct device_rule){.allow = true,
			.type = defaults[i].type,
			.major = defaults[i].major,
			.minor = defaults[i].minor,
			.access = defaults[i].access};
	for (size_t i = 0; i < n_disks; i++)
		p->rules[p->n_rules++] = (struct device_rule){.type = 'b',
			.major = (int64_t)major(disks[i]),
			.minor = (int64_t)minor(disks[i]),
			.access = DEVICE_ALL};
}

int device_policy_make(const Grpc__Linux *l, struct device_policy *ret, struct err *err)
{
	size_t n_rules = l->resources ? l->resources->n_devices : 0;
	struct device_policy p = {
		.rules = calloc(n_rules + l->n_devices + ARRAY_SIZE(defaults) + GUEST_DISKS_MAX,
			sizeof(*p.rules)),
	};
	int r = 0;

	if (!p.rules)
		return err_sys(err, ENOMEM, "device rules");
	for (size_t i = 0; i < n_rules && r == 0; i++)
		r = parse_rule(l->resources->devices[i], &p.rules[p.n_rules++], err);
	for (size_t i = 0; i < l->n_devices && n_rules == 0; i++)
		if (devices_parse_type(l->devices[i]->type) != S_IFIFO)
			p.rules[p.n_rules++] = rule_of_device(l->devices[i]);
	if (r < 0) {
		device_policy_fini(&p);
		return r;
	}
	add_own_rules(&p);
	*ret = p;
	return 0;
}

void device_policy_fini(struct device_policy *policy)
{
	own_free(&policy->rules);
	*policy = (struct device_policy){.rules = NULL};
}

static int attach_filter(const struct device_policy *policy, int unified_fd)
{
	struct device_filter filter = {.n_insns = 0};
	int r = device_filter_build(policy->rules, policy->n_rules, &filter);

	if (r == 0)
		r = device_filter_attach(&filter, unified_fd);
	device_filter_fini(&filter);
	return r;
}

/* Between the old rules and the new ones there are none. */
static int write_list(const struct device_policy *policy, const struct cgroup *cgroup, int dir_fd)
{
	struct device_list list = {.n_rules = 0};
	bool was_frozen = true, froze = false;
	int r = device_list_build(policy->rules, policy->n_rules, &list), thawed = 0;

	if (r == 0 && cgroup_is_frozen(cgroup, &was_frozen) == 0 && !was_frozen) {
		r = cgroup_freeze(cgroup, clock_now_ns() + FREEZE_NS);
		froze = r == 0;
	}
	if (r == 0)
		r = device_list_write(&list, dir_fd);
	if (froze)
		thawed = cgroup_thaw(cgroup);
	device_list_fini(&list);
	return r < 0 ? r : thawed;
}

int device_policy_attach(
	const struct device_policy *policy, const struct cgroup *cgroup, struct err *err)
{
	int unified_fd = cgroup_fd_of_unified(cgroup), list_fd, r;
	bool unified;

	list_fd = cgroup_fd_of(cgroup, CGROUP_DEVICES, &unified);
	r = unified_fd >= 0 ? attach_filter(policy, unified_fd) : -ENOENT;
	/* Also on a hybrid machine whose kernel has no such programs. */
	if (r < 0 && list_fd >= 0 && !unified)
		r = write_list(policy, cgroup, list_fd);
	if (r == -ENOENT)
		return err_set(err, ENOENT,
			"the devices of the container cannot be limited: there is neither cgroup "
			"v2 nor v1's devices controller");
	if (r == -ENOTSUP)
		return err_set(err, ENOTSUP,
			"the device rules of the container cannot be expressed in cgroup v1");
	return r < 0 ? err_sys(err, -r, "limit the devices of the container") : 0;
}

int device_policy_apply(const struct cgroup *cgroup, const Grpc__Linux *linux_spec, struct err *err)
{
	struct device_policy policy = {.n_rules = 0};
	int r = device_policy_make(linux_spec, &policy, err);

	if (r == 0)
		r = device_policy_attach(&policy, cgroup, err);
	device_policy_fini(&policy);
	return r;
}
