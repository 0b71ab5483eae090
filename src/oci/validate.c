/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/validate.h"

#include <stdio.h>
#include <string.h>

#include "linux/caps.h"

struct checker {
	const char *what, *path; /* borrowed: what messages start with */
	struct err *err;
};

static bool is_one_of(const char *s, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(s, *names) == 0)
			return true;
	return false;
}

/* Only as the specification writes them: caps_parse() takes more. */
static bool is_capability(const char *name)
{
	int nr = caps_parse(name);

	return nr >= 0 && strncmp(name, "CAP_", 4) == 0 && strcmp(name + 4, caps_name(nr)) == 0;
}

static int check_capability_set(
	const struct checker *c, const char *set, char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_capability(names[i]))
			return err_set(c->err, EINVAL,
				"%s: %scapabilities.%s[%zu]: unknown capability \"%s\"", c->what,
				c->path, set, i, names[i]);
	return 0;
}

static int check_capabilities(const struct checker *c, const Grpc__LinuxCapabilities *caps)
{
	const struct {
		const char *set;
		char *const *names;
		size_t n;
	} sets[] = {
		{"bounding", caps->bounding, caps->n_bounding},
		{"effective", caps->effective, caps->n_effective},
		{"inheritable", caps->inheritable, caps->n_inheritable},
		{"permitted", caps->permitted, caps->n_permitted},
		{"ambient", caps->ambient, caps->n_ambient},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		int r = check_capability_set(c, sets[i].set, sets[i].names, sets[i].n);

		if (r < 0)
			return r;
	}
	return 0;
}

/* 2^32-1 is (uid_t)-1, which setresuid and chown take for "leave as it is": root stays root. */
static int check_id(const struct checker *c, const char *name, uint32_t id)
{
	if (id != UINT32_MAX)
		return 0;
	return err_set(
		c->err, EINVAL, "%s: %suser.%s: %u is not a valid id", c->what, c->path, name, id);
}

static int check_user(const struct checker *c, const Grpc__User *user)
{
	int r = check_id(c, "uid", user->uid);

	if (r == 0)
		r = check_id(c, "gid", user->gid);
	for (size_t i = 0; i < user->n_additionalgids && r == 0; i++) {
		char name[48];

		snprintf(name, sizeof(name), "additionalGids[%zu]", i);
		r = check_id(c, name, user->additionalgids[i]);
	}
	return r;
}

static int check_rlimit(const struct checker *c, Grpc__POSIXRlimit *const *limits, size_t i)
{
	static const char *const types[] = {"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA",
		"RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE",
		"RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
		"RLIMIT_SIGPENDING", "RLIMIT_STACK", NULL};
	const char *type = limits[i]->type ? limits[i]->type : "";

	if (!is_one_of(type, types))
		return err_set(c->err, EINVAL, "%s: %srlimits[%zu].type: unknown limit \"%s\"",
			c->what, c->path, i, type);
	if (limits[i]->soft > limits[i]->hard)
		return err_set(c->err, EINVAL,
			"%s: %srlimits[%zu]: %s: the soft limit is above the hard one", c->what,
			c->path, i, type);
	for (size_t before = 0; before < i; before++)
		if (strcmp(limits[before]->type, type) == 0)
			return err_set(c->err, EINVAL, "%s: %srlimits[%zu]: %s is given twice",
				c->what, c->path, i, type);
	return 0;
}

static int check_command(const struct checker *c, const Grpc__Process *p)
{
	if (p->n_args == 0)
		return err_set(c->err, EINVAL, "%s: %sargs is missing or empty", c->what, c->path);
	if (!*p->args[0])
		return err_set(c->err, EINVAL, "%s: %sargs[0] is empty", c->what, c->path);
	if (!p->cwd || !*p->cwd)
		return err_set(c->err, EINVAL, "%s: %scwd is missing", c->what, c->path);
	if (*p->cwd != '/')
		return err_set(c->err, EINVAL, "%s: %scwd: \"%s\" is not absolute", c->what,
			c->path, p->cwd);
	return 0;
}

int oci_process_validate(
	const Grpc__Process *p, const char *what, const char *path, struct err *err)
{
	const struct checker c = {.what = what, .path = path, .err = err};
	int r = check_command(&c, p);

	if (r == 0 && p->user)
		r = check_user(&c, p->user);
	if (r == 0 && p->capabilities)
		r = check_capabilities(&c, p->capabilities);
	for (size_t i = 0; i < p->n_rlimits && r == 0; i++)
		r = check_rlimit(&c, p->rlimits, i);
	if (r == 0 && p->has_oomscoreadj && (p->oomscoreadj < -1000 || p->oomscoreadj > 1000))
		r = err_set(err, EINVAL, "%s: %soomScoreAdj: %lld is out of range (-1000 to 1000)",
			what, path, (long long)p->oomscoreadj);
	return r;
}

