/* SPDX-License-Identifier: Apache-2.0 */
/* The disks of containers, with a hypervisor that is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oom.h"
#include "runtime/container_disks.h"
#include "runtime/sandbox_private.h"

enum { MAX_DISKS = 4 };

/* Answers when the test says so. */
struct fake {
	struct hypervisor hv;
	char ids[MAX_DISKS][HYPERVISOR_DEVICE_ID_SIZE]; /* "": free */
	bool read_only[MAX_DISKS];
	hypervisor_added_fn *added;
	hypervisor_done_fn *removed;
	void *data;
	char removing[HYPERVISOR_DEVICE_ID_SIZE];
	unsigned n_adds, n_removes;
	int refuses; /* errno of the next add */
};

static int add_block(struct hypervisor *hv, const struct hypervisor_block *block,
	hypervisor_added_fn *added, void *data, struct err *err)
{
	struct fake *f = container_of(hv, struct fake, hv);

	close_fd(block->fd);
	if (f->refuses)
		return err_set(err, f->refuses, "refused");
	assert_null(f->added);
	snprintf(f->ids[f->n_adds], HYPERVISOR_DEVICE_ID_SIZE, "%s", block->id);
	f->read_only[f->n_adds++] = block->read_only;
	f->added = added;
	f->data = data;
	return 0;
}

static int remove_device(struct hypervisor *hv, const char *id, hypervisor_done_fn *done,
	void *data, struct err *err)
{
	struct fake *f = container_of(hv, struct fake, hv);

	(void)err;
	assert_null(f->removed);
	snprintf(f->removing, sizeof(f->removing), "%s", id);
	f->n_removes++;
	f->removed = done;
	f->data = data;
	return 0;
}

static const struct hypervisor_ops ops = {.add_block = add_block, .remove_device = remove_device};

static void answer_add(struct fake *f, const char *pci, const struct err *err)
{
	struct hypervisor_guest_address address = {0};
	hypervisor_added_fn *added = f->added;

	snprintf(address.pci, sizeof(address.pci), "%s", pci ? pci : "");
	f->added = NULL;
	added(f->data, err ? NULL : &address, err);
}

static void answer_remove(struct fake *f, const struct err *err)
{
	hypervisor_done_fn *removed = f->removed;

	f->removed = NULL;
	removed(f->data, err);
}

struct user {
	struct share_plan plan;
	struct container_disks *disks;
	bool is_done;
	struct err err;
};

struct fixture {
	struct fake fake;
	struct sandbox sb;
	struct user one, two;
	int images[2];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fake.hv.ops = &ops;
	f->sb.hv = &f->fake.hv;
	f->sb.state = SANDBOX_RUNNING;
	list_init(&f->sb.disks);
	for (int i = 0; i < 2; i++) {
		f->images[i] = memfd_create("image", MFD_CLOEXEC);
		assert_true(f->images[i] >= 0);
	}
	share_plan_init(&f->one.plan, NULL);
	share_plan_init(&f->two.plan, NULL);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	container_disks_free(f->one.disks);
	container_disks_free(f->two.disks);
	sandbox_free_disks(&f->sb);
	/* The plans' layout and facts are the test's own. */
	for (struct user *u = &f->one; u; u = u == &f->one ? &f->two : NULL) {
		free(u->plan.facts);
		u->plan.facts = NULL;
		share_plan_fini(&u->plan);
	}
	close(f->images[0]);
	close(f->images[1]);
	free(f);
	return 0;
}

/* A plan of a mount, and of n of the images. */
static void plan(struct fixture *f, struct user *u, int n, bool is_readonly)
{
	u->plan.items = calloc(MAX_DISKS, sizeof(*u->plan.items));
	u->plan.facts = calloc(MAX_DISKS, sizeof(*u->plan.facts));
	u->plan.n_items = (size_t)n + 1;
	u->plan.items[0].disk_fd = -1;
	for (int i = 0; i < n; i++) {
		u->plan.items[i + 1].disk_fd = fcntl(f->images[i], F_DUPFD_CLOEXEC, 3);
		u->plan.items[i + 1].source = "/image";
		u->plan.facts[i + 1].kind = VOLUME_BLOCK;
		u->plan.facts[i + 1].is_readonly = is_readonly;
	}
}

