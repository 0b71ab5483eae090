/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/log.h"
#include "base/path.h"

/*
 * Upstream's limit of files that the agent is asked to copy (its own is 16 entries). The depth is
 * ours: these volumes have two levels, and four are plenty.
 */
enum { WATCHABLE_MAX_FILES = 8, WATCHABLE_MAX_DEPTH = 4 };

/* Not in every libc's headers. */
enum { CONFIGFS = 0x62656570, FUSECTL = 0x65735543, MQUEUE = 0x19800202, RPC_PIPEFS = 0x67596969 };

/* A path to them may be a symbolic link from anywhere, so the name says nothing. */
static const struct {
	unsigned long magic;
	const char *name;
} kernel_file_systems[] = {
	{PROC_SUPER_MAGIC, "proc"},
	{SYSFS_MAGIC, "sysfs"},
	{CGROUP_SUPER_MAGIC, "cgroup"},
	{CGROUP2_SUPER_MAGIC, "cgroup2"},
	{DEBUGFS_MAGIC, "debugfs"},
	{TRACEFS_MAGIC, "tracefs"},
	{SECURITYFS_MAGIC, "securityfs"},
	{SELINUX_MAGIC, "selinuxfs"},
	{SMACK_MAGIC, "smackfs"},
	{BPF_FS_MAGIC, "bpf"},
	{PSTOREFS_MAGIC, "pstore"},
	{EFIVARFS_MAGIC, "efivarfs"},
	{DEVPTS_SUPER_MAGIC, "devpts"},
	{BINFMTFS_MAGIC, "binfmt_misc"},
	{NSFS_MAGIC, "nsfs"},
	{CONFIGFS, "configfs"},
	{FUSECTL, "fusectl"},
	{MQUEUE, "mqueue"},
	{RPC_PIPEFS, "rpc_pipefs"},
};

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The last component but one of path is name. */
static bool is_in(const char *path, const char *name)
{
	size_t len = strlen(path), n = strlen(name);

	while (len > 0 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 0 && path[len - 1] == '/')
		len--;
	return len > n && memcmp(path + len - n, name, n) == 0 && path[len - n - 1] == '/';
}

static bool is_empty_dir(const char *path)
{
	return is_in(path, "kubernetes.io~empty-dir");
}

static bool follows_api(const char *path)
{
	return is_in(path, "kubernetes.io~configmap") || is_in(path, "kubernetes.io~secret") ||
	       is_in(path, "kubernetes.io~projected") || is_in(path, "kubernetes.io~downward-api");
}

/* Files and links at dir_fd and below, but for directories; WATCHABLE_MAX_FILES + 1 if there are
 * more, and if it cannot be told. */
static int count_files(int dir_fd, int depth)
{
	const int many = WATCHABLE_MAX_FILES + 1;
	DIR *dir = depth < WATCHABLE_MAX_DEPTH ? path_open_dir(dir_fd, ".", O_NOFOLLOW) : NULL;
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return many;
	while (n < many && (entry = readdir(dir))) {
		auto_fd int child = -1;

		if (is_dot(entry->d_name))
			continue;
		child = openat(
			dirfd(dir), entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			n += count_files(child, depth + 1);
		else
			n += errno == ENOTDIR || errno == ELOOP ? 1 : many;
	}
	closedir(dir);
	return n < many ? n : many;
}

static bool is_watchable(int fd, const struct volume_wish *wish)
{
	int n;

	/* What the container writes into a copy would be lost. */
	if (!wish->is_readonly || !follows_api(wish->source))
		return false;
	n = count_files(fd, 0);
	return n >= 1 && n <= WATCHABLE_MAX_FILES;
}

/* devtmpfs calls itself tmpfs. Where /dev is no file system of its own there is nothing to tell. */
static bool is_on_dev(const struct stat *st)
{
	struct stat dev, root;

	return stat("/dev", &dev) == 0 && stat("/", &root) == 0 && dev.st_dev != root.st_dev &&
	       st->st_dev == dev.st_dev;
}

static int refuse_hosts_own(const struct volume_wish *wish, const struct stat *st,
	const struct statfs *fs, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernel_file_systems); i++)
		if ((unsigned long)fs->f_type == kernel_file_systems[i].magic)
			return err_set(err, ENOTSUP,
				"bind %s: the host's %s cannot be shared with a virtual machine",
				wish->source, kernel_file_systems[i].name);
	if (S_ISCHR(st->st_mode))
		return err_set(err, ENOTSUP,
			"bind %s: a character device cannot be shared with a virtual machine",
			wish->source);
	if (is_on_dev(st))
		return err_set(err, ENOTSUP,
			"bind %s: the host's /dev cannot be shared with a virtual machine",
			wish->source);
	return 0;
}

static enum volume_kind kind_of(
	int fd, const struct volume_wish *wish, const struct stat *st, const struct statfs *fs)
{
	if (wish->is_shm)
		return VOLUME_SHM;
	if (S_ISBLK(st->st_mode))
		return VOLUME_BLOCK;
	if (!S_ISDIR(st->st_mode))
		return VOLUME_SHARED;
	if (is_empty_dir(wish->source)) {
		if ((unsigned long)fs->f_type == HUGETLBFS_MAGIC)
			return VOLUME_HUGEPAGES;
		if ((unsigned long)fs->f_type == TMPFS_MAGIC)
			return VOLUME_MEMORY;
		return wish->wants_local ? VOLUME_LOCAL : VOLUME_SHARED;
	}
	return is_watchable(fd, wish) ? VOLUME_WATCHABLE : VOLUME_SHARED;
}

int volume_look(int fd, const struct volume_wish *wish, struct volume_facts *ret, struct err *err)
{
	struct volume_facts facts = {0};
	struct statfs fs;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(err, errno, "look at %s", wish->source);
	/* The node of a disk stands in /dev mostly. */
	r = S_ISBLK(st.st_mode) ? 0 : refuse_hosts_own(wish, &st, &fs, err);
	if (r < 0)
		return r;
	facts.kind = kind_of(fd, wish, &st, &fs);
	facts.mode = st.st_mode;
	facts.uid = st.st_uid;
	facts.gid = st.st_gid;
	facts.device = S_ISBLK(st.st_mode) ? st.st_rdev : 0;
	facts.is_readonly = wish->is_readonly;
	if (__builtin_mul_overflow((uint64_t)fs.f_blocks, (uint64_t)fs.f_bsize, &facts.size))
		facts.size = 0;
	facts.page_size = facts.kind == VOLUME_HUGEPAGES ? (uint64_t)fs.f_bsize : 0;
	if (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode))
		log_write(LOG_WARN, "volume",
			"a socket or named pipe connects processes of the guest only", "source",
			wish->source, NULL);
	*ret = facts;
	return 0;
}

bool volume_is_guests(enum volume_kind kind)
{
	return kind == VOLUME_MEMORY || kind == VOLUME_HUGEPAGES || kind == VOLUME_LOCAL ||
	       kind == VOLUME_SHM || kind == VOLUME_BLOCK;
}
