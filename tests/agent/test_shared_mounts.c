/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of one container in another. Every container of the fixture has a tmpfs at /tmp. */
#include "fixture.h"

#include <stdio.h>

struct sharing {
	const char *name; /* of the container itself */
	char *source, *from, *to;
};

static Grpc__SharedMount mount;

static void amend(Grpc__CreateContainerRequest *request, void *data)
{
	static char key[] = "io.kubernetes.cri.container-name", mount_name[] = "m1", value[32];
	static Grpc__Spec__AnnotationsEntry entry, *entries[] = {&entry};
	static Grpc__SharedMount *mounts[] = {&mount};
	const struct sharing *s = data;

	grpc__spec__annotations_entry__init(&entry);
	snprintf(value, sizeof(value), "%s", s->name);
	entry.key = key;
	entry.value = value;
	request->oci->annotations = entries;
	request->oci->n_annotations = 1;
	if (!s->source)
		return;
	grpc__shared_mount__init(&mount);
	mount.name = mount_name;
	mount.src_ctr = s->source;
	mount.src_path = s->from;
	mount.dst_path = s->to;
	request->shared_mounts = mounts;
	request->n_shared_mounts = 1;
}

static int create(
	struct fixture *f, const char *id, struct sharing *s, const char *script, struct err *err)
{
	struct container_options o = {.id = id, .script = script, .amend = amend, .data = s};

	*err = (struct err)ERR_INIT;
	return create_container(f, &o, err);
}

/* Runs c1, called "one", and waits until its script has come so far. */
static void run_source(struct fixture *f)
{
	struct sharing one = {.name = "one"};
	struct buf out = BUF_INIT;
	struct err err;

	assert_int_equal(
		create(f, "c1", &one, "echo shared > /tmp/file; echo ready; exec sleep 1000", &err),
		0);
	assert_int_equal(start_container(f, "c1"), 0);
	assert_true(read_once(f, "ReadStdout", "c1", "", &out) > 0);
	buf_fini(&out);
}

static char one[] = "one", tmp[] = "/tmp", target[] = "/run/deep/shared";

static void a_mount_of_another_container_is_seen(void **state)
{
	struct sharing two = {.name = "two", .source = one, .from = tmp, .to = target};
	struct fixture *f = *state;
	struct buf out = BUF_INIT;
	struct err err;

	run_source(f);
	if (create(f, "c2", &two,
		    "cat /run/deep/shared/file; echo back > /run/deep/shared/answer; ls /tmp",
		    &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(start_container(f, "c2"), 0);
	read_all(f, "c2", "", &out);
	assert_string_equal(buf_str(&out), "shared\n");
	buf_clear(&out);
	assert_int_equal(exec_process(f, "c1", "e1", "cat /tmp/answer", false, NULL), 0);
	read_all(f, "c1", "e1", &out);
	assert_string_equal(buf_str(&out), "back\n");
	buf_fini(&out);
	/* It outlives the container that it came from. */
	assert_int_equal(remove_container(f, "c1"), 0);
	assert_int_equal(remove_container(f, "c2"), 0);
}

static void a_name_that_nobody_has_is_passed_over(void **state)
{
	static char nobody[] = "nobody";
	struct sharing two = {.name = "two", .source = nobody, .from = tmp, .to = target};
	struct sharing self = {.name = "one", .source = one, .from = tmp, .to = target};
	struct fixture *f = *state;
	struct err err;

	assert_int_equal(create(f, "c1", &two, "exit", &err), 0);
	assert_int_equal(create(f, "c2", &self, "exit", &err), 0);
}

static void paths_that_cannot_be_are_refused(void **state)
{
	static char relative[] = "tmp", up[] = "/a/../b";
	struct sharing rows[] = {
		{"two", one, relative, target},
		{"two", one, tmp, relative},
		{"two", one, up, target},
		{"two", one, tmp, up},
		{"two", one, NULL, target},
		{"two", one, tmp, NULL},
	};
	struct fixture *f = *state;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(create(f, "c2", &rows[i], "exit", &err), WIRE_INVALID_ARGUMENT);
		assert_non_null(strstr(err.msg, "shared mount m1"));
	}
}

/* /proc/sys is there, and nothing can be made in it. */
static void one_that_cannot_be_mounted_fails_the_creation(void **state)
{
	static char below[] = "/proc/sys/no/such";
	struct sharing two = {.name = "two", .source = one, .from = tmp, .to = below};
	struct fixture *f = *state;
	struct err err;

	run_source(f);
	assert_int_equal(create(f, "c2", &two, "exit", &err), WIRE_INTERNAL);
	assert_non_null(strstr(err.msg, "shared mount m1: make /proc/sys/no/such"));
	assert_int_not_equal(start_container(f, "c2"), 0);
	two.to = target;
	assert_int_equal(create(f, "c2", &two, "exit", &err), 0);
}

/* While it waits for a mount that does not come it can be given up, and others are served. */
static void a_creation_that_waits_can_be_given_up(void **state)
{
	static char absent[] = "/no/such/mount";
	struct sharing two = {.name = "two", .source = one, .from = absent, .to = target};
	struct container_options o = {.id = "c2",
		.script = "exit",
		.amend = amend,
		.data = &two,
		.timeout_ns = 2 * NS_PER_S};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct reply reply;

	run_source(f);
	o.reply = &reply;
	assert_int_equal(create_container(f, &o, &err), 0);
	assert_int_equal(exec_process(f, "c1", "e1", "exit 3", false, NULL), 0);
	assert_int_equal(wait_process(f, "c1", "e1"), 3);
	assert_false(reply.done);
	assert_int_equal(start_container(f, "c2"), WIRE_FAILED_PRECONDITION);
	call_wait(f, &reply);
	assert_true(err_is_set(&reply.err));
	assert_int_equal(remove_container(f, "c1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		agent_test(a_mount_of_another_container_is_seen),
		agent_test(a_name_that_nobody_has_is_passed_over),
		agent_test(paths_that_cannot_be_are_refused),
		agent_test(one_that_cannot_be_mounted_fails_the_creation),
		agent_test(a_creation_that_waits_can_be_given_up),
	};

	fixture_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
