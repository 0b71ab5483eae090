/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The kernel unpacks the initramfs into rootfs and runs /init from it. Containers could not use
 * pivot_root there: rootfs is the bottom of the mount tree and cannot be moved away. So the agent
 * mounts an empty tmpfs, makes the guest's directories and mounts in it, and moves it over "/", as
 * a distribution's initramfs does. Before that it removes what the initramfs held, which gives its
 * memory back (modules are needed once) and leaves no path by which a container could reach the
 * agent's program: the running program keeps its pages, without a name. What can still be opened
 * through /proc/<pid>/exe cannot be written, since PID 1 runs it for as long as there is a guest
 * (ETXTBSY).
 *
 * An initramfs with programs has them below /usr, to which /bin, /sbin, /lib and /lib64 are links.
 * That directory stays where it is, and is seen read-only in the new root.
 *
 * A guest whose root is an image (a block device, virtio-fs) keeps it; pivot_root works there.
 */
#include "agent/init.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "agent/span.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "linux/modules.h"
#include "linux/namespace.h"

#define NEW_ROOT ".root"
#define MODULE_LIST "/lib/modules/load"
#define PROGRAMS "/usr"

enum {
	MAX_SMALL_FILE = 64 << 10,
	/* Enough for 1,000 execs at once (three pipes each), and what container engines use. */
	MAX_FILES = 1 << 20,
};

struct mount_point {
	const char *target; /* below the root */
	const char *source, *type;
	unsigned long flags;
	const char *data;
};

static const struct mount_point mount_points[] = {
	{"proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
	{"sys", "sysfs", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
	{"dev", "dev", "devtmpfs", MS_NOSUID, NULL},
	{"dev/shm", "tmpfs", "tmpfs", MS_NOSUID | MS_NODEV, NULL},
	{"dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC, NULL},
	{"run", "tmpfs", "tmpfs", MS_NOSUID | MS_NODEV, NULL},
	{"sys/fs/cgroup", "cgroup2", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME,
		"nsdelegate"},
};

/* True when "/" is what the kernel unpacked: only that may be emptied. */
static bool is_initramfs(void)
{
	struct statfs fs;

	return statfs("/", &fs) == 0 && (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC);
}

/* Relative to the current directory, which is the root to be. */
static int mount_all(struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_points); i++) {
		const struct mount_point *m = &mount_points[i];
		int r = path_mkdir(m->target, 0755);

		if (r < 0)
			return err_sys(err, -r, "mkdir /%s", m->target);
		/* EBUSY: the kernel (CONFIG_DEVTMPFS_MOUNT) or somebody before us has mounted it.
		 */
		if (mount(m->source, m->target, m->type, m->flags, m->data) < 0 && errno != EBUSY)
			return err_sys(err, errno, "mount %s on /%s", m->type, m->target);
	}
	return 0;
}

/* The kernel opens /dev/console for us if the initramfs has one; else the numbers are free, and the
 * next files we open would become somebody's standard output. */
static void open_stdio(void)
{
	while (fcntl(STDERR_FILENO, F_GETFD) < 0) {
		int fd = open("dev/console", O_RDWR | O_NOCTTY);

		if (fd < 0)
			fd = open("dev/null", O_RDWR);
		if (fd < 0 || fd >= STDERR_FILENO)
			return;
	}
}

static void load_module(const char *path)
{
	int r = modules_load(path, "");

	if (r < 0)
		log_write(LOG_ERROR, "modules", "cannot load module", "path", path, "error",
			strerror(-r), NULL);
}

static void load_modules(void)
{
	auto_buf struct buf list = BUF_INIT;
	int r = io_read_file(AT_FDCWD, MODULE_LIST, MAX_SMALL_FILE, &list);
	const char *at = buf_str(&list);

	if (r < 0) {
		log_printf(r == -ENOENT ? LOG_INFO : LOG_ERROR, "modules", "no modules: %s: %s",
			MODULE_LIST, strerror(-r));
		return;
	}
	while (*at) {
		size_t len = strcspn(at, "\n");
		auto_free char *path = strndup(at, len);

		if (path && *path)
			load_module(path);
		at += len + (at[len] == '\n');
	}
}

/* Of the initramfs; the current directory is the new root. */
static int keep_programs(struct err *err)
{
	static const char *const links[] = {"/bin", "/sbin", "/lib", "/lib64"};
	const unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV;

	if (access(PROGRAMS, F_OK) < 0)
		return 0;
	if (mkdir(&PROGRAMS[1], 0755) < 0 ||
		mount(PROGRAMS, &PROGRAMS[1], NULL, MS_BIND, NULL) < 0 ||
		mount(NULL, &PROGRAMS[1], NULL, flags, NULL) < 0)
		return err_sys(err, errno, "keep " PROGRAMS);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		char target[PATH_MAX];
		ssize_t len = readlink(links[i], target, sizeof(target) - 1);

		if (len < 0)
			continue;
		target[len] = '\0';
		if (symlink(target, links[i] + 1) < 0)
			return err_sys(err, errno, "link %s", links[i]);
	}
	return 0;
}

