/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/share.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "linux/mount_options.h"
#include "linux/overlay_options.h"

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

void share_plan_init(struct share_plan *plan, const struct layout *layout)
{
	*plan = (struct share_plan){.layout = layout, .channel = FD_CHANNEL_INIT};
}

void share_plan_fini(struct share_plan *plan)
{
	for (size_t i = 0; i < plan->n_items; i++) {
		free(plan->items[i].target);
		close_fd(plan->items[i].disk_fd);
	}
	fd_channel_close(&plan->channel);
	free(plan->items);
	plan->items = NULL;
	plan->n_items = 0;
	if (plan->facts)
		munmap(plan->facts, plan->n_facts * sizeof(*plan->facts));
	plan->facts = NULL;
	plan->n_facts = 0;
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
	m->disk_fd = -1;
	if (asprintf(&m->target, "%s/%s", plan->layout->rw_dir, name) < 0)
		return -ENOMEM;
	plan->n_items++;
	return 0;
}

static int make_facts(struct share_plan *plan)
{
	void *p;

	if (plan->n_items == 0 || plan->facts)
		return 0;
	p = mmap(NULL, plan->n_items * sizeof(*plan->facts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	plan->facts = p;
	plan->n_facts = plan->n_items;
	return 0;
}

const struct volume_facts *share_plan_facts(const struct share_plan *plan, size_t i)
{
	return &plan->facts[i];
}

static bool is_only_looked_at(const struct share_mount *m)
{
	return m->purpose == SHARE_SHM || m->purpose == SHARE_DEVICE || m->purpose == SHARE_DISK;
}

int share_plan_note(struct share_plan *plan, struct state *state)
{
	int r = make_facts(plan);

	if (r == 0 && plan->n_items > 0 && plan->channel.parent_fd < 0)
		r = fd_channel_open(&plan->channel);
	for (size_t i = 0; i < plan->n_items && r == 0; i++)
		if (!is_only_looked_at(&plan->items[i]))
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

int share_plan_collect(struct share_plan *plan, struct err *err)
{
	uint32_t i;
	int fd;

	if (plan->channel.parent_fd < 0)
		return 0;
	while ((fd = fd_channel_receive(&plan->channel, &i)) >= 0) {
		close_fd(plan->items[i].disk_fd);
		plan->items[i].disk_fd = fd;
	}
	fd_channel_close(&plan->channel);
	return fd == -EAGAIN ? 0 : err_sys(err, -fd, "take over the disks");
}

/* Receives what the host mounts below the source later only if it asks for that, and gives nothing
 * back. KATA: what is read-only receives nothing, for it would come in writable. */
static unsigned long propagation_of(const struct mount_options *o, bool is_readonly)
{
	return o->propagation & (MS_SLAVE | MS_SHARED) && !is_readonly ? MS_SLAVE : MS_PRIVATE;
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
	if (r == 0 && mount_options_attr(rec_set, o->rec_clear, &attr))
		r = mountfd_set(mount_fd, &attr, true);
	if (r == 0) {
		attr = (struct mount_attr){.propagation = propagation_of(o, is_readonly)};
		r = mountfd_set(mount_fd, &attr, true);
	}
	return r;
}

/* ro or rro, and not taken back by a later word. */
static bool wants_readonly(const struct share_mount *m, const struct mount_options *o)
{
	return m->is_readonly || (o->set | o->rec_set) & MS_RDONLY;
}

/* Where the agent's copies go: it has to be there, for the guest cannot make it. */
static int make_watchable_parent(const struct layout *layout, struct err *err)
{
	char dir[LAYOUT_PATH_SIZE + 16];
	int r;

	snprintf(dir, sizeof(dir), "%s/watchable", layout->rw_dir);
	r = path_mkdir(dir, 0750);
	return r < 0 ? err_sys(err, -r, "make %s", dir) : 0;
}

/* Opens what fd names again, as a disk. A file that is only named by its path can be exchanged, what fd
 * is open on cannot. */
static int pass_disk(const struct share_plan *plan, const struct share_mount *m, int fd,
	struct volume_facts *facts, struct err *err)
{
	char path[PATH_FD_SIZE];
	auto_fd int disk_fd =
		plan->refuses_disks
			? -1
			: open(path_of_fd(fd, path), (facts->is_readonly ? O_RDONLY : O_RDWR) |
							     O_CLOEXEC | O_NONBLOCK);
	int r = disk_fd < 0 ? -errno : 0;

	if (plan->refuses_disks)
		return err_set(err, ENOTSUP,
			"%s: a block device, which the configuration does not allow "
			"(disable_block_device_use)",
			m->source);
	if (r == 0)
		r = fd_channel_send(&plan->channel, (uint32_t)(m - plan->items), disk_fd);
	facts->kind = VOLUME_BLOCK;
	return r < 0 ? err_sys(err, -r, "open the disk %s", m->source) : 0;
}

/* 1: the source is to be shown to the guest. */
static int look_at(const struct share_plan *plan, const struct share_mount *m,
	const struct mount_options *o, int fd, struct volume_facts *ret, struct err *err)
{
	struct volume_wish wish = {.source = m->source,
		.is_readonly = wants_readonly(m, o),
		.wants_local = plan->wants_local};
	int r = volume_look(fd, &wish, ret, err);

	if (r == 0 && ret->kind == VOLUME_BLOCK)
		r = m->purpose == SHARE_VOLUME
			    ? pass_disk(plan, m, fd, ret, err)
			    : err_set(err, ENOTSUP, "bind %s: a block device", m->source);
	if (r == 0 && ret->kind == VOLUME_WATCHABLE)
		r = make_watchable_parent(plan->layout, err);
	if (r < 0)
		return r;
	if (m->purpose == SHARE_ROOTFS && !S_ISDIR(ret->mode))
		return err_set(err, ENOTDIR, "root file system %s: not a directory", m->source);
	return m->purpose != SHARE_VOLUME || !volume_is_guests(ret->kind);
}

/* The source is looked up once: what has been looked at is what is shown, whatever its path leads to
 * by then. */
static int bind_mount(const struct share_plan *plan, const struct share_mount *m,
	const struct mount_options *o, struct volume_facts *facts, struct err *err)
{
	auto_fd int mount_fd = mountfd_clone(AT_FDCWD, m->source, o->bind_recursive);
	auto_fd int target_fd = -1;
	int r;

	if (mount_fd < 0)
		return err_sys(err, -mount_fd, "bind %s", m->source);
	r = look_at(plan, m, o, mount_fd, facts, err);
	if (r <= 0)
		return r;
	r = set_attributes(mount_fd, o, wants_readonly(m, o));
	if (r < 0)
		return err_sys(err, -r, "set the mount options of %s", m->source);
	target_fd = open_target(m->target, S_ISDIR(facts->mode));
	if (target_fd < 0)
		return err_sys(err, -target_fd, "make %s", m->target);
	r = mountfd_attach(mount_fd, target_fd);
	return r < 0 ? err_sys(err, -r, "mount %s at %s", m->source, m->target) : 0;
}

/* From a working directory that makes its options short enough, which is left again. */
static int mount_overlay_from_above(
	const struct share_mount *m, int target_fd, unsigned long flags, const char *data)
{
	auto_buf struct buf options = BUF_INIT, dir = BUF_INIT;
	auto_fd int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = here < 0 ? -errno : overlay_options_shorten(data, &options, &dir);

	if (r == 0 && buf_len(&options) > MOUNT_DATA_MAX)
		r = -E2BIG;
	if (r < 0)
		return r;
	if (chdir(buf_str(&dir)) < 0)
		return -errno;
	r = mountfd_mount(m->source, target_fd, m->type, flags, buf_str(&options));
	return fchdir(here) < 0 && r == 0 ? -errno : r;
}

static int file_system_mount(
	const struct share_mount *m, const struct mount_options *o, struct err *err)
{
	auto_fd int target_fd = -1;
	bool is_long = buf_len(&o->data) > MOUNT_DATA_MAX;
	unsigned long flags = (o->set | o->rec_set | (m->is_readonly ? MS_RDONLY : 0)) & ~o->clear;
	int r;

	if (is_long && strcmp(m->type, "overlay") != 0)
		return err_set(err, E2BIG, "mount %s: options longer than a page", m->type);
	target_fd = open_target(m->target, true);
	if (target_fd < 0)
		return err_sys(err, -target_fd, "make %s", m->target);
	if (is_long)
		r = mount_overlay_from_above(m, target_fd, flags, buf_str(&o->data));
	else
		r = mountfd_mount(m->source, target_fd, m->type, flags, buf_str(&o->data));
	return r < 0 ? err_sys(err, -r, "mount %s %s at %s", m->type, m->source, m->target) : 0;
}

/* One that cannot be looked at limits nothing. */
static void look_at_shm(const struct share_mount *m, struct volume_facts *ret)
{
	struct volume_wish wish = {.source = m->source, .is_shm = true};
	auto_fd int fd = open(m->source, O_PATH | O_CLOEXEC);

	if (fd < 0 || volume_look(fd, &wish, ret, NULL) < 0)
		*ret = (struct volume_facts){.kind = VOLUME_SHM};
}

/* What is not there is the guest's affair, for so is /dev. */
static int look_at_device(
	const struct share_plan *plan, size_t i, const struct mount_options *o, struct err *err)
{
	const struct share_mount *m = &plan->items[i];
	struct volume_facts *facts = &plan->facts[i];
	auto_fd int fd = open(m->source, O_PATH | O_CLOEXEC);
	struct volume_wish wish = {.source = m->source, .is_readonly = wants_readonly(m, o)};
	struct stat st;

	facts->kind = VOLUME_SHARED;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	if (volume_look(fd, &wish, facts, err) < 0)
		return -ENOTSUP;
	return pass_disk(plan, m, fd, facts, err);
}

/* The disk that a file system is on. */
static int look_at_disk(
	const struct share_plan *plan, size_t i, const struct mount_options *o, struct err *err)
{
	const struct share_mount *m = &plan->items[i];
	struct volume_facts *facts = &plan->facts[i];
	auto_fd int fd = open(m->source, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s %s", m->type, m->source);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, ENOTBLK, "%s %s: neither a block device nor a regular file",
			m->type, m->source);
	*facts = (struct volume_facts){.mode = st.st_mode,
		.device = S_ISBLK(st.st_mode) ? st.st_rdev : 0,
		.is_readonly = wants_readonly(m, o)};
	return pass_disk(plan, m, fd, facts, err);
}

static int mount_one(const struct share_plan *plan, size_t i, struct err *err)
{
	const struct share_mount *m = &plan->items[i];
	struct mount_options o;
	int r;

	if (m->purpose == SHARE_SHM) {
		look_at_shm(m, &plan->facts[i]);
		return 0;
	}
	r = mount_options_parse(m->options, m->n_options, &o);
	if (r < 0)
		return err_sys(err, -r, "read the mount options");
	if (m->purpose == SHARE_DEVICE)
		r = look_at_device(plan, i, &o, err);
	else if (m->purpose == SHARE_DISK)
		r = look_at_disk(plan, i, &o, err);
	else if (o.bind || strcmp(m->type, "bind") == 0)
		r = bind_mount(plan, m, &o, &plan->facts[i], err);
	else
		r = file_system_mount(m, &o, err);
	mount_options_fini(&o);
	return r;
}

int share_plan_mount(const struct share_plan *plan, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < plan->n_items && r == 0; i++)
		r = mount_one(plan, i, err);
	return r;
}
