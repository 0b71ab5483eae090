/* SPDX-License-Identifier: Apache-2.0 */
/* CPUs and memory of a QEMU that this test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "hypervisor/qemu_cpus.h"
#include "hypervisor/qemu_resize.h"
#include "loop_until.h"
#include "qmp_peer.h"
#include "text/json.h"

#define CPU(n)                                                                       \
	"{\"type\": \"max-cpu\", \"vcpus-count\": 1, \"props\": {\"socket-id\": 0, " \
	"\"core-id\": " #n "}"
#define FREE(n) CPU(n) "}"
#define USED(n) CPU(n) ", \"qom-path\": \"/x\"}"

struct fixture {
	struct loop *loop;
	struct qmp *qmp;
	struct qmp_peer peer;
	struct qemu_plug plug;
	struct qemu_resize resize;
	int n_done;
	uint64_t n; /* of the last answer */
	struct err err;
};

static void on_ready(void *data)
{
	(void)data;
}

static void on_event(void *data, const char *name, const struct value *args)
{
	struct fixture *f = data;

	qemu_plug_handle_event(&f->plug, name, args);
	qemu_resize_handle_event(&f->resize, name, args);
}

static void on_closed(void *data, const struct err *why)
{
	struct fixture *f = data;

	(void)why;
	qemu_plug_end(&f->plug);
	qemu_resize_end(&f->resize);
}

static void on_broken(void *data, const struct err *why)
{
	(void)data;
	fail_msg("%s", why->msg);
}

static void on_resized(void *data, uint64_t n, const struct err *err)
{
	struct fixture *f = data;

	f->n_done++;
	f->n = n;
	f->err = err ? *err : (struct err)ERR_INIT;
}

static void set_up(struct fixture *f)
{
	static const struct qmp_handlers handlers = {on_ready, on_event, on_closed};
	int fd;

	*f = (struct fixture){.n_done = 0};
	assert_int_equal(loop_new(&f->loop), 0);
	qemu_plug_init(&f->plug, f->loop, on_broken, f);
	f->resize.boot_vcpus = f->resize.size.vcpus = 1;
	f->resize.size.max_vcpus = 3;
	f->resize.boot_memory_mib = f->resize.size.memory_mib = 100;
	f->resize.size.max_memory_mib = 100 + 4 * 128;
	f->resize.memory_slots = 2;
	assert_int_equal(qemu_resize_init(&f->resize, f->loop, &f->plug), 0);
	qmp_peer_open(&f->peer, f->loop, &fd);
	assert_int_equal(qmp_new(f->loop, fd, &handlers, f, &f->qmp), 0);
	qmp_peer_greet(&f->peer);
	qemu_plug_start(&f->plug, f->qmp);
}

static void tear_down(struct fixture *f)
{
	qmp_free(f->qmp);
	qemu_resize_fini(&f->resize);
	qemu_plug_fini(&f->plug);
	close_fd(f->peer.fd);
	loop_free(f->loop);
}

static void expect_query(struct fixture *f, const char *answer)
{
	qmp_peer_expect(&f->peer, "{\"execute\":\"query-hotpluggable-cpus\"}");
	qmp_peer_answer(&f->peer, answer);
}

static void resize_vcpus(struct fixture *f, uint32_t n)
{
	struct err err = ERR_INIT;

	if (qemu_resize_vcpus(&f->resize, n, on_resized, f, &err) < 0)
		fail_msg("%s", err.msg);
}

static void resize_memory(struct fixture *f, uint64_t mib)
{
	struct err err = ERR_INIT;

	if (qemu_resize_memory(&f->resize, mib, on_resized, f, &err) < 0)
		fail_msg("%s", err.msg);
}

static void expect_done(struct fixture *f, int n_done, uint64_t n, int code)
{
	loop_until(f->loop, f->n_done == n_done);
	assert_int_equal(f->n, n);
	assert_int_equal(f->err.code, code);
	qmp_peer_expect_silence(&f->peer);
}

/* ---- CPUs ---- */