static void empty_initramfs(void)
{
	DIR *dir = opendir("/");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
			strcmp(name, NEW_ROOT) == 0 || strcmp(name, &PROGRAMS[1]) == 0)
			continue;
		/* What stays costs memory and is hidden by the new root. */
		(void)!path_remove_tree(dirfd(dir), name);
	}
	closedir(dir);
}

/* Mounts a tmpfs for the new root and goes there. */
static int enter_new_root(struct err *err)
{
	if (mkdir("/" NEW_ROOT, 0755) < 0 && errno != EEXIST)
		return err_sys(err, errno, "mkdir /%s", NEW_ROOT);
	/* It holds directories and links only; everything that grows lives in /run and /dev/shm. */
	if (mount("root", "/" NEW_ROOT, "tmpfs", 0, "mode=0755,size=4m") < 0)
		return err_sys(err, errno, "mount the root file system");
	if (chdir("/" NEW_ROOT) < 0 || mkdir("etc", 0755) < 0 || mkdir("tmp", 01777) < 0 ||
		mkdir("var", 0755) < 0 || symlink("/run", "var/run") < 0)
		return err_sys(err, errno, "make directories of the root file system");
	return 0;
}

/* Makes the current directory "/". */
static int switch_root(struct err *err)
{
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(err, errno, "move to the root file system");
	return 0;
}

static int set_up_root(struct err *err)
{
	bool initramfs = is_initramfs();
	int r = initramfs ? enter_new_root(err) : chdir("/");

	if (r == 0)
		r = mount_all(err);
	if (r == 0 && initramfs)
		r = keep_programs(err);
	if (r < 0)
		return r;
	open_stdio();
	span_boot("mounts");
	load_modules();
	span_boot("modules");
	if (!initramfs)
		return 0;
	empty_initramfs();
	return switch_root(err);
}

/* devtmpfs has a node of its own there, which would serve the first devpts only. */
static int link_ptmx(struct err *err)
{
	if ((unlink("/dev/ptmx") < 0 && errno != ENOENT) || symlink("pts/ptmx", "/dev/ptmx") < 0)
		return err_sys(err, errno, "link /dev/ptmx");
	return 0;
}

static void set_hostname(void)
{
	auto_buf struct buf text = BUF_INIT;
	const char *name = "localhost";
	size_t len;

	if (io_read_file(AT_FDCWD, "/etc/hostname", MAX_SMALL_FILE, &text) == 0) {
		const char *at = buf_str(&text) + strspn(buf_str(&text), " \n");

		if (*at)
			name = at;
	}
	len = strcspn(name, " \n");
	if (sethostname(name, len) < 0)
		log_printf(LOG_WARN, "root", "set hostname: %s", strerror(errno));
}

static void bring_lo_up(void)
{
	int r = namespace_loopback_up();

	if (r < 0)
		log_printf(LOG_ERROR, "network", "bring lo up: %s", strerror(-r));
}

static void raise_limits(void)
{
	struct rlimit files = {.rlim_cur = MAX_FILES, .rlim_max = MAX_FILES};

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_printf(LOG_WARN, "root", "raise the limit of open files: %s", strerror(errno));
}

int init_set_up(struct err *err)
{
	int r = set_up_root(err);

	span_boot("root");
	if (r == 0)
		r = link_ptmx(err);
	if (r < 0)
		return r;
	(void)setsid();
	(void)ioctl(STDIN_FILENO, TIOCSCTTY, 1);
	(void)setenv("PATH", "/bin:/sbin/:/usr/bin/:/usr/sbin/", 1);
	raise_limits();
	set_hostname();
	bring_lo_up();
	return 0;
}

void init_power_off(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	/* The kernel came back: without power management it can only halt. Ending as PID 1 panics,
	 * which with panic= on the command line ends the machine as well. */
	_exit(1);
}
