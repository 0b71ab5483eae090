/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu_args.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"

enum { FIRST_FD = 3, GROW = 32, ROOT_PORT_CHASSIS = 16 };

void qemu_args_fini(struct qemu_args *args)
{
	for (size_t i = 0; i < args->n_argv; i++)
		free(args->argv[i]);
	free(args->argv);
	for (size_t i = 0; i < args->n_fds; i++)
		close_fd(args->fds[i]);
	*args = (struct qemu_args)QEMU_ARGS_INIT;
}

/* Takes s; NULL stands for an allocation that failed. Keeps room for the final NULL. */
static void push(struct qemu_args *args, char *s)
{
	if (s && args->n_argv + 1 >= args->cap) {
		char **grown = reallocarray(args->argv, args->cap + GROW, sizeof(*grown));

		if (grown) {
			args->argv = grown;
			args->cap += GROW;
		} else {
			free(s);
			s = NULL;
		}
	}
	if (!s) {
		args->error = -ENOMEM;
		return;
	}
	args->argv[args->n_argv++] = s;
	args->argv[args->n_argv] = NULL;
}

static void add_flag(struct qemu_args *args, const char *flag)
{
	push(args, strdup(flag));
}

static void add(struct qemu_args *args, const char *option, const char *fmt, ...) printf_like(3, 4);

static void add(struct qemu_args *args, const char *option, const char *fmt, ...)
{
	auto_buf struct buf value = BUF_INIT;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(&value, fmt, ap);
	va_end(ap);
	push(args, strdup(option));
	push(args, r < 0 ? NULL : buf_take_str(&value));
}

/* The number that QEMU will know fd by. */
static int add_fd(struct qemu_args *args, int fd)
{
	if (args->n_fds == SPAWN_FDS_MAX) {
		args->error = -E2BIG;
		close_fd(fd);
		return -1;
	}
	args->fds[args->n_fds] = fd;
	return FIRST_FD + (int)args->n_fds++;
}

/* In a list of key=value a comma is written twice. */
static int append_escaped(struct buf *out, const char *value)
{
	int r = 0;

	for (; *value && r == 0; value++)
		r = buf_append_str(out, *value == ',' ? ",," : (char[]){*value, '\0'});
	return r;
}

void qemu_args_set_program(struct qemu_args *args, const char *program)
{
	add_flag(args, program);
}

int qemu_args_finish(struct qemu_args *args)
{
	return args->error;
}

void qemu_args_add_base(struct qemu_args *args, const char *id)
{
	/* Ids hold no comma (path_is_valid_id). */
	add(args, "-name", "sandbox-%s", id);
	add_flag(args, "-no-user-config");
	add_flag(args, "-nodefaults");
	add(args, "-display", "none");
	add_flag(args, "-no-reboot");
}

static bool is_set(const char *s)
{
	return s && *s;
}

static void add_memory(
	struct qemu_args *args, const struct qemu_memory *memory, const char *id, uint64_t mib)
{
	struct qemu_part part;

	qemu_memory_describe(memory, id, mib, &part);
	qemu_args_add_part(args, &part);
	qemu_part_fini(&part);
}

void qemu_args_add_machine(struct qemu_args *args, const struct qemu_machine *m)
{
	const char *more = is_set(m->accelerators) ? m->accelerators : "";
	const char *features = is_set(m->cpu_features) ? m->cpu_features : "";

	/* What no guest of ours uses is left out: each part costs probing time in the guest. The
	 * PS/2 controller stays, because `reboot=k` ends the guest through it. */
	add(args, "-machine",
		"%s,memory-backend=mem,hpet=off,sata=off,smbus=off,usb=off,vmport=off%s%s%s",
		m->type, m->has_iommu ? ",kernel-irqchip=split" : "", *more ? "," : "", more);
	add(args, "-accel", "%s", m->kvm ? "kvm" : "tcg,thread=multi");
	add(args, "-cpu", "%s%s%s", m->kvm ? "host" : "max", *features ? "," : "", features);
	if (m->max_vcpus > m->vcpus)
		add(args, "-smp", "%u,maxcpus=%u", m->vcpus, m->max_vcpus);
	else
		add(args, "-smp", "%u", m->vcpus);
	if (m->max_memory_mib > m->memory_mib)
		add(args, "-m", "%" PRIu64 "M,slots=%u,maxmem=%" PRIu64 "M", m->memory_mib,
			m->memory_slots, m->max_memory_mib);
	else
		add(args, "-m", "%" PRIu64 "M", m->memory_mib);
	add_memory(args, &m->memory, "mem", m->memory_mib);
}

void qemu_args_add_kernel(
	struct qemu_args *args, const char *kernel, const char *initrd, const char *params)
{
	add(args, "-kernel", "%s", kernel);
	add(args, "-initrd", "%s", initrd);
	add(args, "-append", "%s", params);
}

static void add_socket(struct qemu_args *args, const char *id, int fd)
{
	add(args, "-chardev", "socket,id=%s,fd=%d", id, add_fd(args, fd));
}

