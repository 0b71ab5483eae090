/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program keeps the kinds of access that are still undecided in a register and walks the rules
 * from the last to the first: an allowing rule that matches takes its kinds out, and 1 is returned
 * when none is left; a denying one that matches returns 0 if one of its kinds is still there.
 */
#include "linux/device_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	TYPE = BPF_REG_2,
	LEFT = BPF_REG_3,
	MAJOR = BPF_REG_4,
	MINOR = BPF_REG_5,
	SCRATCH = BPF_REG_6,
	RULE_INSNS = 8, /* at most, for one rule */
	FRAME_INSNS = 8,
};

static void emit(struct device_filter *f, uint8_t code, unsigned int dst, unsigned int src,
	int16_t off, int32_t imm)
{
	f->insns[f->n_insns++] = (struct bpf_insn){
		.code = code, .dst_reg = dst & 0xf, .src_reg = src & 0xf, .off = off, .imm = imm};
}

static void emit_return(struct device_filter *f, int value)
{
	emit(f, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, value);
	emit(f, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_prologue(struct device_filter *f)
{
	enum {
		ACCESS_TYPE = offsetof(struct bpf_cgroup_dev_ctx, access_type),
		CTX_MAJOR = offsetof(struct bpf_cgroup_dev_ctx, major),
		CTX_MINOR = offsetof(struct bpf_cgroup_dev_ctx, minor),
	};

	/* access_type is the kinds of access << 16 | the type of device. */
	emit(f, BPF_LDX | BPF_MEM | BPF_W, TYPE, BPF_REG_1, ACCESS_TYPE, 0);
	emit(f, BPF_ALU64 | BPF_MOV | BPF_X, LEFT, TYPE, 0, 0);
	emit(f, BPF_ALU64 | BPF_RSH | BPF_K, LEFT, 0, 0, 16);
	emit(f, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	emit(f, BPF_LDX | BPF_MEM | BPF_W, MAJOR, BPF_REG_1, CTX_MAJOR, 0);
	emit(f, BPF_LDX | BPF_MEM | BPF_W, MINOR, BPF_REG_1, CTX_MINOR, 0);
}

static int kernel_access(unsigned int access)
{
	return (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0) |
	       (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

static void emit_rule(struct device_filter *f, const struct device_rule *rule)
{
	size_t first = f->n_insns, end;
	int access = kernel_access(rule->access);

	/* Jumps to the next rule; how far is known at the end. 32-bit compares, as a major may have
	 * its top bit set and immediates are sign-extended. */
	if (rule->type != 'a')
		emit(f, BPF_JMP32 | BPF_JNE | BPF_K, TYPE, 0, 0,
			rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (rule->major != DEVICE_ANY)
		emit(f, BPF_JMP32 | BPF_JNE | BPF_K, MAJOR, 0, 0, (int32_t)rule->major);
	if (rule->minor != DEVICE_ANY)
		emit(f, BPF_JMP32 | BPF_JNE | BPF_K, MINOR, 0, 0, (int32_t)rule->minor);
	end = f->n_insns;
	if (rule->allow) {
		emit(f, BPF_ALU64 | BPF_AND | BPF_K, LEFT, 0, 0, ~access);
		emit(f, BPF_JMP | BPF_JNE | BPF_K, LEFT, 0, 2, 0);
		emit_return(f, 1);
	} else {
		emit(f, BPF_ALU64 | BPF_MOV | BPF_X, SCRATCH, LEFT, 0, 0);
		emit(f, BPF_ALU64 | BPF_AND | BPF_K, SCRATCH, 0, 0, access);
		emit(f, BPF_JMP | BPF_JEQ | BPF_K, SCRATCH, 0, 2, 0);
		emit_return(f, 0);
	}
	for (size_t i = first; i < end; i++)
		f->insns[i].off = (int16_t)(f->n_insns - i - 1);
}

int device_filter_build(const struct device_rule *rules, size_t n_rules, struct device_filter *ret)
{
	struct device_filter f = {.n_insns = 0};

	if (n_rules > DEVICE_RULES_MAX)
		return -E2BIG;
	f.insns = calloc(n_rules * RULE_INSNS + FRAME_INSNS, sizeof(*f.insns));
	if (!f.insns)
		return -ENOMEM;
	emit_prologue(&f);
	for (size_t i = n_rules; i-- > 0;)
		emit_rule(&f, &rules[i]);
	emit_return(&f, 0);
	*ret = f;
	return 0;
}

void device_filter_fini(struct device_filter *filter)
{
	own_free(&filter->insns);
	*filter = (struct device_filter){.insns = NULL};
}

static int call_bpf(int command, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

/* By which our own is known among those of a cgroup. */
static const char program_name[] = "kata_devices";

enum { PROGRAMS_MAX = 64 /* that the kernel lets one cgroup have */ };

static int open_program(uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	return call_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

static bool is_ours(int program_fd)
{
	struct bpf_prog_info info;
	union bpf_attr attr;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)program_fd;
	attr.info.info = (uintptr_t)&info;
	attr.info.info_len = sizeof(info);
	return call_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 &&
	       strncmp(info.name, program_name, sizeof(info.name)) == 0;
}

/* The one that is attached by us already; -ENOENT without one. */
static int find_program(int cgroup_fd)
{
	uint32_t ids[PROGRAMS_MAX] = {0};
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = PROGRAMS_MAX;
	r = call_bpf(BPF_PROG_QUERY, &attr);
	for (uint32_t i = 0; r >= 0 && i < attr.query.prog_cnt && i < PROGRAMS_MAX; i++) {
		auto_fd int fd = open_program(ids[i]);

		if (fd >= 0 && is_ours(fd))
			return take_fd(&fd);
	}
	return r < 0 ? r : -ENOENT;
}

static int load(const struct device_filter *filter)
{
	static const char license[] = "Apache-2.0";
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insn_cnt = (uint32_t)filter->n_insns;
	attr.insns = (uintptr_t)filter->insns;
	attr.license = (uintptr_t)license;
	memcpy(attr.prog_name, program_name, sizeof(program_name));
	return call_bpf(BPF_PROG_LOAD, &attr);
}

int device_filter_attach(const struct device_filter *filter, int cgroup_fd)
{
	auto_fd int program_fd = load(filter), old_fd = -1;
	union bpf_attr attr;

	if (program_fd < 0)
		return program_fd;
	old_fd = find_program(cgroup_fd);
	if (old_fd < 0 && old_fd != -ENOENT)
		return old_fd;
	memset(&attr, 0, sizeof(attr));
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)program_fd;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (old_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old_fd;
	}
	return call_bpf(BPF_PROG_ATTACH, &attr);
}
