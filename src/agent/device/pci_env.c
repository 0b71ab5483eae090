/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/pci_env.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "wire/status.h"

#define PREFIX "PCIDEVICE_"
#define INFO "_INFO"

enum { ADDRESS_LEN = PCI_ADDRESS_SIZE - 1 };

void pci_env_fini(struct pci_env *env)
{
	for (size_t i = 0; i < env->n_changed; i++)
		free(env->changed[i]);
	free(env->changed);
	free(env->vars);
	*env = (struct pci_env){.vars = NULL};
}

static bool is_same(struct pci_address a, struct pci_address b)
{
	return a.domain == b.domain && a.bus == b.bus && a.slot == b.slot &&
	       a.function == b.function;
}

static const struct pci_pair *find_pair(const struct device_set *set, struct pci_address host)
{
	for (size_t i = 0; i < set->n_pairs; i++)
		if (is_same(set->pairs[i].host, host))
			return &set->pairs[i];
	return NULL;
}

/* Nothing but addresses, with commas between them. */
static bool has_only_addresses(const char *list)
{
	struct pci_address a;

	for (;; list += ADDRESS_LEN + 1) {
		if (!pci_address_scan(list, &a))
			return false;
		if (!list[ADDRESS_LEN])
			return true;
		if (list[ADDRESS_LEN] != ',')
			return false;
	}
}

/* PCIDEVICE_<name>=<addresses>; ret_len: up to the '='. */
static bool is_list(const char *var, size_t *ret_len)
{
	size_t len = strcspn(var, "=");

	*ret_len = len;
	return var[len] == '=' && strncmp(var, PREFIX, strlen(PREFIX)) == 0 &&
	       strncmp(var + len - strlen(INFO), INFO, strlen(INFO)) != 0 &&
	       has_only_addresses(var + len + 1);
}

/* <name>_INFO=: what is known of the list's devices. */
static bool is_info_of(const char *var, const char *list, size_t len)
{
	return strncmp(var, list, len) == 0 && strncmp(var + len, INFO "=", strlen(INFO "=")) == 0;
}

/* An address, and not a part of something longer. */
static bool is_address_at(const char *text, const char *at, struct pci_address *ret)
{
	if (at > text && (isxdigit((unsigned char)at[-1]) || at[-1] == ':'))
		return false;
	return pci_address_scan(at, ret) && !isxdigit((unsigned char)at[ADDRESS_LEN]);
}

/* One pass, so that an address that becomes another's is not translated again. */
static int replace(const char *var, const struct device_set *set, bool is_list_of_all, char **ret,
	struct err *err)
{
	size_t name_len = strcspn(var, "=");
	auto_buf struct buf out = BUF_INIT;
	int r = buf_append(&out, var, name_len);

	for (const char *at = var + name_len; *at && r == 0;) {
		struct pci_address host;
		bool is_address = is_address_at(var, at, &host);
		const struct pci_pair *pair = is_address ? find_pair(set, host) : NULL;
		char text[PCI_ADDRESS_SIZE];

		if (is_address && !pair && is_list_of_all)
			return err_set(err, ENOENT,
				"%.*s: no device has been found for PCI address %.12s",
				(int)(name_len < 256 ? name_len : 256), var, at);
		if (pair)
			pci_address_format(pair->guest, text);
		r = pair ? buf_append_str(&out, text) : buf_append(&out, at, 1);
		at += pair ? ADDRESS_LEN : 1;
	}
	*ret = r == 0 ? buf_take_str(&out) : NULL;
	return *ret ? 0 : err_sys(err, ENOMEM, "environment");
}

static int change(struct pci_env *env, size_t i, const struct device_set *set, bool is_list_of_all,
	struct err *err)
{
	char *changed;
	int r = replace(env->vars[i], set, is_list_of_all, &changed, err);

	if (r < 0)
		return r;
	env->changed[env->n_changed++] = changed;
	env->vars[i] = changed;
	return 0;
}

/* The list and its _INFO, which may come before it. */
static int change_list(struct pci_env *env, char *const *vars, size_t n, size_t list,
	const struct device_set *set, struct err *err)
{
	size_t len = strcspn(vars[list], "=");
	int r = change(env, list, set, true, err);

	for (size_t i = 0; i < n && r == 0; i++)
		if (env->vars[i] == vars[i] && is_info_of(vars[i], vars[list], len))
			r = change(env, i, set, false, err);
	return r;
}

static int translate(char *const *vars, size_t n, const struct device_set *set, struct pci_env *env,
	struct err *err)
{
	size_t n_lists = 0, len;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		env->vars[i] = vars[i];
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!is_list(vars[i], &len))
			continue;
		if (++n_lists > PCI_ENV_LISTS_MAX)
			return err_status(err, E2BIG, WIRE_INVALID_ARGUMENT,
				"more than %d lists of PCI devices in the environment",
				PCI_ENV_LISTS_MAX);
		r = change_list(env, vars, n, i, set, err);
	}
	return r;
}

int pci_env_translate(char *const *vars, size_t n, const struct device_set *set,
	struct pci_env *ret, struct err *err)
{
	struct pci_env env = {.vars = NULL};
	int r = 0;

	if (set->n_pairs > 0) {
		env.vars = calloc(n + 1, sizeof(*env.vars));
		env.changed = calloc(n + 1, sizeof(*env.changed));
		r = env.vars && env.changed ? translate(vars, n, set, &env, err)
					    : err_sys(err, ENOMEM, "environment");
	}
	if (r < 0) {
		pci_env_fini(&env);
		return r;
	}
	*ret = env;
	return 0;
}
