/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/complete.h"

#include <stdio.h>
#include <string.h>

#include "tools/agent_ctl/bundle.h"
#include "tools/agent_ctl/command.h"

/* The parts of the line that matter. */
struct position {
	const char *first; /* the command; not terminated */
	size_t first_len;
	const char *word; /* the last word, maybe empty, to the end of the line */
	size_t n_words;	  /* before it */
};

static const char blanks[] = " \t";

static struct position find_position(const char *line)
{
	struct position p = {.word = line + strspn(line, blanks)};

	p.first = p.word;
	p.first_len = strcspn(p.first, blanks);
	for (const char *end; *(end = p.word + strcspn(p.word, blanks)); p.n_words++)
		p.word = end + strspn(end, blanks);
	return p;
}

/* Adds name and suffix, if it begins with the first len bytes of typed. */
static int add(struct completion *c, const char *typed, const char *name, const char *suffix)
{
	char **grown;

	if (strncasecmp(typed, name, c->len) != 0)
		return 0;
	grown = reallocarray(c->words, c->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->words = grown;
	if (asprintf(&grown[c->n], "%s%s", name, suffix) < 0)
		return -ENOMEM;
	c->n++;
	return 0;
}

static int add_commands(struct completion *c, const char *typed)
{
	int r = 0;

	for (size_t i = 0; i < n_builtins && r == 0; i++)
		r = add(c, typed, builtins[i].name, " ");
	for (size_t i = 0; i < n_methods && r == 0; i++)
		r = add(c, typed, methods[i].name, " ");
	return r;
}

/* The method whose arguments the line's command takes, or NULL. */
static const struct method *find_method(const struct position *p, bool *ret_is_process)
{
	char name[64];

	if (p->first_len >= sizeof(name))
		return NULL;
	memcpy(name, p->first, p->first_len);
	name[p->first_len] = '\0';
	*ret_is_process = true;
	if (strcmp(name, "run") == 0)
		return process_method(PROCESS_RUN);
	if (strcmp(name, "exec") == 0)
		return process_method(PROCESS_EXEC);
	*ret_is_process = false;
	return method_find(name);
}

/* Whether a word before the last one is "name=...". */
static bool is_given(const struct position *p, const char *name)
{
	size_t len = strlen(name);
	const char *at = p->first + p->first_len;

	for (at += strspn(at, blanks); at < p->word; at += strspn(at, blanks)) {
		if (strncmp(at, name, len) == 0 && at[len] == '=')
			return true;
		at += strcspn(at, blanks);
	}
	return false;
}

static int add_name(struct completion *c, const struct position *p, const char *name)
{
	return is_given(p, name) ? 0 : add(c, p->word, name, "=");
}

static int add_names(struct completion *c, const struct position *p, const struct method *method,
	bool is_process)
{
	int r = 0;

	for (unsigned i = 0; i < method->request->n_fields && r == 0; i++)
		r = add_name(c, p, method->request->fields[i].name);
	if (r == 0 && bundle_is_for(method))
		r = add_name(c, p, "bundle");
	if (r == 0 && bundle_is_for(method))
		r = add_name(c, p, "spec");
	if (r == 0 && is_process)
		r = add_name(c, p, "terminal");
	return r;
}

static int add_bools(struct completion *c, const char *typed)
{
	int r = add(c, typed, "false", " ");

	return r < 0 ? r : add(c, typed, "true", " ");
}

static int add_values(struct completion *c, const struct position *p, const struct method *method,
	bool is_process)
{
	const char *typed = strchr(p->word, '=') + 1;
	size_t name_len = (size_t)(typed - p->word) - 1;
	const ProtobufCFieldDescriptor *field = NULL;
	const ProtobufCEnumDescriptor *values;
	int r = 0;

	c->len = strlen(typed);
	for (unsigned i = 0; i < method->request->n_fields; i++) {
		const char *name = method->request->fields[i].name;

		if (strlen(name) == name_len && strncmp(name, p->word, name_len) == 0)
			field = &method->request->fields[i];
	}
	if (is_process && strncmp(p->word, "terminal=", strlen("terminal=")) == 0)
		return add_bools(c, typed);
	if (!field || (field->type != PROTOBUF_C_TYPE_BOOL && field->type != PROTOBUF_C_TYPE_ENUM))
		return 0;
	if (field->type == PROTOBUF_C_TYPE_BOOL)
		return add_bools(c, typed);
	values = field->descriptor;
	for (unsigned i = 0; i < values->n_values && r == 0; i++)
		r = add(c, typed, values->values[i].name, " ");
	return r;
}

static int add_all(struct completion *c, const struct position *p)
{
	bool is_process;
	const struct method *method;

	if (p->n_words == 0)
		return add_commands(c, p->word);
	if (p->n_words == 1 && p->first_len == 4 && strncmp(p->first, "help", 4) == 0)
		return add_commands(c, p->word);
	method = find_method(p, &is_process);
	/* Quotes and JSON may hold blanks, which part words only elsewhere. */
	if (!method || strpbrk(p->first, "{\"'\\"))
		return 0;
	return strchr(p->word, '=') ? add_values(c, p, method, is_process)
				    : add_names(c, p, method, is_process);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int complete_line(const char *line, struct completion *ret)
{
	struct position p = find_position(line);
	struct completion c = {.len = strlen(p.word)};
	int r = add_all(&c, &p);

	if (r < 0) {
		completion_fini(&c);
		return r;
	}
	if (c.n > 0)
		qsort(c.words, c.n, sizeof(*c.words), compare);
	*ret = c;
	return 0;
}

size_t completion_common(const struct completion *c)
{
	size_t len = c->n ? strlen(c->words[0]) : 0;

	for (size_t i = 1; i < c->n; i++)
		while (strncasecmp(c->words[0], c->words[i], len) != 0)
			len--;
	return len;
}

void completion_fini(struct completion *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->words[i]);
	free(c->words);
	*c = (struct completion){0};
}
