/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a device in sysfs. The events of the kernel only say when to look: what is there, and
 * where, is sysfs's word alone, so that a device that was there before is found in the same way as
 * one that has just come.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/device/want.h"
#include "base/io.h"
#include "base/path.h"
#include "linux/uevent.h"

enum { MAX_UEVENT_FILE = 4096 };

/* Appends the one name in the directory that matches; -ENOENT if there is none. */
static int append_one(
	int sys_fd, char devpath[static PCI_DEVPATH_SIZE], bool (*matches)(const char *name))
{
	DIR *dir = path_open_dir(sys_fd, devpath, O_NOFOLLOW);
	char name[NAME_MAX + 1] = "";
	struct dirent *entry;
	size_t len = strlen(devpath);
	int r = -ENOENT;

	if (!dir)
		return -errno;
	while (r != -ENOTUNIQ && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !matches(entry->d_name))
			continue;
		r = r == 0 ? -ENOTUNIQ : 0;
		snprintf(name, sizeof(name), "%s", entry->d_name);
	}
	closedir(dir);
	if (r < 0)
		return r;
	if (len + 1 + strlen(name) >= PCI_DEVPATH_SIZE)
		return -ENAMETOOLONG;
	snprintf(devpath + len, PCI_DEVPATH_SIZE - len, "/%s", name);
	return 0;
}

static bool is_any(const char *name)
{
	(void)name;
	return true;
}

static bool is_virtio(const char *name)
{
	return strncmp(name, "virtio", strlen("virtio")) == 0;
}

/* <devpath>/<class>/<one> */
static int append_class(int sys_fd, char devpath[static PCI_DEVPATH_SIZE], const char *class)
{
	size_t len = strlen(devpath);

	if (len + 1 + strlen(class) >= PCI_DEVPATH_SIZE)
		return -ENAMETOOLONG;
	snprintf(devpath + len, PCI_DEVPATH_SIZE - len, "/%s", class);
	return append_one(sys_fd, devpath, is_any);
}

static int find_block_pci(int sys_fd, char devpath[static PCI_DEVPATH_SIZE])
{
	int r = append_one(sys_fd, devpath, is_virtio);

	return r < 0 ? r : append_class(sys_fd, devpath, "block");
}

/* A virtio device has its interface one level further down. */
static int find_net_pci(int sys_fd, char devpath[static PCI_DEVPATH_SIZE])
{
	int r = append_one(sys_fd, devpath, is_virtio);

	return r < 0 && r != -ENOENT ? r : append_class(sys_fd, devpath, "net");
}

/* The real place of what a link in a class directory stands for. */
static int resolve_link(int sys_fd, const char *link, char ret[static PCI_DEVPATH_SIZE])
{
	char root[PCI_DEVPATH_SIZE], path[2 * PCI_DEVPATH_SIZE], text[32];
	auto_fd int fd = openat(sys_fd, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ssize_t n_root, n;

	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "/proc/self/fd/%d", sys_fd);
	n_root = readlink(text, root, sizeof(root));
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	n = readlink(text, path, sizeof(path) - 1);
	if (n_root < 0 || n < 0)
		return -errno;
	/* "/sys" and "/sys/devices/...". */
	if (n <= n_root + 1 || n - n_root > PCI_DEVPATH_SIZE || path[n_root] != '/' ||
		memcmp(path, root, (size_t)n_root) != 0)
		return -ENOENT;
	path[n] = '\0';
	snprintf(ret, PCI_DEVPATH_SIZE, "%s", path + n_root + 1);
	return 0;
}

static bool is_scsi_address(const char *name, const struct device_want *want)
{
	unsigned int host, id, lun;
	int len = 0;

	return sscanf(name, "%u:0:%u:%u%n", &host, &id, &lun, &len) == 3 && !name[len] &&
	       id == want->id && lun == want->lun;
}

/* Whichever host it is on: a guest may have others (SATA) before the one that disks are plugged
 * into. */
