/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints docs/configuration.md or docs/annotations.md from the table of keys (config/keys.h); what
 * is to be said around the tables is in prose.h. `tests/tools/config-docs --fix` writes both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/annotations.h"
#include "config/keys.h"
#include "tools/config_doc/prose.h"

/* "a|b" as "`a`, `b`". */
static void print_list(const char *list)
{
	while (list) {
		const char *end = strchrnul(list, '|');

		printf("`%.*s`%s", (int)(end - list), list, *end ? ", " : "");
		list = *end ? end + 1 : NULL;
	}
}

static void print_range(const struct key *key)
{
	long long max = key->max ? key->max : key->kind == KEY_INTEGER ? UINT32_MAX : INT64_MAX;

	if (key->min || key->max)
		printf(", %lld to %lld", (long long)key->min, max);
	if (key->is_pow2)
		printf(", a power of two");
}

static void print_type(const struct key *key)
{
	static const char *const names[] = {[KEY_BOOL] = "boolean",
		[KEY_STRING] = "string",
		[KEY_INTEGER] = "integer",
		[KEY_INTEGER64] = "integer",
		[KEY_NUMBER] = "number",
		[KEY_STRINGS] = "list of strings",
		[KEY_TABLES] = "list of tables"};

	if (key->values)
		print_list(key->values);
	else
		printf("%s", key->is_path ? "absolute path" : names[key->kind]);
	if (key->unit)
		printf(", %s", key->unit);
	if (key->kind != KEY_STRING && key->offset)
		print_range(key);
}

static void print_default(const struct key *key)
{
	static const char none[][8] = {[KEY_BOOL] = "false",
		[KEY_STRING] = "",
		[KEY_INTEGER] = "0",
		[KEY_INTEGER64] = "0",
		[KEY_NUMBER] = "0",
		[KEY_STRINGS] = "[]",
		[KEY_TABLES] = "[]"};
	const char *text = key->def ? key->def : none[key->kind];
	size_t len = strlen(KIHON_PREFIX);

	if (strncmp(text, KIHON_PREFIX "/share", len + strlen("/share")) == 0)
		printf("`PREFIX%s`", text + len);
	else if (*text)
		printf("`%s`", text);
	else
		printf("none");
}

static void print_use(const struct key *key)
{
	static const char *const names[] = {[KEY_USED] = "used",
		[KEY_IDLE] = "no effect",
		[KEY_WARNED] = "warning",
		[KEY_REFUSED] = "refused"};

	printf("%s", names[key->use]);
	if (!key->plain || key->use == KEY_USED || key->use == KEY_IDLE)
		return;
	printf(", but for ");
	print_list(key->plain);
}

static void print_section(const struct key_section *section)
{
	printf("\n## [%s", section->path[0]);
	for (size_t i = 1; i < SECTION_DEPTH && section->path[i]; i++)
		printf(".%s", section->path[i]);
	printf("]\n| key | type | default | meaning | annotation | use |\n"
	       "|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < section->n_keys; i++) {
		const struct key *key = &section->keys[i];

		printf("| %s | ", key->name);
		print_type(key);
		printf(" | ");
		print_default(key);
		printf(" | %s | %s | ", key->meaning,
			key->annotated == ANNOTATION_NONE ? "" : key_annotation(key));
		print_use(key);
		printf(" |\n");
	}
}

static void print_configuration(void)
{
	printf("%s", prose_configuration);
	for (size_t i = 0; i < SECTION_COUNT; i++)
		print_section(key_sections[i]);
}

static const char *name_list(const struct key *path)
{
	const struct key_section *section = key_sections[SECTION_HYPERVISOR];

	for (size_t i = 0; i < section->n_keys; i++)
		if (section->keys[i].offset == path->allowed)
			return section->keys[i].name;
	return "";
}

static void print_rule(const struct key *key)
{
	static const char *const names[] = {[ANNOTATION_NONE] = "",
		[ANNOTATION_ENABLED] = "if enabled",
		[ANNOTATION_FREE] = "always",
		[ANNOTATION_NEVER] = "never"};

	printf("%s", names[key->annotated]);
	if (key->allowed)
		printf(" and listed in `%s`", name_list(key));
	else if (key->is_path)
		printf(" and beside the configured kernel");
}

static void print_annotation_section(const char *name, const struct key_section *section)
{
	printf("\n## io.katacontainers.config.%s.\n"
	       "| annotation | value | key | heeded | use |\n|---|---|---|---|---|\n",
		name);
	for (size_t i = 0; i < section->n_keys; i++) {
		const struct key *key = &section->keys[i];

		if (key->annotated == ANNOTATION_NONE)
			continue;
		printf("| %s | ", key_annotation(key));
		print_type(key);
		printf(" | %s | ", key->name);
		print_rule(key);
		printf(" | ");
		print_use(key);
		printf(" |\n");
	}
}

static void print_annotations(void)
{
	printf("%s", prose_annotations);
	print_annotation_section("hypervisor", key_sections[SECTION_HYPERVISOR]);
	print_annotation_section("runtime", key_sections[SECTION_RUNTIME]);
	print_annotation_section("agent", key_sections[SECTION_AGENT]);
	printf("\n## Without a key\nRefused where they are enabled: what they ask for is not done "
	       "yet.\n\n| annotation | meaning |\n|---|---|\n");
	for (const struct annotation_without_key *a = annotations_without_key; a->name; a++)
		printf("| %s | %s |\n", a->name, a->meaning);
	printf("%s", prose_differences);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "configuration") == 0) {
		print_configuration();
	} else if (argc == 2 && strcmp(argv[1], "annotations") == 0) {
		print_annotations();
	} else {
		fprintf(stderr, "usage: config_doc configuration|annotations\n");
		return 2;
	}
	return fflush(stdout) < 0 || ferror(stdout);
}
