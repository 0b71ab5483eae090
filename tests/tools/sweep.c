/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "open_fds.h"

enum { DEFAULT_STRIDE = 60, ALLOCATIONS_SLACK = 3 };

void sweep_init(struct sweep *s, int argc, char **argv)
{
	const char *text = getenv("KIHON_SWEEP_STRIDE");

#ifdef __SANITIZE_ADDRESS__
	fprintf(stderr, "skipped: the sanitizer's allocator cannot be replaced\n");
	exit(77);
#endif
	*s = (struct sweep){.stride = text ? (unsigned int)strtoul(text, NULL, 10) : 0};
	if (s->stride == 0)
		s->stride = DEFAULT_STRIDE;
	s->first = 1 + (unsigned int)time(NULL) % s->stride;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (argc > 2)
		s->first = (unsigned int)strtoul(argv[2], NULL, 10);
}

static void make_plan(struct sweep *s)
{
	s->plan_fd = memfd_create("fail_plan", MFD_CLOEXEC);
	assert_true(s->plan_fd >= 0);
	assert_int_equal(ftruncate(s->plan_fd, sizeof(*s->plan)), 0);
	s->plan = mmap(NULL, sizeof(*s->plan), PROT_READ | PROT_WRITE, MAP_SHARED, s->plan_fd, 0);
	assert_ptr_not_equal(s->plan, MAP_FAILED);
}

void sweep_begin_preload(struct sweep *s)
{
	char path[64];

	if (!s->plan)
		make_plan(s);
	atomic_store(&s->plan->kind, FAIL_NOTHING);
	atomic_store(&s->plan->live, 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), s->plan_fd);
	assert_int_equal(setenv("KIHON_FAIL", path, 1), 0);
	assert_int_equal(setenv("LD_PRELOAD", FAIL_LIBRARY, 1), 0);
}

void sweep_end_preload(void)
{
	unsetenv("LD_PRELOAD");
	unsetenv("KIHON_FAIL");
}

void sweep_arm(struct sweep *s, enum fail_kind kind, unsigned int n)
{
	s->in_round = n;
	s->kind = kind;
	s->plan->where[0] = '\0';
	atomic_store(&s->plan->struck, 0);
	atomic_store(&s->plan->left, (int)n);
	atomic_store(&s->plan->kind, (int)kind);
}

bool sweep_disarm(struct sweep *s)
{
	atomic_store(&s->plan->kind, FAIL_NOTHING);
	return atomic_load(&s->plan->struck);
}

void sweep_end_round(struct sweep *s)
{
	s->in_round = 0;
}

void sweep_found(struct sweep *s, const char *what)
{
	s->n_found++;
	printf("%s %u: %s; addr2line -fipe PROGRAM %s\n",
		s->kind == FAIL_ALLOCATION ? "allocation" : "system call", s->in_round, what,
		s->plan->where);
	(void)fflush(stdout);
}

void sweep_fini_test(struct sweep *s)
{
	(void)sweep_disarm(s);
	if (s->in_round > 0)
		sweep_found(s, "was not got over");
	s->in_round = 0;
}

static size_t count_children(pid_t pid)
{
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	for (int c; (c = getc(f)) != EOF;)
		n += c == ' ';
	(void)fclose(f);
	return n;
}

struct sweep_holdings sweep_look(const struct sweep *s, pid_t pid)
{
	return (struct sweep_holdings){
		.n_fds = count_open_fds(pid),
		.n_children = count_children(pid),
		.n_allocations = atomic_load(&s->plan->live),
	};
}

/* Buffers of connections come and go with what has just been said. */
bool sweep_is_same(const struct sweep_holdings *a, const struct sweep_holdings *b)
{
	return a->n_fds == b->n_fds && a->n_children == b->n_children &&
	       abs(a->n_allocations - b->n_allocations) <= ALLOCATIONS_SLACK;
}

void sweep_print_growth(const struct sweep_holdings *from, const struct sweep_holdings *to)
{
	printf("grown by %zd descriptors, %zd processes, %d allocations\n",
		(ssize_t)(to->n_fds - from->n_fds), (ssize_t)(to->n_children - from->n_children),
		to->n_allocations - from->n_allocations);
}
