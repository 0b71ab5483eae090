/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From sysfs only names with the form of a bus or a device are taken, so what is put together here
 * stays below the root complex's directory.
 */
#include "agent/device/pci_path.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"

enum { MAX_SLOT = 0x1f, MAX_FUNCTION = 7, FIRST_PXB = 0x20, MIN_WITH_ROOT = 3 };

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* From min to max digits; what follows is the caller's to judge. False if there are fewer. */
static bool scan_hex(const char **at, int min, int max, unsigned int *ret)
{
	unsigned int n = 0;
	int i;

	for (i = 0; i < max && digit(**at) >= 0; i++, (*at)++)
		n = n << 4 | (unsigned int)digit(**at);
	*ret = n;
	return i >= min;
}

static bool scan_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool scan_element(const char **at, struct pci_path *p)
{
	unsigned int slot, function = 0;

	if (p->n == PCI_PATH_MAX || !scan_hex(at, 1, 2, &slot) || slot > MAX_SLOT)
		return false;
	if (scan_char(at, '.') && (!scan_hex(at, 1, 1, &function) || function > MAX_FUNCTION))
		return false;
	p->at[p->n].slot = (uint8_t)slot;
	p->at[p->n++].function = (uint8_t)function;
	return true;
}

/* Moves past the root complex, if there is one. */
static uint8_t scan_root(const char **at)
{
	const char *p = *at;
	unsigned int root;
	size_t n_slashes = 0;

	for (const char *s = p; *s; s++)
		n_slashes += *s == '/';
	if (n_slashes + 1 < MIN_WITH_ROOT || !scan_hex(&p, 2, 2, &root) || !scan_char(&p, '/') ||
		root < FIRST_PXB)
		return 0;
	*at = p;
	return (uint8_t)root;
}

int pci_path_parse(const char *text, struct pci_path *ret)
{
	struct pci_path p = {.root = scan_root(&text)};

	do
		if (!scan_element(&text, &p))
			return -EINVAL;
	while (scan_char(&text, '/'));
	if (*text)
		return -EINVAL;
	*ret = p;
	return 0;
}

static bool scan_address(const char **at, struct pci_address *ret)
{
	unsigned int domain, bus, slot, function;

	if (!scan_hex(at, 4, 4, &domain) || !scan_char(at, ':') || !scan_hex(at, 2, 2, &bus) ||
		!scan_char(at, ':') || !scan_hex(at, 2, 2, &slot) || slot > MAX_SLOT ||
		!scan_char(at, '.') || !scan_hex(at, 1, 1, &function) || function > MAX_FUNCTION)
		return false;
	*ret = (struct pci_address){.domain = (uint16_t)domain,
		.bus = (uint8_t)bus,
		.slot = (uint8_t)slot,
		.function = (uint8_t)function};
	return true;
}

bool pci_address_scan(const char *text, struct pci_address *ret)
{
	return scan_address(&text, ret);
}

int pci_address_parse(const char *text, struct pci_address *ret)
{
	struct pci_address a;

	if (!scan_address(&text, &a) || *text)
		return -EINVAL;
	*ret = a;
	return 0;
}

void pci_address_format(struct pci_address a, char ret[static PCI_ADDRESS_SIZE])
{
	snprintf(ret, PCI_ADDRESS_SIZE, "%04x:%02x:%02x.%x", a.domain, a.bus, a.slot & MAX_SLOT,
		a.function & MAX_FUNCTION);
}

/* "0000:01", and nothing behind it. */
static bool is_bus(const char *name, struct pci_address *ret)
{
	unsigned int domain, bus;

	if (!scan_hex(&name, 4, 4, &domain) || !scan_char(&name, ':') ||
		!scan_hex(&name, 2, 2, &bus) || *name)
		return false;
	*ret = (struct pci_address){.domain = (uint16_t)domain, .bus = (uint8_t)bus};
	return true;
}

