/* SPDX-License-Identifier: Apache-2.0 */
/* PCIDEVICE_* variables, with the guest's addresses for the host's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "agent/device/pci_env.h"
#include "oom.h"
#include "wire/status.h"

/* The second is the first's address in the guest. */
static struct pci_pair pairs[] = {
	{{0, 0x81, 0, 1}, {0, 0x81, 0, 2}},
	{{0, 0x81, 0, 2}, {0, 1, 0x1f, 7}},
	{{1, 0xab, 0, 0}, {0, 3, 0, 0}},
};

static const struct device_set known = {.pairs = pairs, .n_pairs = ARRAY_SIZE(pairs)};

enum { MAX = 4 };

static size_t count(const char *const vars[MAX])
{
	size_t n = 0;

	while (n < MAX && vars[n])
		n++;
	return n;
}

static int translate(const char *const vars[MAX], const struct device_set *set, struct pci_env *env,
	struct err *err)
{
	return pci_env_translate((char *const *)(uintptr_t)vars, count(vars), set, env, err);
}

static void addresses_become_the_guests(void **state)
{
	static const struct {
		const char *before[MAX], *after[MAX];
	} rows[] = {
		{{"PCIDEVICE_X=0000:81:00.1"}, {"PCIDEVICE_X=0000:81:00.2"}},
		{{"A=b", "PCIDEVICE_X=0000:81:00.1,0000:81:00.2", "C=d"},
			{"A=b", "PCIDEVICE_X=0000:81:00.2,0000:01:1f.7", "C=d"}},
		{{"PCIDEVICE_X=0001:AB:00.0"}, {"PCIDEVICE_X=0000:03:00.0"}},
		/* With its _INFO, before and behind it, in one pass; unknown ones stay there. */
		{{"PCIDEVICE_X_INFO={\"0000:81:00.1\":\"0000:81:00.2 0000:99:00.0\"}",
			 "PCIDEVICE_X=0000:81:00.1"},
			{"PCIDEVICE_X_INFO={\"0000:81:00.2\":\"0000:01:1f.7 0000:99:00.0\"}",
				"PCIDEVICE_X=0000:81:00.2"}},
		{{"PCIDEVICE_X=0000:81:00.1", "PCIDEVICE_X_INFO=10000:81:00.1 0000:81:00.1f "
					      ":0000:81:00.1 0000:81:00.1"},
			{"PCIDEVICE_X=0000:81:00.2", "PCIDEVICE_X_INFO=10000:81:00.1 0000:81:00.1f "
						     ":0000:81:00.1 0000:81:00.2"}},
		/* Another's _INFO, and none of ours. */
		{{"PCIDEVICE_Y_INFO=0000:81:00.1", "PCIDEVICE_X=0000:81:00.1",
			 "PCIDEVICE_INFO=0000:81:00.1"},
			{"PCIDEVICE_Y_INFO=0000:81:00.1", "PCIDEVICE_X=0000:81:00.2",
				"PCIDEVICE_INFO=0000:81:00.1"}},
		/* No lists of PCI addresses. */
		{{"PCIDEVICE_X=vfio3", "PCIDEVICE_X_INFO=0000:81:00.1"},
			{"PCIDEVICE_X=vfio3", "PCIDEVICE_X_INFO=0000:81:00.1"}},
		{{"PCIDEVICE_X=", "PCIDEVICE_Y=0000:81:00.1,", "PCIDEVICE_Z=,0000:81:00.1"},
			{"PCIDEVICE_X=", "PCIDEVICE_Y=0000:81:00.1,", "PCIDEVICE_Z=,0000:81:00.1"}},
		{{"PCIDEVICE_X=0000:81:00.1 0000:81:00.2", "PCIDEVICE_Y", "=", ""},
			{"PCIDEVICE_X=0000:81:00.1 0000:81:00.2", "PCIDEVICE_Y", "=", ""}},
		{{"pcidevice_x=0000:81:00.1", "XPCIDEVICE_X=0000:81:00.1", "_INFO=x"},
			{"pcidevice_x=0000:81:00.1", "XPCIDEVICE_X=0000:81:00.1", "_INFO=x"}},
		/* The name twice: each is a list. */
		{{"PCIDEVICE_X=0000:81:00.1", "PCIDEVICE_X=0000:81:00.2",
			 "PCIDEVICE_X_INFO=0000:81:00.1"},
			{"PCIDEVICE_X=0000:81:00.2", "PCIDEVICE_X=0000:01:1f.7",
				"PCIDEVICE_X_INFO=0000:81:00.2"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pci_env env;

		assert_int_equal(translate(rows[i].before, &known, &env, NULL), 0);
		for (size_t j = 0; j < count(rows[i].before); j++)
			assert_string_equal(env.vars[j], rows[i].after[j]);
		pci_env_fini(&env);
	}
}

static void a_device_that_was_not_found_is_an_error(void **state)
{
	static const char *const vars[MAX] = {"A=b", "PCIDEVICE_X=0000:81:00.1,0000:99:00.0"};
	struct device_set none = {.n_pairs = 0};
	struct err err = ERR_INIT;
	struct pci_env env;

	(void)state;
	assert_int_equal(translate(vars, &known, &env, &err), -ENOENT);
	assert_string_equal(
		err.msg, "PCIDEVICE_X: no device has been found for PCI address 0000:99:00.0");
	/* A container that was given no PCI device may have its from elsewhere (the network). */
	assert_int_equal(translate(vars, &none, &env, NULL), 0);
	assert_null(env.vars);
	pci_env_fini(&env);
}

static void lists_are_bounded(void **state)
{
	char texts[PCI_ENV_LISTS_MAX + 1][64], *vars[PCI_ENV_LISTS_MAX + 1];
	struct err err = ERR_INIT;
	struct pci_env env;

	(void)state;
	for (size_t i = 0; i <= PCI_ENV_LISTS_MAX; i++) {
		snprintf(texts[i], sizeof(texts[i]), "PCIDEVICE_%zu=0000:81:00.1", i);
		vars[i] = texts[i];
	}
	assert_int_equal(pci_env_translate(vars, PCI_ENV_LISTS_MAX, &known, &env, NULL), 0);
	pci_env_fini(&env);
	assert_int_equal(
		pci_env_translate(vars, PCI_ENV_LISTS_MAX + 1, &known, &env, &err), -E2BIG);
	assert_int_equal(err.status, WIRE_INVALID_ARGUMENT);
}

static void no_memory_is_an_error(void **state)
{
	static const char *const vars[MAX] = {
		"PCIDEVICE_X=0000:81:00.1", "PCIDEVICE_X_INFO=0000:81:00.1"};

	(void)state;
	OOM_SWEEP(n)
	{
		struct pci_env env = {.vars = NULL};
		int r;

		oom_arm(n);
		r = translate(vars, &known, &env, NULL);
		oom_disarm();
		assert_int_equal(r, oom_has_struck() ? -ENOMEM : 0);
		pci_env_fini(&env);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_become_the_guests),
		cmocka_unit_test(a_device_that_was_not_found_is_an_error),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
