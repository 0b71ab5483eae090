/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Huge pages for a volume: reserved in the kernel's pool of their size before the hugetlbfs is
 * mounted, and given back after it is unmounted. The pool is shared by all volumes, so both add to
 * its number of pages and never set it.
 */
#include <stdint.h>

#include "base/err.h"

struct hugepages {
	uint64_t page_size, n_pages;
};

/*
 * From mount options: "pagesize=BYTES" and "size=BYTES", in words of their own or several to a
 * word, with commas; as mount(8) knows them, k, m and g may follow. Both must be there, and make at
 * least one page. -EINVAL with the reason.
 */
int hugepages_parse(
	char *const *words, size_t n_words, struct hugepages *ret, struct err *err) must_check;

/* For jobs. lock_dir: a directory, made if needed, whose lock keeps others from changing the pool meanwhile.
 * -ENOMEM if the kernel does not find all of them; then nothing has changed. */
int hugepages_reserve(
	const struct hugepages *pages, const char *lock_dir, struct err *err) must_check;
void hugepages_release(const struct hugepages *pages, const char *lock_dir);