static void on_done(void *data, const struct err *err)
{
	struct user *u = data;

	assert_false(u->is_done);
	u->is_done = true;
	u->err = (struct err)ERR_INIT;
	if (err)
		err_copy(&u->err, err);
}

static int begin(struct fixture *f, struct user *u, struct err *err)
{
	u->is_done = false;
	assert_int_equal(container_disks_new(&f->sb, &u->plan, &u->disks, NULL), 1);
	return container_disks_plug(u->disks, on_done, u, err);
}

static void disks_are_plugged_one_after_the_other(void **state)
{
	struct fixture *f = *state;

	plan(f, &f->one, 2, false);
	assert_int_equal(begin(f, &f->one, NULL), 0);
	assert_int_equal(f->fake.n_adds, 1);
	answer_add(&f->fake, "02/01", NULL);
	assert_false(f->one.is_done);
	answer_add(&f->fake, "02/02", NULL);
	assert_true(f->one.is_done);
	assert_false(err_is_set(&f->one.err));
	assert_null(f->one.plan.items[0].address);
	assert_string_equal(f->one.plan.items[1].address->pci, "02/01");
	assert_string_equal(f->one.plan.items[2].address->pci, "02/02");
	assert_string_not_equal(f->fake.ids[0], f->fake.ids[1]);
	/* And out again. */
	f->one.is_done = false;
	assert_int_equal(container_disks_release(f->one.disks, on_done, &f->one), 0);
	assert_string_equal(f->fake.removing, f->fake.ids[1]);
	answer_remove(&f->fake, NULL);
	assert_string_equal(f->fake.removing, f->fake.ids[0]);
	assert_false(f->one.is_done);
	answer_remove(&f->fake, NULL);
	assert_true(f->one.is_done);
	assert_true(list_is_empty(&f->sb.disks));
}

static void a_disk_of_two_containers_is_plugged_once(void **state)
{
	struct fixture *f = *state;

	plan(f, &f->one, 1, false);
	plan(f, &f->two, 1, false);
	assert_int_equal(begin(f, &f->one, NULL), 0);
	answer_add(&f->fake, "02/01", NULL);
	assert_int_equal(begin(f, &f->two, NULL), 1);
	assert_int_equal(f->fake.n_adds, 1);
	assert_string_equal(f->two.plan.items[1].address->pci, "02/01");
	assert_int_equal(container_disks_release(f->one.disks, on_done, &f->one), 1);
	assert_int_equal(f->fake.n_removes, 0);
	assert_int_equal(container_disks_release(f->two.disks, on_done, &f->two), 0);
	answer_remove(&f->fake, NULL);
	assert_int_equal(f->fake.n_removes, 1);
}