/* The one bus that names in the directory tell of: its own name, or that of a device on it. */
static int find_bus(int sys_fd, const char *dir_path, bool own_names, struct pci_address *ret)
{
	DIR *dir = path_open_dir(sys_fd, dir_path, O_NOFOLLOW);
	struct pci_address a, found = {0};
	struct dirent *entry;
	int r = -ENOENT;

	if (!dir)
		return -errno;
	while (r != -ENOTUNIQ && (entry = readdir(dir))) {
		if (own_names ? !is_bus(entry->d_name, &a)
			      : pci_address_parse(entry->d_name, &a) < 0)
			continue;
		r = r == 0 && (a.bus != found.bus || a.domain != found.domain) ? -ENOTUNIQ : 0;
		found = a;
	}
	closedir(dir);
	if (r == 0)
		*ret = found;
	return r;
}

static int find_next_bus(int sys_fd, const char *bridge, struct pci_address *ret)
{
	char path[PCI_DEVPATH_SIZE + sizeof("/pci_bus")];
	int r;

	snprintf(path, sizeof(path), "%s/pci_bus", bridge);
	r = find_bus(sys_fd, path, true, ret);
	/* Some bridges have no such directory; the devices behind them tell. */
	return r == -ENOENT ? find_bus(sys_fd, bridge, false, ret) : r;
}

static bool is_dir(int sys_fd, const char *path)
{
	return faccessat(sys_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Arm machines with a device tree have it below the platform device of the host bridge. */
static int find_platform_root(int sys_fd, uint8_t root, char devpath[static PCI_DEVPATH_SIZE])
{
	DIR *dir = path_open_dir(sys_fd, "devices/platform", 0);
	struct dirent *entry;
	int r = -ENOENT;

	if (!dir)
		return -ENOENT;
	while (r < 0 && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len < 5 || strcmp(entry->d_name + len - 5, ".pcie") != 0)
			continue;
		snprintf(devpath, PCI_DEVPATH_SIZE, "devices/platform/%s/pci0000:%02x",
			entry->d_name, root);
		r = is_dir(sys_fd, devpath) ? 0 : -ENOENT;
	}
	closedir(dir);
	return r;
}

static int find_root(int sys_fd, uint8_t root, char devpath[static PCI_DEVPATH_SIZE])
{
	snprintf(devpath, PCI_DEVPATH_SIZE, "devices/pci0000:%02x", root);
	return is_dir(sys_fd, devpath) ? 0 : find_platform_root(sys_fd, root, devpath);
}

/* Appends the device on the bus; false if it is not there. */
static bool append(int sys_fd, char devpath[static PCI_DEVPATH_SIZE], struct pci_address a)
{
	size_t len = strlen(devpath);
	char name[PCI_ADDRESS_SIZE];

	pci_address_format(a, name);
	if (len + 1 + sizeof(name) > PCI_DEVPATH_SIZE)
		return false;
	snprintf(devpath + len, PCI_DEVPATH_SIZE - len, "/%s", name);
	if (is_dir(sys_fd, devpath))
		return true;
	devpath[len] = '\0';
	return false;
}

int pci_path_resolve(int sys_fd, const struct pci_path *path,
	char ret_devpath[static PCI_DEVPATH_SIZE], struct pci_address *ret)
{
	struct pci_address a = {.bus = path->root};
	char devpath[PCI_DEVPATH_SIZE];
	int r = find_root(sys_fd, path->root, devpath);

	for (size_t i = 0; i < path->n && r == 0; i++) {
		if (i > 0)
			r = find_next_bus(sys_fd, devpath, &a);
		if (r < 0)
			break;
		a.slot = path->at[i].slot;
		a.function = path->at[i].function;
		if (append(sys_fd, devpath, a))
			continue;
		/* Upstream looks for what is below a pxb-pcie under bus 0. */
		a.bus = i == 0 ? 0 : a.bus;
		r = i == 0 && append(sys_fd, devpath, a) ? 0 : -ENOENT;
	}
	if (r < 0)
		return r;
	memcpy(ret_devpath, devpath, sizeof(devpath));
	*ret = a;
	return 0;
}
