/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/vfio.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "wire/status.h"

#define DRIVER "vfio-pci"
#define PCI_BUS "bus/pci"

int vfio_parse_option(
	const char *option, struct pci_address *ret_host, struct device_want *ret, struct err *err)
{
	const char *equals = strchr(option, '=');
	char host[PCI_ADDRESS_SIZE] = "";
	struct pci_address address;
	int r;

	if (equals && equals - option < (ptrdiff_t)sizeof(host))
		memcpy(host, option, (size_t)(equals - option));
	if (!equals || strchr(equals + 1, '=') || pci_address_parse(host, &address) < 0)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"\"%.128s\" is not \"<PCI address>=<PCI path>\"", option);
	if (!equals[1])
		return 0;
	r = device_want_pci(DEVICE_PCI, equals + 1, ret, err);
	if (r < 0)
		return r;
	*ret_host = address;
	return 1;
}

static int open_dir(const char *sys_dir, const char *path)
{
	auto_fd int sys_fd = open(sys_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = sys_fd < 0 ? -1 : openat(sys_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_device(const char *sys_dir, struct pci_address device, struct err *err)
{
	char path[sizeof(PCI_BUS "/devices/") + PCI_ADDRESS_SIZE], name[PCI_ADDRESS_SIZE];
	int fd;

	pci_address_format(device, name);
	snprintf(path, sizeof(path), PCI_BUS "/devices/%s", name);
	fd = open_dir(sys_dir, path);
	return fd < 0 ? err_sys(err, -fd, "PCI device %s", name) : fd;
}

/* The last part of what the link names; "" if there is none. */
static const char *read_link(int dir_fd, const char *link, char *to, size_t size)
{
	ssize_t n = readlinkat(dir_fd, link, to, size - 1);
	const char *slash;

	to[n < 0 ? 0 : n] = '\0';
	slash = strrchr(to, '/');
	return slash ? slash + 1 : to;
}

static int write_name(int dir_fd, const char *file, const char *text, struct err *err)
{
	int r = io_write_file(dir_fd, file, text);

	return r < 0 ? err_sys(err, -r, "write %s to %s", text, file) : 0;
}

static int move_to_vfio(
	int device_fd, int bus_fd, const char *name, bool is_driven, struct err *err)
{
	int r = write_name(device_fd, "driver_override", DRIVER, err);

	if (r == 0 && is_driven)
		r = write_name(device_fd, "driver/unbind", name, err);
	if (r == 0)
		r = write_name(bus_fd, "drivers_probe", name, err);
	return r < 0 ? err_wrap(err, "PCI device %s", name) : 0;
}

int vfio_bind(const char *sys_dir, struct pci_address device, struct err *err)
{
	auto_fd int device_fd = open_device(sys_dir, device, err), bus_fd = -1;
	char name[PCI_ADDRESS_SIZE], link[PCI_DEVPATH_SIZE];
	const char *driver;

	if (device_fd < 0)
		return device_fd;
	driver = read_link(device_fd, "driver", link, sizeof(link));
	if (strcmp(driver, DRIVER) == 0)
		return 0;
	bus_fd = open_dir(sys_dir, PCI_BUS);
	if (bus_fd < 0)
		return err_sys(err, -bus_fd, "open %s/%s", sys_dir, PCI_BUS);
	if (faccessat(bus_fd, "drivers/" DRIVER, F_OK, 0) < 0)
		return err_set(err, ENODEV, "this guest has no driver " DRIVER);
	pci_address_format(device, name);
	return move_to_vfio(device_fd, bus_fd, name, *driver != '\0', err);
}

int vfio_find_group(
	const char *sys_dir, struct pci_address device, unsigned int *ret, struct err *err)
{
	auto_fd int device_fd = open_device(sys_dir, device, err);
	char name[PCI_ADDRESS_SIZE], link[PCI_DEVPATH_SIZE];
	const char *group;
	char *end;

	if (device_fd < 0)
		return device_fd;
	group = read_link(device_fd, "iommu_group", link, sizeof(link));
	errno = 0;
	*ret = (unsigned int)strtoul(group, &end, 10);
	pci_address_format(device, name);
	if (*group < '0' || *group > '9' || *end || errno)
		return err_set(err, ENODEV,
			"PCI device %s is in no IOMMU group: this guest has no IOMMU", name);
	return 0;
}
