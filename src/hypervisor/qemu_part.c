/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu_part.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/json.h"

enum property_type { TYPE_TEXT, TYPE_NUMBER, TYPE_BOOL, TYPE_FDS };

static const struct {
	const char *option, *command, *undo, *undo_key;
} kinds[QEMU_PART_KIND_COUNT] = {
	[QEMU_PART_FD_SET] = {"-add-fd", "add-fd", "remove-fd", "fdset-id"},
	[QEMU_PART_OBJECT] = {"-object", "object-add", "object-del", "id"},
	[QEMU_PART_CHARDEV] = {"-chardev", "chardev-add", "chardev-remove", "id"},
	[QEMU_PART_BLOCKDEV] = {"-blockdev", "blockdev-add", "blockdev-del", "node-name"},
	[QEMU_PART_NETDEV] = {"-netdev", "netdev_add", "netdev_del", "id"},
	[QEMU_PART_DEVICE] = {"-device", "device_add", "device_del", "id"},
};

/* ---- Building ---- */

void qemu_part_init(struct qemu_part *part, enum qemu_part_kind kind, const char *id)
{
	int n;

	*part = (struct qemu_part){.kind = kind};
	n = snprintf(part->id, sizeof(part->id), "%s", id);
	if (n < 0 || (size_t)n >= sizeof(part->id))
		part->error = -ENAMETOOLONG;
}

void qemu_part_fini(struct qemu_part *part)
{
	for (size_t i = 0; i < part->n_properties; i++)
		if (part->properties[i].type == TYPE_TEXT)
			free(part->properties[i].u.text);
	for (size_t i = 0; i < part->n_fds; i++)
		close_fd(part->fds[i]);
	part->n_properties = part->n_fds = 0;
}

static struct qemu_property *put(struct qemu_part *part, const char *key, enum property_type type)
{
	struct qemu_property *p = &part->properties[part->n_properties];

	/* Parts are written by us, for each kind of device a fixed list. */
	assert(part->n_properties < QEMU_PART_PROPERTIES_MAX);
	part->n_properties++;
	*p = (struct qemu_property){.key = key, .type = (uint8_t)type, .form = QEMU_PART_BOTH};
	return p;
}

void qemu_part_put(struct qemu_part *part, const char *key, const char *fmt, ...)
{
	auto_buf struct buf text = BUF_INIT;
	va_list ap;
	char *s;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(&text, fmt, ap);
	va_end(ap);
	s = r < 0 ? NULL : buf_take_str(&text);
	if (s)
		put(part, key, TYPE_TEXT)->u.text = s;
	else
		part->error = -ENOMEM;
}

void qemu_part_put_number(struct qemu_part *part, const char *key, uint64_t n)
{
	put(part, key, TYPE_NUMBER)->u.number = n;
}

void qemu_part_put_bool(struct qemu_part *part, const char *key, bool b)
{
	put(part, key, TYPE_BOOL)->u.number = b;
}

void qemu_part_put_fds(struct qemu_part *part, const char *key, const int *fds, size_t n)
{
	struct qemu_property *p = put(part, key, TYPE_FDS);

	p->first_fd = (uint8_t)part->n_fds;
	for (size_t i = 0; i < n; i++) {
		if (part->n_fds == QEMU_PART_FDS_MAX) {
			close_fd(fds[i]);
			part->error = -E2BIG;
			continue;
		}
		part->fds[part->n_fds++] = fds[i];
		p->n_fds++;
	}
}

void qemu_part_only(struct qemu_part *part, enum qemu_part_form form)
{
	/* A text that could not be made is not there. */
	if (part->n_properties > 0 && part->error == 0)
		part->properties[part->n_properties - 1].form = (uint8_t)form;
}

/* ---- The option ---- */

const char *qemu_part_option(const struct qemu_part *part)
{
	return kinds[part->kind].option;
}

/* In a list of key=value a comma is written twice. */
static int append_escaped(struct buf *out, const char *value)
{
	int r = 0;

	for (; *value && r == 0; value++)
		r = buf_append_str(out, *value == ',' ? ",," : (char[]){*value, '\0'});
	return r;
}

static int append_value(const struct qemu_property *p, int first_fd, struct buf *out)
{
	int r = 0;

	switch ((enum property_type)p->type) {
	case TYPE_TEXT:
		return append_escaped(out, p->u.text);
	case TYPE_NUMBER:
		return buf_printf(out, "%" PRIu64, p->u.number);
	case TYPE_BOOL:
		return buf_append_str(out, p->u.number ? "on" : "off");
	case TYPE_FDS:
		for (int i = 0; i < p->n_fds && r == 0; i++)
			r = buf_printf(out, "%s%d", i > 0 ? ":" : "", first_fd + p->first_fd + i);
		return r;
	}
	return -EINVAL;
}