static void a_disk_is_not_used_in_two_modes(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT, second = ERR_INIT;

	plan(f, &f->one, 1, true);
	plan(f, &f->two, 1, false);
	assert_int_equal(begin(f, &f->one, NULL), 0);
	assert_int_equal(begin(f, &f->two, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "coming or going"));
	container_disks_free(f->two.disks);
	answer_add(&f->fake, "02/01", NULL);
	assert_true(f->fake.read_only[0]);
	f->two.plan.items[1].disk_fd = fcntl(f->images[0], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(begin(f, &f->two, &second), -EBUSY);
	assert_non_null(strstr(second.msg, "read-only"));
	assert_non_null(strstr(second.msg, "/image"));
}

static void a_failure_leaves_what_was_plugged_to_be_released(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	plan(f, &f->one, 2, false);
	assert_int_equal(begin(f, &f->one, NULL), 0);
	answer_add(&f->fake, "02/01", NULL);
	err_set(&err, EIO, "no");
	answer_add(&f->fake, NULL, &err);
	assert_true(f->one.is_done);
	assert_int_equal(f->one.err.code, EIO);
	f->one.is_done = false;
	assert_int_equal(container_disks_release(f->one.disks, on_done, &f->one), 0);
	answer_remove(&f->fake, NULL);
	assert_true(f->one.is_done);
	assert_true(list_is_empty(&f->sb.disks));
}

static void a_refused_disk_is_named(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	plan(f, &f->one, 1, false);
	f->fake.refuses = ENOSPC;
	assert_int_equal(begin(f, &f->one, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "/image"));
	assert_true(list_is_empty(&f->sb.disks));
}

static void a_container_that_has_gone_is_not_told(void **state)
{
	struct fixture *f = *state;

	plan(f, &f->one, 1, false);
	assert_int_equal(begin(f, &f->one, NULL), 0);
	container_disks_free(f->one.disks);
	f->one.disks = NULL;
	/* What nobody waits for any more is taken out again. */
	answer_add(&f->fake, "02/01", NULL);
	assert_false(f->one.is_done);
	assert_int_equal(f->fake.n_removes, 1);
	answer_remove(&f->fake, NULL);
	assert_true(list_is_empty(&f->sb.disks));
}

static void a_guest_that_holds_on_to_a_disk_does_not_hold_up_the_removal(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT, second = ERR_INIT;

	plan(f, &f->one, 1, false);
	plan(f, &f->two, 1, false);
	assert_int_equal(begin(f, &f->one, NULL), 0);
	answer_add(&f->fake, "02/01", NULL);
	f->one.is_done = false;
	assert_int_equal(container_disks_release(f->one.disks, on_done, &f->one), 0);
	err_set(&err, ETIMEDOUT, "the guest does not let it go");
	answer_remove(&f->fake, &err);
	assert_true(f->one.is_done);
	assert_false(err_is_set(&f->one.err));
	assert_int_equal(begin(f, &f->two, &second), -EBUSY);
}

static void nothing_is_plugged_into_a_machine_that_does_not_run(void **state)
{
	struct fixture *f = *state;

	plan(f, &f->one, 1, false);
	f->sb.state = SANDBOX_STOPPING;
	assert_int_equal(begin(f, &f->one, NULL), -ENOTCONN);
	assert_int_equal(f->fake.n_adds, 0);
}

static void plugging_survives_the_lack_of_memory(void **state)
{
	struct fixture *f = *state;

	plan(f, &f->one, 1, false);
	OOM_SWEEP(n)
	{
		int r;

		if (f->one.plan.items[1].disk_fd < 0)
			f->one.plan.items[1].disk_fd = fcntl(f->images[0], F_DUPFD_CLOEXEC, 3);
		oom_arm(n);
		r = container_disks_new(&f->sb, &f->one.plan, &f->one.disks, NULL);
		if (r > 0)
			r = container_disks_plug(f->one.disks, on_done, &f->one, NULL);
		oom_disarm();
		if (r < 0)
			assert_int_equal(r, -ENOMEM);
		if (r < 0 && f->one.disks) {
			container_disks_free(f->one.disks);
			f->one.disks = NULL;
		}
	}
	answer_add(&f->fake, "02/01", NULL);
}

#define disk_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		disk_test(disks_are_plugged_one_after_the_other),
		disk_test(a_disk_of_two_containers_is_plugged_once),
		disk_test(a_disk_is_not_used_in_two_modes),
		disk_test(a_failure_leaves_what_was_plugged_to_be_released),
		disk_test(a_refused_disk_is_named),
		disk_test(a_container_that_has_gone_is_not_told),
		disk_test(a_guest_that_holds_on_to_a_disk_does_not_hold_up_the_removal),
		disk_test(nothing_is_plugged_into_a_machine_that_does_not_run),
		disk_test(plugging_survives_the_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