static void cpus_come_and_go_one_by_one(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	resize_vcpus(&f, 3);
	assert_int_equal(qemu_resize_vcpus(&f.resize, 2, on_resized, &f, &err), -EBUSY);
	expect_query(&f, "[" FREE(2) "," FREE(1) "," USED(0) "]");
	qmp_peer_expect(&f.peer,
		"{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"max-cpu\","
		"\"id\":\"dev-cpu-1\",\"socket-id\":0,\"core-id\":1}}");
	qmp_peer_reply(&f.peer);
	expect_query(&f, "[" FREE(2) "," USED(1) "," USED(0) "]");
	qmp_peer_expect(&f.peer,
		"{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"max-cpu\","
		"\"id\":\"dev-cpu-2\",\"socket-id\":0,\"core-id\":2}}");
	qmp_peer_reply(&f.peer);
	expect_query(&f, "[" USED(2) "," USED(1) "," USED(0) "]");
	expect_done(&f, 1, 3, 0);

	resize_vcpus(&f, 0); /* not below what it started with */
	expect_query(&f, "[" USED(2) "," USED(1) "," USED(0) "]");
	qmp_peer_expect(
		&f.peer, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dev-cpu-2\"}}");
	qmp_peer_reply(&f.peer);
	qmp_peer_say(&f.peer,
		"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-cpu-2\"}}\n");
	expect_query(&f, "[" FREE(2) "," USED(1) "," USED(0) "]");
	/* The guest keeps the other: that is how it is. */
	qmp_peer_expect(
		&f.peer, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dev-cpu-1\"}}");
	qmp_peer_reply(&f.peer);
	qmp_peer_say(&f.peer, "{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"device\": "
			      "\"dev-cpu-1\"}}\n");
	expect_done(&f, 2, 2, 0);
	tear_down(&f);
}

static void a_cpu_that_fails_is_told_with_what_there_is(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	resize_vcpus(&f, 2);
	expect_query(&f, "[" FREE(1) "," USED(0) "]");
	qmp_peer_expect(&f.peer, "{\"execute\":\"device_add\"");
	qmp_peer_refuse(&f.peer, "GenericError", "no");
	expect_done(&f, 1, 1, EIO);
	assert_string_equal(f.err.msg, "device cpu-1: device_add: GenericError: no");
	resize_vcpus(&f, 2);
	expect_query(&f, "[" USED(0) "]"); /* no room, whatever was promised */
	expect_done(&f, 2, 1, 0);
	assert_int_equal(qemu_resize_vcpus(&f.resize, 4, on_resized, &f, &err), -ERANGE);
	assert_string_equal(err.msg, "4 vCPUs: the virtual machine can have 3");
	tear_down(&f);
}

static void what_is_no_list_of_cpus_is_refused(void **state)
{
	static const char *const rows[] = {"{}", "[1]", "[{}]", "[{\"type\": \"x\"}]",
		"[{\"type\": \"\", \"props\": {}}]", "[{\"type\": 1, \"props\": {}}]",
		"[{\"type\": \"x\", \"props\": {\"core-id\": -1}}]",
		"[{\"type\": \"x\", \"props\": {\"core-id\": 4294967296}}]",
		"[{\"type\": \"x\", \"props\": {}, \"vcpus-count\": 0}]",
		"[{\"type\": "
		"\"1234567890123456789012345678901234567890123456789012345678901234\", "
		"\"props\": {}}]"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_document struct document *doc = NULL;
		struct err err = ERR_INIT;
		struct qemu_cpus cpus;

		assert_int_equal(
			json_parse("cpus", slice_of(rows[i], strlen(rows[i])), 4096, &doc, &err),
			0);
		if (qemu_cpus_parse(document_root(doc), &cpus, &err) != -EINVAL)
			fail_msg("accepted: %s", rows[i]);
	}
}

/* ---- Memory ---- */

