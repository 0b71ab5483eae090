/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/vhost_user_memory.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* clang-format off */
const struct jail_rule vhost_user_memory_rules[] = {
	{.nr = SYS_mmap, .arg = 2, .mask = PROT_EXEC},
	{.nr = SYS_munmap},
	{.nr = SYS_fstat},	/* this or the next, by C library */
	{.nr = SYS_newfstatat},
	JAIL_RULES_END,
};
/* clang-format on */

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

static bool wraps(uint64_t start, uint64_t size)
{
	uint64_t end;

	return __builtin_add_overflow(start, size, &end);
}

static int refuse(const struct vhost_user_region *r, const char *why, struct err *err)
{
	return err_set(err, EINVAL,
		"memory region 0x%" PRIx64 "+0x%" PRIx64 " at offset 0x%" PRIx64 " %s", r->gpa,
		r->size, r->offset, why);
}

static int check_region(const struct vhost_user_region *r, struct err *err)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (r->size == 0)
		return refuse(r, "is empty", err);
	if (wraps(r->gpa, r->size) || wraps(r->uva, r->size) || wraps(r->offset, r->size))
		return refuse(r, "wraps around", err);
	if (((r->gpa | r->size | r->uva | r->offset) & (page - 1)) != 0)
		return refuse(r, "is not made of whole pages", err);
	return 0;
}

static int check_table(const struct vhost_user_region *regions, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct vhost_user_region *a = &regions[i];
		int r = check_region(a, err);

		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++) {
			const struct vhost_user_region *b = &regions[j];

			if (overlap(a->gpa, a->size, b->gpa, b->size) ||
				overlap(a->uva, a->size, b->uva, b->size))
				return refuse(a, "overlaps another", err);
		}
	}
	return 0;
}

static int map_region(const struct vhost_user_region *r, int fd, void **ret, struct err *err)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "look at a memory region's file");
	if (!S_ISREG(st.st_mode))
		return refuse(r, "is not in a regular file", err);
	if (r->offset + r->size > (uint64_t)st.st_size)
		return refuse(r, "reaches beyond its file", err);
	p = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)r->offset);
	if (p == MAP_FAILED)
		return err_sys(err, errno, "map a memory region");
	*ret = p;
	return 0;
}

void vhost_user_memory_fini(struct vhost_user_memory *m)
{
	gm_clear(&m->gm);
	for (size_t i = 0; i < m->n_regions; i++)
		(void)munmap(m->maps[i], m->regions[i].size);
	m->n_regions = 0;
}

static int add_regions(struct vhost_user_memory *m, const struct vhost_user_region *regions,
	const int *fds, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = map_region(&regions[i], fds[i], &m->maps[i], err);

		if (r < 0)
			return r;
		m->regions[i] = regions[i];
		m->n_regions++;
		r = gm_add_region(&m->gm, regions[i].gpa, regions[i].size, m->maps[i]);
		if (r < 0)
			return err_sys(err, -r, "memory region %zu", i);
	}
	return 0;
}

int vhost_user_memory_set(struct vhost_user_memory *m, const struct vhost_user_mem_table *table,
	const int *fds, size_t n, struct err *err)
{
	struct vhost_user_memory new = {0};
	int r;

	if (table->n_regions > VHOST_USER_REGIONS_MAX || table->n_regions != n)
		return err_set(
			err, EINVAL, "%u memory regions with %zu files", table->n_regions, n);
	r = check_table(table->regions, n, err);
	if (r == 0)
		r = add_regions(&new, table->regions, fds, n, err);
	if (r < 0) {
		vhost_user_memory_fini(&new);
		return r;
	}
	vhost_user_memory_fini(m);
	*m = new;
	return 0;
}

int vhost_user_memory_find(const struct vhost_user_memory *m, uint64_t uva, uint64_t *ret_gpa)
{
	for (size_t i = 0; i < m->n_regions; i++) {
		const struct vhost_user_region *r = &m->regions[i];

		if (uva >= r->uva && uva - r->uva < r->size) {
			*ret_gpa = r->gpa + (uva - r->uva);
			return 0;
		}
	}
	return -EFAULT;
}
