/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage/hugepages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "agent/storage/place.h"
#include "base/io.h"
#include "wire/status.h"

#define POOLS "/sys/kernel/mm/hugepages"

enum { POOL_PATH_SIZE = 96 };

/* "2097152", "2m": the len bytes at text. */
static bool parse_size(const char *text, size_t len, uint64_t *ret)
{
	static const char units[] = "kmg";
	uint64_t n = 0;
	size_t i = 0;

	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return false;
	if (i == 0)
		return false;
	if (i + 1 == len) {
		const char *unit = strchr(units, text[i] | 0x20);

		if (!unit ||
			__builtin_mul_overflow(n, UINT64_C(1) << (10 * (unit - units + 1)), &n))
			return false;
		i++;
	}
	*ret = n;
	return i == len;
}

/* One option, without commas. */
static int parse_option(
	const char *text, size_t len, uint64_t *page_size, uint64_t *size, struct err *err)
{
	uint64_t *value = NULL;
	size_t skip = 0;

	if (len > strlen("pagesize=") && strncmp(text, "pagesize=", strlen("pagesize=")) == 0) {
		value = page_size;
		skip = strlen("pagesize=");
	} else if (len > strlen("size=") && strncmp(text, "size=", strlen("size=")) == 0) {
		value = size;
		skip = strlen("size=");
	}
	if (value && !parse_size(text + skip, len - skip, value))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT, "%.*s: not a size in bytes",
			(int)len, text);
	return 0;
}

int hugepages_parse(char *const *words, size_t n_words, struct hugepages *ret, struct err *err)
{
	uint64_t page_size = 0, size = 0;

	for (size_t i = 0; i < n_words; i++) {
		const char *at = words[i];

		while (*at) {
			size_t len = strcspn(at, ",");
			int r = parse_option(at, len, &page_size, &size, err);

			if (r < 0)
				return r;
			at += len;
			at += *at == ',';
		}
	}
	if (page_size < 1024 || page_size & (page_size - 1))
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"huge pages need a pagesize, a power of two");
	if (size < page_size)
		return err_status(err, EINVAL, WIRE_INVALID_ARGUMENT,
			"huge pages need a size of at least one page");
	*ret = (struct hugepages){.page_size = page_size, .n_pages = size / page_size};
	return 0;
}

static const char *pool_path(const struct hugepages *pages, char path[static POOL_PATH_SIZE])
{
	snprintf(path, POOL_PATH_SIZE, POOLS "/hugepages-%" PRIu64 "kB/nr_hugepages",
		pages->page_size / 1024);
	return path;
}

static int read_pool(const char *path, uint64_t *ret)
{
	auto_buf struct buf text = BUF_INIT;
	int r = io_read_file(AT_FDCWD, path, 64, &text);

	if (r == 0)
		*ret = strtoull(buf_str(&text), NULL, 10);
	return r;
}

static int write_pool(const char *path, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	return io_write_file(AT_FDCWD, path, text);
}

/* The kernel would look for them for long, and take every free page. */
static bool can_exist(const struct hugepages *pages)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return true;
	return pages->n_pages <= (uint64_t)info.totalram * info.mem_unit / pages->page_size;
}

int hugepages_reserve(const struct hugepages *pages, const char *lock_dir, struct err *err)
{
	auto_fd int lock_fd = storage_lock(lock_dir, err);
	char path[POOL_PATH_SIZE];
	uint64_t before, wanted, after;
	int r;

	if (lock_fd < 0)
		return lock_fd;
	if (!can_exist(pages))
		return err_set(err, ENOMEM,
			"huge pages for %" PRIu64 " times %" PRIu64
			" bytes: this guest has less memory",
			pages->n_pages, pages->page_size);
	r = read_pool(pool_path(pages, path), &before);
	if (r == -ENOENT)
		return err_set(err, EINVAL, "this guest has no huge pages of %" PRIu64 " bytes",
			pages->page_size);
	if (r == 0 && __builtin_add_overflow(before, pages->n_pages, &wanted))
		r = -ERANGE;
	if (r == 0)
		r = write_pool(path, wanted);
	if (r == 0)
		r = read_pool(path, &after);
	if (r < 0)
		return err_sys(err, -r, "%s", path);
	if (after >= wanted)
		return 0;
	(void)!write_pool(path, before);
	return err_set(err, ENOMEM,
		"huge pages of %" PRIu64 " bytes: the guest has %" PRIu64 " of %" PRIu64,
		pages->page_size, after > before ? after - before : 0, pages->n_pages);
}

void hugepages_release(const struct hugepages *pages, const char *lock_dir)
{
	auto_fd int lock_fd = storage_lock(lock_dir, NULL);
	char path[POOL_PATH_SIZE];
	uint64_t before;

	if (lock_fd >= 0 && read_pool(pool_path(pages, path), &before) == 0)
		(void)!write_pool(path, before > pages->n_pages ? before - pages->n_pages : 0);
}