static int check_namespaces(const struct checker *c, const Grpc__Linux *l)
{
	static const char *const types[] = {
		"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time", NULL};

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const char *type = l->namespaces[i]->type ? l->namespaces[i]->type : "";
		const char *path = l->namespaces[i]->path;

		if (!is_one_of(type, types))
			return err_set(c->err, EINVAL,
				"%s: linux.namespaces[%zu].type: unknown namespace \"%s\"", c->what,
				i, type);
		if (path && *path && *path != '/')
			return err_set(c->err, EINVAL,
				"%s: linux.namespaces[%zu].path: \"%s\" is not absolute", c->what,
				i, path);
		for (size_t before = 0; before < i; before++)
			if (strcmp(l->namespaces[before]->type, type) == 0)
				return err_set(c->err, EINVAL,
					"%s: linux.namespaces[%zu]: %s is given twice", c->what, i,
					type);
	}
	return 0;
}

/* Linux keeps a device's major in 12 bits and its minor in 20. */
static bool is_device_number(const Grpc__LinuxDevice *d)
{
	return d->major >= 0 && d->major < 1 << 12 && d->minor >= 0 && d->minor < 1 << 20;
}

static int check_device(const struct checker *c, const Grpc__LinuxDevice *d, size_t i)
{
	static const char *const types[] = {"c", "b", "u", "p", NULL};
	const char *type = d->type ? d->type : "", *path = d->path ? d->path : "";

	if (!is_one_of(type, types))
		return err_set(c->err, EINVAL, "%s: linux.devices[%zu].type: unknown type \"%s\"",
			c->what, i, type);
	if (*path != '/')
		return err_set(c->err, EINVAL,
			"%s: linux.devices[%zu].path: \"%s\" is not absolute", c->what, i, path);
	if (*type != 'p' && !is_device_number(d))
		return err_set(c->err, EINVAL,
			"%s: linux.devices[%zu]: %s: there is no device %lld:%lld", c->what, i,
			path, (long long)d->major, (long long)d->minor);
	if ((d->has_uid && d->uid == UINT32_MAX) || (d->has_gid && d->gid == UINT32_MAX))
		return err_set(c->err, EINVAL, "%s: linux.devices[%zu]: %u is not a valid id",
			c->what, i, UINT32_MAX);
	return 0;
}

static int check_linux(const struct checker *c, const Grpc__Linux *l)
{
	static const char *const propagations[] = {"", "shared", "rshared", "slave", "rslave",
		"private", "rprivate", "unbindable", "runbindable", NULL};
	int r = check_namespaces(c, l);

	for (size_t i = 0; i < l->n_devices && r == 0; i++)
		r = check_device(c, l->devices[i], i);
	if (r == 0 && l->resources)
		r = oci_resources_validate(l->resources, c->what, "linux.resources.", c->err);
	if (r == 0 && l->rootfspropagation && !is_one_of(l->rootfspropagation, propagations))
		r = err_set(c->err, EINVAL, "%s: linux.rootfsPropagation: unknown value \"%s\"",
			c->what, l->rootfspropagation);
	return r;
}

static int check_mounts(const struct checker *c, const Grpc__Spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!spec->mounts[i]->destination || !*spec->mounts[i]->destination)
			return err_set(c->err, EINVAL, "%s: mounts[%zu].destination is missing",
				c->what, i);
	return 0;
}

static int check_hooks(
	const struct checker *c, const char *kind, Grpc__Hook *const *hooks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *path = hooks[i]->path ? hooks[i]->path : "";

		if (*path != '/')
			return err_set(c->err, EINVAL,
				"%s: hooks.%s[%zu].path: \"%s\" is not absolute", c->what, kind, i,
				path);
		if (hooks[i]->has_timeout && hooks[i]->timeout <= 0)
			return err_set(c->err, EINVAL,
				"%s: hooks.%s[%zu].timeout: %lld is not greater than zero", c->what,
				kind, i, (long long)hooks[i]->timeout);
	}
	return 0;
}

static int check_all_hooks(const struct checker *c, const Grpc__Hooks *h)
{
	const struct {
		const char *kind;
		Grpc__Hook *const *hooks;
		size_t n;
	} all[] = {
		{"prestart", h->prestart, h->n_prestart},
		{"createRuntime", h->createruntime, h->n_createruntime},
		{"createContainer", h->createcontainer, h->n_createcontainer},
		{"startContainer", h->startcontainer, h->n_startcontainer},
		{"poststart", h->poststart, h->n_poststart},
		{"poststop", h->poststop, h->n_poststop},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int r = check_hooks(c, all[i].kind, all[i].hooks, all[i].n);

		if (r < 0)
			return r;
	}
	return 0;
}

int oci_spec_validate(const Grpc__Spec *spec, const char *what, struct err *err)
{
	const struct checker c = {.what = what, .path = "process.", .err = err};
	int r;

	if (!spec->process)
		return err_set(err, EINVAL, "%s: process is missing", what);
	if (!spec->root)
		return err_set(err, EINVAL, "%s: root is missing", what);
	if (!spec->root->path || !*spec->root->path)
		return err_set(err, EINVAL, "%s: root.path is missing", what);
	r = oci_process_validate(spec->process, what, c.path, err);
	if (r == 0)
		r = check_mounts(&c, spec);
	if (r == 0 && spec->hooks)
		r = check_all_hooks(&c, spec->hooks);
	if (r == 0 && spec->linux)
		r = check_linux(&c, spec->linux);
	return r;
}