static int find_scsi(
	int sys_fd, const struct device_want *want, char devpath[static PCI_DEVPATH_SIZE])
{
	DIR *dir = path_open_dir(sys_fd, "class/scsi_device", 0);
	char link[NAME_MAX + 64] = "";
	struct dirent *entry;
	int r = -ENOENT;

	if (!dir)
		return -errno;
	while (r != -ENOTUNIQ && (entry = readdir(dir))) {
		if (!is_scsi_address(entry->d_name, want))
			continue;
		r = *link ? -ENOTUNIQ : 0;
		snprintf(link, sizeof(link), "class/scsi_device/%s/device", entry->d_name);
	}
	closedir(dir);
	if (r == 0)
		r = resolve_link(sys_fd, link, devpath);
	return r < 0 ? r : append_class(sys_fd, devpath, "block");
}

static int find_named(
	int sys_fd, const struct device_want *want, char devpath[static PCI_DEVPATH_SIZE])
{
	char link[sizeof("block/") + DEVICE_NAME_SIZE];

	/* Whole disks only; partitions are not in there. */
	snprintf(link, sizeof(link), "block/%s", want->name);
	return resolve_link(sys_fd, link, devpath);
}

static int find_vfio(
	int sys_fd, const struct device_want *want, char devpath[static PCI_DEVPATH_SIZE])
{
	snprintf(devpath, PCI_DEVPATH_SIZE, "devices/virtual/vfio/%s", want->name);
	return faccessat(sys_fd, devpath, F_OK, 0) < 0 ? -errno : 0;
}

int device_find(int sys_fd, const struct device_want *want, char ret[static PCI_DEVPATH_SIZE])
{
	char devpath[PCI_DEVPATH_SIZE];
	struct pci_address address;
	int r = 0;

	if (want->pci.n > 0)
		r = pci_path_resolve(sys_fd, &want->pci, devpath, &address);
	if (r < 0)
		return r;
	switch (want->kind) {
	case DEVICE_BLOCK_PCI:
		r = find_block_pci(sys_fd, devpath);
		break;
	case DEVICE_NET_PCI:
		r = find_net_pci(sys_fd, devpath);
		break;
	case DEVICE_BLOCK_SCSI:
		r = find_scsi(sys_fd, want, devpath);
		break;
	case DEVICE_BLOCK_NAMED:
		r = find_named(sys_fd, want, devpath);
		break;
	case DEVICE_VFIO_GROUP:
		r = find_vfio(sys_fd, want, devpath);
		break;
	case DEVICE_PCI:
		break;
	}
	if (r == 0)
		memcpy(ret, devpath, sizeof(devpath));
	return r;
}

static int describe_node(int sys_fd, const char *devpath, struct device_found *f)
{
	char path[PCI_DEVPATH_SIZE + sizeof("/uevent")];
	auto_buf struct buf text = BUF_INIT;
	struct uevent e;
	int r;

	snprintf(path, sizeof(path), "%s/uevent", devpath);
	r = io_read_file(sys_fd, path, MAX_UEVENT_FILE, &text);
	if (r < 0)
		return r;
	if (buf_len(&text) == 0)
		return -ENODEV;
	r = uevent_parse_variables((char *)text.data + text.start, buf_len(&text), '\n', &e);
	if (r < 0)
		return r;
	if (!e.devname || e.major < 0 || e.minor < 0 || strlen(e.devname) >= DEVICE_NAME_SIZE)
		return -ENODEV;
	f->major = (unsigned int)e.major;
	f->minor = (unsigned int)e.minor;
	snprintf(f->node, sizeof(f->node), "/dev/%s", e.devname);
	return 0;
}

int device_describe(
	int sys_fd, const struct device_want *want, const char *devpath, struct device_found *ret)
{
	struct device_found f = {.type = want->kind == DEVICE_VFIO_GROUP ? 'c' : 'b'};
	const char *name = strrchr(devpath, '/');
	char pci_devpath[PCI_DEVPATH_SIZE];
	int r = 0;

	name = name ? name + 1 : devpath;
	if (strlen(name) >= sizeof(f.name))
		return -ENAMETOOLONG;
	memcpy(f.name, name, strlen(name));
	if (want->pci.n > 0)
		r = pci_path_resolve(sys_fd, &want->pci, pci_devpath, &f.address);
	if (r < 0)
		return r;
	if (want->kind == DEVICE_NET_PCI || want->kind == DEVICE_PCI)
		f.type = 0;
	else
		r = describe_node(sys_fd, devpath, &f);
	if (r == 0)
		*ret = f;
	return r;
}
