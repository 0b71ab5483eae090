/* SPDX-License-Identifier: Apache-2.0 */
#include "config/guest_params.h"

#include <errno.h>
#include <string.h>

/* A name that ends in "*" stands for all that begin so. */
static const char *const refused[] = {
	/* What runs as the guest's own. */
	"root", "rootflags", "rootfstype", "rootdelay", "rootwait", "ro", "rw", "nfsroot", "initrd",
	"noinitrd", "init", "rdinit", "dm-mod.*", "kata.*", "systemd.unit", "systemd.mask",
	"systemd.wants", "systemd.run*", "systemd.debug-shell*", "rd.*", "single", "emergency",
	"rescue",
	/* How the agent is reached, and who else may give it orders. */
	"agent.server_addr", "agent.log_vport", "agent.debug_console*", "agent.devmode",
	"agent.config_file", "agent.policy_file", "agent.passfd_listener_port",
	/* How the runtime learns that the guest has ended. */
	"panic", "reboot"};

/* A parameter: its text, and its name in it. */
struct param {
	struct slice text, name;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Moves *at behind the next parameter; false: there is none. */
static bool next_param(const char **at, struct param *ret, bool *ret_is_open)
{
	const char *start = *at, *end, *name;
	bool quoted = false;

	while (is_space(*start))
		start++;
	for (end = start; *end && (quoted || !is_space(*end)); end++)
		quoted ^= *end == '"';
	name = start + (*start == '"');
	*ret = (struct param){
		slice_of(start, (size_t)(end - start)), slice_of(name, strcspn(name, "=\""))};
	if (ret->name.len > (size_t)(end - name))
		ret->name.len = (size_t)(end - name);
	*ret_is_open = quoted;
	*at = end;
	return end > start;
}

/* As the kernel compares names. */
static bool is_same_char(uint8_t a, uint8_t b)
{
	return (a == '-' ? '_' : a) == (b == '-' ? '_' : b);
}

static bool is_same(struct slice a, struct slice b)
{
	bool same = a.len == b.len;

	for (size_t i = 0; i < a.len && same; i++)
		same = is_same_char(a.p[i], b.p[i]);
	return same;
}

static bool is_refused(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		size_t len = strlen(refused[i]);
		bool is_prefix = refused[i][len - 1] == '*';
		struct slice rule = slice_of(refused[i], len - is_prefix), part = name;

		if (is_prefix && part.len > rule.len)
			part.len = rule.len;
		if (is_same(rule, part))
			return true;
	}
	return false;
}

int guest_params_check(const char *params, struct err *err)
{
	struct param p;
	bool is_open;

	/* The kernel takes the byte 0xa0, a part of many UTF-8 characters, for a space. */
	for (const char *c = params; *c; c++)
		if (*c < ' ' || *c > '~')
			return err_set(err, EINVAL, "not plain ASCII");
	while (next_param(&params, &p, &is_open)) {
		if (is_open)
			return err_set(err, EINVAL, "a quote does not end");
		if (p.name.len == 0 || (p.text.len == 2 && memcmp(p.text.p, "--", 2) == 0))
			return err_set(err, EINVAL, "\"%.*s\" is not a parameter",
				(int)(p.text.len < 64 ? p.text.len : 64), (const char *)p.text.p);
		if (is_refused(p.name))
			return err_set(err, EINVAL, "%.*s may not be set by an annotation",
				(int)(p.name.len < 64 ? p.name.len : 64), (const char *)p.name.p);
	}
	return 0;
}

static bool has_name(const char *params, struct slice name)
{
	struct param p;
	bool is_open;

	while (next_param(&params, &p, &is_open))
		if (is_same(p.name, name))
			return true;
	return false;
}

static int append(struct buf *out, struct slice text)
{
	int r = buf_len(out) > 0 ? buf_append(out, " ", 1) : 0;

	return r == 0 ? buf_append(out, text.p, text.len) : r;
}

int guest_params_merge(const char *base, const char *params, struct buf *out)
{
	const char *at = base;
	struct param p;
	bool is_open;
	int r = 0;

	while (r == 0 && next_param(&at, &p, &is_open))
		if (!has_name(params, p.name))
			r = append(out, p.text);
	at = params;
	while (r == 0 && next_param(&at, &p, &is_open))
		r = append(out, p.text);
	return r;
}
