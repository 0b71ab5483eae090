/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/share.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "linux/mount_options.h"

/* mount(2) reads one page of data and ignores the rest. */
enum { MOUNT_DATA_MAX = 4095 };

static int make_readonly_view(const struct layout *layout)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_SLAVE};
	auto_fd int view_fd = mountfd_clone(AT_FDCWD, layout->rw_dir, false);
	auto_fd int target_fd = -1;
	int r;

	if (view_fd < 0)
		return view_fd;
	r = mountfd_set(view_fd, &attr, false);
	if (r < 0)
		return r;
	target_fd = open(layout->ro_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return target_fd < 0 ? -errno : mountfd_attach(view_fd, target_fd);
}

int share_make(const struct layout *layout, struct state *state, struct err *err)
{
	char passthrough[LAYOUT_PATH_SIZE + 16];
	int r = path_mkdir(layout->share_dir, 0700);

	snprintf(passthrough, sizeof(passthrough), "%s/passthrough", layout->rw_dir);
	if (r == 0)
		r = path_mkdir(passthrough, 0750);
	if (r == 0)
		r = path_mkdir(layout->ro_dir, 0700);
	if (r < 0)
		return err_sys(err, -r, "make %s", layout->share_dir);
	r = state_note_mount(state, layout->ro_dir);
	if (r < 0)
		return err_sys(err, -r, "note %s", layout->ro_dir);
	r = make_readonly_view(layout);
	if (r < 0)
		return err_sys(err, -r, "mount %s", layout->ro_dir);
	return 0;
}

void share_plan_fini(struct share_plan *plan)
{
	for (size_t i = 0; i < plan->n_items; i++)
		free(plan->items[i].target);
	free(plan->items);
	plan->items = NULL;
	plan->n_items = 0;
}

int share_plan_add(struct share_plan *plan, const struct share_mount *mount, const char *name)
{
	struct share_mount *items = reallocarray(plan->items, plan->n_items + 1, sizeof(*items));
	struct share_mount *m;

	if (!items)
		return -ENOMEM;
	plan->items = items;
	m = &items[plan->n_items];
	*m = *mount;
	if (asprintf(&m->target, "%s/passthrough/%s", plan->layout->rw_dir, name) < 0)
		return -ENOMEM;
	plan->n_items++;
	return 0;
}

int share_plan_note(const struct share_plan *plan, struct state *state)
{
	int r = 0;

	for (size_t i = 0; i < plan->n_items && r == 0; i++)
		r = state_note_mount(state, plan->items[i].target);
	return r;
}

/* Makes target of the kind that a mount of source_fd needs and opens it. */
static int open_target(const char *target, bool is_dir)
{
	auto_free char *parent = strdup(target);
	auto_fd int fd = -1;
	int r;

	if (!parent)
		return -ENOMEM;
	if (is_dir) {
		r = path_mkdir(target, 0750);
	} else {
		*strrchr(parent, '/') = '\0';
		r = path_mkdir(parent, 0750);
		if (r == 0) {
			fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
			r = fd < 0 ? -errno : 0;
		}
	}
	if (r < 0)
		return r;
	r = open(target, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

static int set_attributes(int mount_fd, const struct mount_options *o, bool is_readonly)
{
	struct mount_attr attr;
	unsigned long rec_set = o->rec_set | (is_readonly ? MS_RDONLY : 0);
	int r = 0;

	if (mount_options_attr(o->set, o->clear, &attr))
		r = mountfd_set(mount_fd, &attr, false);
	/* Read-only means everything below too: a writable mount in a read-only one would surprise.
	 */
	if (r == 0 && mount_options_attr(rec_set | (o->set & MS_RDONLY), o->rec_clear, &attr))
		r = mountfd_set(mount_fd, &attr, true);
	if (r == 0) {
		/* Receives what the host mounts below the source later, and gives nothing back. */
		attr = (struct mount_attr){.propagation = MS_SLAVE};
		r = mountfd_set(mount_fd, &attr, true);
	}
	return r;
}

static int bind_mount(const struct share_mount *m, const struct mount_options *o, struct err *err)
{
	auto_fd int mount_fd = mountfd_clone(AT_FDCWD, m->source, o->bind_recursive);
	auto_fd int target_fd = -1;
	struct stat st;
	int r;

	if (mount_fd < 0)
		return err_sys(err, -mount_fd, "bind %s", m->source);
	if (fstat(mount_fd, &st) < 0)
		return err_sys(err, errno, "stat %s", m->source);
	if (S_ISBLK(st.st_mode))
		return err_set(
			err, ENOTSUP, "bind %s: block devices are not supported yet", m->source);
	r = set_attributes(mount_fd, o, m->is_readonly);
	if (r < 0)
		return err_sys(err, -r, "set the mount options of %s", m->source);
	target_fd = open_target(m->target, S_ISDIR(st.st_mode));
	if (target_fd < 0)
		return err_sys(err, -target_fd, "make %s", m->target);
	r = mountfd_attach(mount_fd, target_fd);
	return r < 0 ? err_sys(err, -r, "mount %s at %s", m->source, m->target) : 0;
}

static int file_system_mount(
	const struct share_mount *m, const struct mount_options *o, struct err *err)
{
	auto_fd int target_fd = -1;
	unsigned long flags = (o->set | o->rec_set | (m->is_readonly ? MS_RDONLY : 0)) & ~o->clear;
	int r;

	if (buf_len(&o->data) > MOUNT_DATA_MAX)
		return err_set(err, E2BIG,
			"mount %s: options longer than a page are not supported yet", m->type);
	target_fd = open_target(m->target, true);
	if (target_fd < 0)
		return err_sys(err, -target_fd, "make %s", m->target);
	r = mountfd_mount(m->source, target_fd, m->type, flags, buf_str(&o->data));
	return r < 0 ? err_sys(err, -r, "mount %s %s at %s", m->type, m->source, m->target) : 0;
}

static int mount_one(const struct share_mount *m, struct err *err)
{
	struct mount_options o;
	int r = mount_options_parse(m->options, m->n_options, &o);

	if (r < 0)
		return err_sys(err, -r, "read the mount options");
	if (o.bind || strcmp(m->type, "bind") == 0)
		r = bind_mount(m, &o, err);
	else
		r = file_system_mount(m, &o, err);
	mount_options_fini(&o);
	return r;
}

int share_plan_mount(const struct share_plan *plan, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < plan->n_items && r == 0; i++)
		r = mount_one(&plan->items[i], err);
	return r;
}