int qemu_part_format(const struct qemu_part *part, int first_fd, struct buf *out)
{
	bool is_first = true;
	int r = part->error;

	for (size_t i = 0; i < part->n_properties && r == 0; i++) {
		const struct qemu_property *p = &part->properties[i];

		if (!(p->form & QEMU_PART_OPTION))
			continue;
		/* Of a set of fds none is taken for granted. */
		if (!is_first || part->kind == QEMU_PART_FD_SET)
			r = buf_printf(out, "%s%s=", is_first ? "" : ",", p->key);
		if (r == 0)
			r = append_value(p, first_fd, out);
		is_first = false;
	}
	return r;
}

/* ---- The command ---- */

const char *qemu_part_command(const struct qemu_part *part)
{
	return kinds[part->kind].command;
}

static int put_fd_names(struct json_writer *w, const struct qemu_part *part,
	const struct qemu_property *p, const char *key)
{
	auto_buf struct buf names = BUF_INIT;
	int r = 0;

	for (int i = 0; i < p->n_fds && r == 0; i++)
		r = buf_printf(&names, "%s%s.%d", i > 0 ? ":" : "", part->id, p->first_fd + i);
	json_put_string(w, key, buf_str(&names));
	return r;
}

static int put_member(struct json_writer *w, const struct qemu_part *part,
	const struct qemu_property *p, const char *key)
{
	switch ((enum property_type)p->type) {
	case TYPE_TEXT:
		json_put_string(w, key, p->u.text);
		return 0;
	case TYPE_NUMBER:
		json_put_u64(w, key, p->u.number);
		return 0;
	case TYPE_BOOL:
		json_put_bool(w, key, p->u.number != 0);
		return 0;
	case TYPE_FDS:
		return put_fd_names(w, part, p, key);
	}
	return -EINVAL;
}

/* How many characters of path lead into the objects that a and b have in common. */
static size_t common_path(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t common = 0;

	for (size_t i = 0; i < a_len && i < b_len && a[i] == b[i]; i++)
		if (a[i] == '.')
			common = i + 1;
	return common;
}

/* The objects that are open in the text: path with a dot behind each. */
struct nesting {
	struct json_writer *w;
	const char *path;
	size_t len;
};

/* Closes and opens objects until those of key are open; returns key's last component. */
static const char *enter(struct nesting *n, const char *key)
{
	const char *last = strrchr(key, '.');
	size_t len = last ? (size_t)(last - key) + 1 : 0;
	size_t common = common_path(n->path, n->len, key, len);
	char name[32];

	for (size_t i = common; i < n->len; i++)
		if (n->path[i] == '.')
			json_end_object(n->w);
	for (size_t from = common; from < len;) {
		size_t end = from + strcspn(key + from, ".");

		(void)snprintf(name, sizeof(name), "%.*s", (int)(end - from), key + from);
		json_begin_object(n->w, name);
		from = end + 1;
	}
	n->path = key;
	n->len = len;
	return key + len;
}

int qemu_part_encode(const struct qemu_part *part, struct buf *out)
{
	struct json_writer w = {.out = out};
	struct nesting nesting = {.w = &w, .path = ""};
	int r = part->error, written;

	json_begin_object(&w, NULL);
	for (size_t i = 0; i < part->n_properties && r == 0; i++) {
		const struct qemu_property *p = &part->properties[i];

		if (p->form & QEMU_PART_COMMAND)
			r = put_member(&w, part, p, enter(&nesting, p->key));
	}
	(void)enter(&nesting, "");
	json_end_object(&w);
	written = json_finish(&w);
	return r < 0 ? r : written;
}

int qemu_part_encode_fd(const struct qemu_part *part, size_t i, struct buf *out)
{
	return buf_printf(out, "{\"fdname\":\"%s.%zu\"}", part->id, i);
}

const char *qemu_part_undo_command(const struct qemu_part *part)
{
	return kinds[part->kind].undo;
}

int qemu_part_encode_undo(const struct qemu_part *part, struct buf *out)
{
	/* Ids are ours, or have been checked: nothing in them needs quoting. */
	const char *quote = part->kind == QEMU_PART_FD_SET ? "" : "\"";

	return buf_printf(
		out, "{\"%s\":%s%s%s}", kinds[part->kind].undo_key, quote, part->id, quote);
}
