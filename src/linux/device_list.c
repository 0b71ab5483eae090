/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/device_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"

static bool is_everything(const struct device_rule *r)
{
	return r->type == 'a' && r->major == DEVICE_ANY && r->minor == DEVICE_ANY &&
	       r->access == DEVICE_ALL;
}

static bool overlaps(int64_t a, int64_t b)
{
	return a == b || a == DEVICE_ANY || b == DEVICE_ANY;
}

static bool covers(int64_t wide, int64_t narrow)
{
	return wide == DEVICE_ANY || wide == narrow;
}

/* Takes what the rule says out of one exception. */
static int take_from(bool allow, const struct device_rule *rule, struct device_rule *e)
{
	unsigned int common = e->access & rule->access;

	if (e->type != rule->type || common == 0 || !overlaps(e->major, rule->major) ||
		!overlaps(e->minor, rule->minor))
		return 0;
	/* Denying all the making of nodes for the sake of one is on the safe side. */
	if ((!covers(rule->major, e->major) || !covers(rule->minor, e->minor)) &&
		(allow || common != DEVICE_MKNOD))
		return -ENOTSUP;
	e->access &= ~common;
	return 0;
}

/* rule is of type 'b' or 'c'; there is room for one more. */
static int add(struct device_list *list, const struct device_rule *rule)
{
	size_t n = 0;

	if (rule->allow != list->allow) {
		list->rules[list->n_rules++] = *rule;
		return 0;
	}
	for (size_t i = 0; i < list->n_rules; i++) {
		int r = take_from(list->allow, rule, &list->rules[i]);

		if (r < 0)
			return r;
		if (list->rules[i].access != 0)
			list->rules[n++] = list->rules[i];
	}
	list->n_rules = n;
	return 0;
}

static int add_all(struct device_list *list, const struct device_rule *rules, size_t n_rules)
{
	for (size_t i = 0; i < n_rules; i++) {
		struct device_rule rule = rules[i];
		int r = 0;

		if (is_everything(&rule)) {
			list->allow = rule.allow;
			list->n_rules = 0;
			continue;
		}
		if (rule.type == 'a') {
			rule.type = 'b';
			r = add(list, &rule);
			rule.type = 'c';
		}
		if (r == 0)
			r = add(list, &rule);
		if (r < 0)
			return r;
	}
	return 0;
}

int device_list_build(const struct device_rule *rules, size_t n_rules, struct device_list *ret)
{
	struct device_list list = {.allow = false};
	int r;

	if (n_rules > DEVICE_RULES_MAX)
		return -E2BIG;
	list.rules = calloc(2 * n_rules + 1, sizeof(*list.rules));
	if (!list.rules)
		return -ENOMEM;
	r = add_all(&list, rules, n_rules);
	if (r < 0)
		device_list_fini(&list);
	else
		*ret = list;
	return r;
}

void device_list_fini(struct device_list *list)
{
	own_free(&list->rules);
	*list = (struct device_list){.rules = NULL};
}

static void format_number(int64_t number, char text[static 24])
{
	if (number == DEVICE_ANY)
		snprintf(text, 24, "*");
	else
		snprintf(text, 24, "%" PRId64, number);
}

void device_list_format(const struct device_rule *rule, char text[static DEVICE_RULE_TEXT_SIZE])
{
	char major[24], minor[24];

	format_number(rule->major, major);
	format_number(rule->minor, minor);
	snprintf(text, DEVICE_RULE_TEXT_SIZE, "%c %.16s:%.16s %s%s%s", rule->type, major, minor,
		rule->access & DEVICE_READ ? "r" : "", rule->access & DEVICE_WRITE ? "w" : "",
		rule->access & DEVICE_MKNOD ? "m" : "");
}

int device_list_write(const struct device_list *list, int dir_fd)
{
	int r = io_write_file(dir_fd, list->allow ? "devices.allow" : "devices.deny", "a");

	for (size_t i = 0; i < list->n_rules && r == 0; i++) {
		char text[DEVICE_RULE_TEXT_SIZE];

		device_list_format(&list->rules[i], text);
		r = io_write_file(dir_fd, list->allow ? "devices.deny" : "devices.allow", text);
	}
	return r;
}