void qemu_args_add_qmp(struct qemu_args *args, int fd)
{
	add_socket(args, "qmp", fd);
	add(args, "-mon", "chardev=qmp,mode=control");
}

void qemu_args_add_console(struct qemu_args *args, int fd)
{
	add_socket(args, "console", fd);
	/* Not a virtio console: its driver may be a module, and what the kernel says before that is
	 * what one wants to read when it does not boot. */
	add(args, "-device", "isa-serial,chardev=console");
}

void qemu_args_add_rng(struct qemu_args *args, const char *source)
{
	auto_buf struct buf object = BUF_INIT;
	int r = buf_append_str(&object, "rng-random,id=rng,filename=");

	if (r == 0)
		r = append_escaped(&object, source);
	if (r < 0)
		args->error = r;
	add(args, "-object", "%s", buf_str(&object));
	add(args, "-device", "virtio-rng-pci,rng=rng");
}

void qemu_args_add_fs(struct qemu_args *args, int fd, const char *tag, uint32_t queue_size)
{
	add_socket(args, "fs", fd);
	add(args, "-device", "vhost-user-fs-pci,chardev=fs,tag=%s,queue-size=%u", tag, queue_size);
}

void qemu_args_add_user_vsock(struct qemu_args *args, int fd)
{
	add_socket(args, "vsock", fd);
	add(args, "-device", "vhost-user-vsock-pci,chardev=vsock");
}

void qemu_args_add_kernel_vsock(struct qemu_args *args, int fd, uint32_t cid)
{
	add(args, "-device", "vhost-vsock-pci,vhostfd=%d,guest-cid=%u", add_fd(args, fd), cid);
}

void qemu_args_add_bridge(struct qemu_args *args, uint32_t i, uint32_t addr)
{
	/* ACPI plugs and unplugs; the firmware reserves room behind a bridge without SHPC only when told
	 * to, and without room the guest refuses what is plugged in. */
	add(args, "-device",
		"pci-bridge,id=pci-bridge-%u,bus=pcie.0,addr=%02x,chassis_nr=%u,shpc=off,"
		"io-reserve=4k,mem-reserve=1m,pref64-reserve=1m",
		i, addr, i + 1);
}

void qemu_args_add_root_port(struct qemu_args *args, uint32_t i, uint32_t addr)
{
	/* Chassis numbers are shared with the bridges. */
	add(args, "-device", "pcie-root-port,id=rp%u,bus=pcie.0,addr=%02x,chassis=%u,slot=%u", i,
		addr, ROOT_PORT_CHASSIS + i, i);
}

void qemu_args_add_scsi_controller(struct qemu_args *args, bool has_iothread)
{
	if (has_iothread)
		add(args, "-object", "iothread,id=scsi-iothread");
	add(args, "-device", "virtio-scsi-pci,id=scsi0%s",
		has_iothread ? ",iothread=scsi-iothread" : "");
}

void qemu_args_add_iothread(struct qemu_args *args, uint32_t i)
{
	add(args, "-object", "iothread,id=iothread%u", i);
}

void qemu_args_add_iommu(struct qemu_args *args)
{
	add(args, "-device", "intel-iommu,intremap=on,device-iotlb=on,caching-mode=on");
}

void qemu_args_add_balloon(struct qemu_args *args)
{
	add(args, "-device", "virtio-balloon-pci,id=balloon0,free-page-reporting=on");
}

void qemu_args_add_virtio_mem(
	struct qemu_args *args, const struct qemu_memory *memory, uint64_t mib)
{
	/* What is not plugged in yet is not reserved either. */
	const struct qemu_memory lazy = {
		.file_dir = memory->file_dir, .hugepages = memory->hugepages};

	add_memory(args, &lazy, "virtiomem", mib);
	add(args, "-device", "virtio-mem-pci,id=virtiomem0,memdev=virtiomem,requested-size=0");
}

void qemu_args_add_monitor(struct qemu_args *args, const char *protocol, const char *path)
{
	auto_buf struct buf escaped = BUF_INIT;
	bool is_hmp = strcmp(protocol, "hmp") == 0, is_pretty = strcmp(protocol, "qmp-pretty") == 0;
	int r = append_escaped(&escaped, path);

	if (r < 0)
		args->error = r;
	add(args, "-chardev", "socket,id=monitor,path=%s,server=on,wait=off", buf_str(&escaped));
	add(args, "-mon", "chardev=monitor,mode=%s%s", is_hmp ? "readline" : "control",
		is_pretty ? ",pretty=on" : "");
}

void qemu_args_add_part(struct qemu_args *args, struct qemu_part *part)
{
	auto_buf struct buf value = BUF_INIT;
	int first_fd = FIRST_FD + (int)args->n_fds, r;

	for (size_t i = 0; i < part->n_fds; i++)
		(void)add_fd(args, take_fd(&part->fds[i]));
	r = qemu_part_format(part, first_fd, &value);
	if (r < 0)
		args->error = r;
	add(args, qemu_part_option(part), "%s", buf_str(&value));
}

void qemu_args_add_sandbox(struct qemu_args *args, const char *value)
{
	if (is_set(value))
		add(args, "-sandbox", "%s", value);
}
