/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/accel.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/buf.h"

/* The first CPU's entry is enough, and is below 4 kB. */
enum { CPUINFO_HEAD = 16384 };

static bool has_word(struct slice line, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= line.len; i++) {
		bool starts = i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == ':';
		bool ends = i + len == line.len || line.p[i + len] == ' ';

		if (starts && ends && memcmp(line.p + i, word, len) == 0)
			return true;
	}
	return false;
}

bool accel_parse_cpuinfo(struct slice cpuinfo)
{
	static const char key[] = "flags";

	while (cpuinfo.len > 0) {
		const uint8_t *end = memchr(cpuinfo.p, '\n', cpuinfo.len);
		size_t len = end ? (size_t)(end - cpuinfo.p) : cpuinfo.len;
		struct slice line = slice_of(cpuinfo.p, len);

		if (len >= strlen(key) && memcmp(line.p, key, strlen(key)) == 0)
			return has_word(line, "vmx") || has_word(line, "svm");
		len += end ? 1 : 0;
		cpuinfo = slice_of(cpuinfo.p + len, cpuinfo.len - len);
	}
	return false;
}

static bool cpu_has_virtualization(void)
{
	auto_fd int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	auto_buf struct buf head = BUF_INIT;

	while (fd >= 0 && buf_len(&head) < CPUINFO_HEAD) {
		uint8_t *p = buf_reserve(&head, CPUINFO_HEAD);
		ssize_t n = p ? read(fd, p, CPUINFO_HEAD) : 0;

		if (n <= 0)
			break;
		buf_commit(&head, (size_t)n);
	}
	return accel_parse_cpuinfo(buf_slice(&head));
}

bool accel_has_kvm(void)
{
	auto_fd int kvm_fd = -1, vm_fd = -1;

	if (!cpu_has_virtualization())
		return false;
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0)
		return false;
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	return vm_fd >= 0;
}