static void memory_grows_by_dimms_and_shrinks_by_whole_ones(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	resize_memory(&f, 101);
	qmp_peer_expect(&f.peer,
		"{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":\"memory-backend-memfd\","
		"\"id\":\"mem1\",\"size\":134217728,\"share\":true}}");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer,
		"{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"pc-dimm\","
		"\"id\":\"dev-mem-1\",\"memdev\":\"mem1\"}}");
	qmp_peer_reply(&f.peer);
	expect_done(&f, 1, 228, 0);
	resize_memory(&f, 228); /* nothing to do */
	expect_done(&f, 2, 228, 0);
	resize_memory(&f, 484);
	qmp_peer_expect(&f.peer,
		"{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":\"memory-backend-memfd\","
		"\"id\":\"mem2\",\"size\":268435456,\"share\":true}}");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer, "{\"execute\":\"device_add\"");
	qmp_peer_reply(&f.peer);
	expect_done(&f, 3, 484, 0);
	assert_int_equal(qemu_resize_memory(&f.resize, 600, on_resized, &f, &err), -ENOSPC);
	assert_string_equal(err.msg, "no room left for memory (memory_slots: 2)");
	err = (struct err)ERR_INIT;
	assert_int_equal(qemu_resize_memory(&f.resize, 613, on_resized, &f, &err), -ERANGE);

	resize_memory(&f, 229); /* the last has 256: too much to take away */
	expect_done(&f, 4, 484, 0);
	resize_memory(&f, 50);
	qmp_peer_expect(
		&f.peer, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dev-mem-2\"}}");
	qmp_peer_reply(&f.peer);
	qmp_peer_say(&f.peer,
		"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"dev-mem-2\"}}\n");
	qmp_peer_expect(&f.peer, "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"mem2\"}}");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(
		&f.peer, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"dev-mem-1\"}}");
	qmp_peer_refuse(&f.peer, "GenericError", "in use");
	expect_done(&f, 5, 228, 0);
	tear_down(&f);
}

static void a_dimm_that_fails_leaves_nothing(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	resize_memory(&f, 200);
	qmp_peer_expect(&f.peer, "{\"execute\":\"object-add\"");
	qmp_peer_reply(&f.peer);
	qmp_peer_expect(&f.peer, "{\"execute\":\"device_add\"");
	qmp_peer_refuse(&f.peer, "GenericError", "no slots");
	qmp_peer_expect(&f.peer, "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"mem1\"}}");
	qmp_peer_reply(&f.peer);
	expect_done(&f, 1, 100, EIO);
	tear_down(&f);
}

static void virtio_mem_is_told_and_waited_for(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	f.resize.has_virtio_mem = true;
	resize_memory(&f, 200);
	qmp_peer_expect(&f.peer,
		"{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"/machine/peripheral/"
		"virtiomem0\",\"property\":\"requested-size\",\"value\":134217728}}");
	qmp_peer_reply(&f.peer);
	/* More than there is, of another kind, and part of it. */
	qmp_peer_say(&f.peer,
		"{\"event\": \"MEMORY_DEVICE_SIZE_CHANGE\", \"data\": {\"size\": 134217728000}}\n"
		"{\"event\": \"MEMORY_DEVICE_SIZE_CHANGE\", \"data\": {\"size\": \"x\"}}\n"
		"{\"event\": \"MEMORY_DEVICE_SIZE_CHANGE\", \"data\": {\"size\": 67108864}}\n");
	assert_int_equal(f.n_done, 0);
	qmp_peer_say(&f.peer,
		"{\"event\": \"MEMORY_DEVICE_SIZE_CHANGE\", \"data\": {\"size\": 134217728}}\n");
	expect_done(&f, 1, 228, 0);
	resize_memory(&f, 0);
	qmp_peer_expect(&f.peer, "{\"execute\":\"qom-set\"");
	qmp_peer_refuse(&f.peer, "GenericError", "no");
	expect_done(&f, 2, 228, EIO);
	tear_down(&f);
}

static void the_end_of_the_machine_answers_both(void **state)
{
	struct err err = ERR_INIT;
	struct fixture f;

	(void)state;
	set_up(&f);
	resize_vcpus(&f, 2);
	resize_memory(&f, 200);
	close(take_fd(&f.peer.fd));
	loop_until(f.loop, f.n_done == 2);
	assert_int_equal(f.err.code, ECONNRESET);
	assert_int_equal(qemu_resize_vcpus(&f.resize, 2, on_resized, &f, &err), -ENOTCONN);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpus_come_and_go_one_by_one),
		cmocka_unit_test(a_cpu_that_fails_is_told_with_what_there_is),
		cmocka_unit_test(what_is_no_list_of_cpus_is_refused),
		cmocka_unit_test(memory_grows_by_dimms_and_shrinks_by_whole_ones),
		cmocka_unit_test(a_dimm_that_fails_leaves_nothing),
		cmocka_unit_test(virtio_mem_is_told_and_waited_for),
		cmocka_unit_test(the_end_of_the_machine_answers_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
