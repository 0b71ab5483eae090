/* SPDX-License-Identifier: Apache-2.0 */
/* Where the configuration is found, and its drop-ins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "config/config.h"
#include "oom.h"

static struct config *load(const char *path)
{
	struct config *config = NULL;
	struct err err = ERR_INIT;

	if (config_load(path, &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

/* A directory with configuration.toml, and config.d in it. */
struct place {
	char dir[64], file[96], drop_ins[96];
};

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(io_replace_file(AT_FDCWD, path, 0600, text, strlen(text)), 0);
}

static void place_make(struct place *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/test_config.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->file, sizeof(p->file), "%s/configuration.toml", p->dir);
	snprintf(p->drop_ins, sizeof(p->drop_ins), "%s/config.d", p->dir);
	write_text(p->dir, "configuration.toml",
		"[hypervisor.qemu]\nkernel='/base'\ndefault_memory=512\nenable_numa=true\n");
}

static void place_remove(const struct place *p)
{
	assert_int_equal(path_remove_tree(AT_FDCWD, p->dir), 0);
}

static void drop_ins_override_in_the_order_of_their_names(void **state)
{
	struct place p;
	struct config *c;

	(void)state;
	place_make(&p);
	assert_int_equal(mkdir(p.drop_ins, 0700), 0);
	write_text(p.drop_ins, "20-b.toml", "[hypervisor.qemu]\nkernel='/b'\nenable_numa=false\n");
	write_text(p.drop_ins, "10-a.toml",
		"[hypervisor.qemu]\nkernel='/a'\ninitrd='/a'\n[runtime]\nenable_debug=true\n");
	c = load(p.file);
	assert_string_equal(c->hypervisor.kernel, "/b");
	assert_string_equal(c->hypervisor.initrd, "/a");
	assert_int_equal(c->hypervisor.default_memory_mib, 512);
	assert_true(c->runtime.enable_debug);
	/* What a later file takes back is not warned about. */
	assert_int_equal(c->n_warnings, 0);
	config_free(c);
	place_remove(&p);
}

static void faults_in_a_drop_in_carry_its_name(void **state)
{
	char expected[256];
	struct place p;
	struct config *c = NULL;
	struct err err = ERR_INIT;

	(void)state;
	place_make(&p);
	assert_int_equal(mkdir(p.drop_ins, 0700), 0);
	write_text(p.drop_ins, "x.toml", "[hypervisor.qemu]\n\ndefault_memory='x'\n");
	assert_int_equal(config_load(p.file, &c, &err), -EINVAL);
	snprintf(expected, sizeof(expected),
		"%s/x.toml:3:1: hypervisor.qemu.default_memory: expected an unsigned integer, "
		"got a string",
		p.drop_ins);
	assert_string_equal(err.msg, expected);

	write_text(p.drop_ins, "x.toml", "");
	snprintf(expected, sizeof(expected), "%s/dir", p.drop_ins);
	assert_int_equal(mkdir(expected, 0700), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(config_load(p.file, &c, &err), -EINVAL);
	snprintf(expected, sizeof(expected), "%s/dir: not a regular file", p.drop_ins);
	assert_string_equal(err.msg, expected);
	place_remove(&p);
}

static void the_environment_comes_first_and_links_are_resolved(void **state)
{
	auto_free char *resolved = NULL;
	char link[128];
	struct place p;
	struct config *c;

	(void)state;
	place_make(&p);
	snprintf(link, sizeof(link), "%s/link", p.dir);
	assert_int_equal(symlink("configuration.toml", link), 0);
	assert_int_equal(setenv("KATA_CONF_FILE", link, 1), 0);
	c = load("/nonexistent");
	resolved = realpath(p.file, NULL);
	assert_non_null(resolved);
	assert_string_equal(c->file, resolved);
	config_free(c);
	assert_int_equal(setenv("KATA_CONF_FILE", "", 1), 0);
	c = load(p.file);
	config_free(c);
	assert_int_equal(unsetenv("KATA_CONF_FILE"), 0);
	place_remove(&p);
}

static void a_named_file_must_be_there(void **state)
{
	struct config *c = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(config_load("/nonexistent/c.toml", &c, &err), -ENOENT);
	assert_string_equal(err.msg, "read /nonexistent/c.toml: No such file or directory");
	assert_int_equal(setenv("KATA_CONF_FILE", "/nonexistent/e.toml", 1), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(config_load("/nonexistent/c.toml", &c, &err), -ENOENT);
	assert_string_equal(
		err.msg, "KATA_CONF_FILE: read /nonexistent/e.toml: No such file or directory");
	assert_int_equal(unsetenv("KATA_CONF_FILE"), 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(config_load("/proc/self", &c, &err), -EISDIR);
}

static void without_any_file_every_place_is_listed(void **state)
{
	const char *const *paths = config_search_paths();
	struct config *c = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	(void)state;
	assert_string_equal(paths[0], "/etc/kata-containers/runtime-rs/configuration.toml");
	assert_string_equal(paths[1], "/etc/kata-containers/configuration.toml");
	assert_string_equal(
		paths[3], KIHON_PREFIX "/share/defaults/kata-containers/configuration.toml");
	for (; paths[n]; n++)
		if (access(paths[n], F_OK) == 0)
			skip(); /* this machine has one */
	assert_int_equal(n, 8);
	assert_int_equal(config_load(NULL, &c, &err), -ENOENT);
	for (size_t i = 0; i < n; i++)
		assert_non_null(strstr(err.msg, paths[i]));
}

/* A value that changes its type, a list that is replaced, a table that is merged. */
static void drop_ins_replace_values_and_merge_tables(void **state)
{
	struct place p;
	struct config *c;

	(void)state;
	place_make(&p);
	assert_int_equal(mkdir(p.drop_ins, 0700), 0);
	write_text(p.drop_ins, "1.toml",
		"[hypervisor.qemu]\nenable_annotations=['a','b']\n"
		"default_vcpus='x'\n");
	write_text(p.drop_ins, "2.toml",
		"[hypervisor.qemu]\nenable_annotations=['c']\n"
		"default_vcpus=2\ndefault_maxvcpus=2\n");
	c = load(p.file);
	assert_int_equal(c->hypervisor.enable_annotations.n, 1);
	assert_string_equal(c->hypervisor.enable_annotations.items[0], "c");
	assert_true(c->hypervisor.default_vcpus == 2);
	assert_string_equal(c->hypervisor.kernel, "/base");
	config_free(c);
	place_remove(&p);
}

static void every_allocation_of_a_load_may_fail(void **state)
{
	struct place p;

	(void)state;
	place_make(&p);
	assert_int_equal(mkdir(p.drop_ins, 0700), 0);
	write_text(p.drop_ins, "1", "[hypervisor.qemu]\nkernel='/b'\n");
	OOM_SWEEP(n)
	{
		struct config *c = NULL;
		int r;

		oom_arm(n);
		r = config_load(p.file, &c, NULL);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		config_free(c);
	}
	place_remove(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drop_ins_override_in_the_order_of_their_names),
		cmocka_unit_test(drop_ins_replace_values_and_merge_tables),
		cmocka_unit_test(faults_in_a_drop_in_carry_its_name),
		cmocka_unit_test(the_environment_comes_first_and_links_are_resolved),
		cmocka_unit_test(a_named_file_must_be_there),
		cmocka_unit_test(without_any_file_every_place_is_listed),
		cmocka_unit_test(every_allocation_of_a_load_may_fail),
	};

	unsetenv("KATA_CONF_FILE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
