/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments by name are put together as JSON, so that there is one reader of values. */
#include "tools/agent_ctl/request.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/io.h"
#include "text/base64.h"
#include "text/json.h"
#include "tools/agent_ctl/bundle.h"
#include "wire/message_json.h"

/* A request of 4 MiB whose bytes are JSON numbers. */
enum { MAX_TEXT = 20 << 20 };

struct arguments {
	const struct method *method;
	uint64_t given;	  /* a bit for each field */
	struct buf json;  /* owned: the object, without its last brace */
	struct buf whole; /* owned: the request, if one argument is all of it */
	bool has_whole;
	const char *bundle, *spec; /* borrowed, or NULL */
	struct err *err;
};

static const struct {
	const char *name, *field;
} aliases[] = {
	{"cid", "container_id"},
	{"sid", "sandbox_id"},
	{"eid", "exec_id"},
	{"exec_id", "exec_id"},
};

static int no_memory(const struct arguments *a)
{
	return err_sys(a->err, ENOMEM, "%s", a->method->name);
}

static const char *alias_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(aliases[i].name, name) == 0)
			return aliases[i].field;
	return NULL;
}

/* "TERM", "SIGTERM", "term": 15; 0 for what is no name. */
static int signal_of(const char *name)
{
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int signo = 1; signo < NSIG; signo++) {
		const char *known = sigabbrev_np(signo);

		if (known && strcasecmp(known, name) == 0)
			return signo;
	}
	return 0;
}

static void put_quoted(
	struct json_writer *w, const ProtobufCFieldDescriptor *field, const char *value, size_t len)
{
	auto_buf struct buf text = BUF_INIT;
	struct slice bytes = slice_of(value, len);
	bool is_signal = strcmp(field->name, "signal") == 0;
	int r;

	if (field->type == PROTOBUF_C_TYPE_BYTES)
		r = base64_encode(bytes, &text);
	else if (is_signal && signal_of(value))
		r = buf_printf(&text, "%d", signal_of(value));
	else
		r = buf_append(&text, value, len);
	if (r < 0)
		w->error = r;
	else
		json_put_string(w, NULL, buf_str(&text));
}

static void put_list(
	struct json_writer *w, const ProtobufCFieldDescriptor *field, const char *value)
{
	json_begin_array(w, NULL);
	while (*value) {
		size_t len = strcspn(value, ",");

		put_quoted(w, field, value, len);
		value += len + (value[len] == ',');
	}
	json_end_array(w);
}

static int put_value(struct buf *json, const ProtobufCFieldDescriptor *field, const char *value)
{
	struct json_writer w = {.out = json};

	if (field->type == PROTOBUF_C_TYPE_MESSAGE ||
		(field->label == PROTOBUF_C_LABEL_REPEATED && *value == '['))
		return buf_append_str(json, value);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		put_list(&w, field, value);
	else
		put_quoted(&w, field, value, strlen(value));
	return json_finish(&w);
}

static int add_field(struct arguments *a, const char *name, const char *value)
{
	const ProtobufCMessageDescriptor *request = a->method->request;
	const char *alias = alias_of(name);
	const ProtobufCFieldDescriptor *field =
		message_json_find_field(request, alias ? alias : name);
	uint64_t bit;
	int r;

	if (!field && alias)
		return 0;
	if (!field)
		return err_set(a->err, EINVAL, "%s: %s has no field %s", a->method->name,
			request->short_name, name);
	bit = UINT64_C(1) << (field - request->fields);
	if (a->given & bit)
		return err_set(
			a->err, EINVAL, "%s: %s is given twice", a->method->name, field->name);
	a->given |= bit;
	r = buf_printf(&a->json, "%s\"%s\":", buf_len(&a->json) ? "," : "{", field->name);
	if (r == 0)
		r = put_value(&a->json, field, value);
	if (r == -EILSEQ)
		return err_set(a->err, EINVAL, "%s: %s: not UTF-8", a->method->name, name);
	return r < 0 ? no_memory(a) : 0;
}

static int add_named(struct arguments *a, const char *name, const char *value)
{
	if (bundle_is_for(a->method) && strcmp(name, "bundle") == 0) {
		a->bundle = value;
		return 0;
	}
	if (bundle_is_for(a->method) && strcmp(name, "spec") == 0) {
		a->spec = value;
		return 0;
	}
	return add_field(a, name, value);
}

/* Takes the argument at *i, and the next one where that is its value. */
static int add_argument(struct arguments *a, char *const *arguments, size_t n, size_t *i)
{
	const char *argument = arguments[*i];
	bool has_dashes = strncmp(argument, "--", 2) == 0;
	const char *name = argument + (has_dashes ? 2 : 0), *equals = strchr(name, '=');
	auto_free char *copy = NULL;

	if (equals) {
		copy = strndup(name, (size_t)(equals - name));
		return copy ? add_named(a, copy, equals + 1) : no_memory(a);
	}
	if (!has_dashes)
		return err_set(a->err, EINVAL, "%s: \"%s\" is neither JSON, file:// nor name=value",
			a->method->name, argument);
	if (*i + 1 == n)
		return err_set(a->err, EINVAL, "%s: %s needs a value", a->method->name, argument);
	return add_named(a, name, arguments[++*i]);
}

static int add_whole(struct arguments *a, const char *argument)
{
	static const char json[] = "json://", file[] = "file://";
	int r;

	a->has_whole = true;
	if (strncmp(argument, file, strlen(file)) == 0) {
		r = io_read_file(AT_FDCWD, argument + strlen(file), MAX_TEXT, &a->whole);
		if (r < 0)
			return err_sys(a->err, -r, "%s: read %s", a->method->name,
				argument + strlen(file));
		return 0;
	}
	if (strncmp(argument, json, strlen(json)) == 0)
		argument += strlen(json);
	return buf_append_str(&a->whole, argument) < 0 ? no_memory(a) : 0;
}

static bool is_whole(const char *argument)
{
	return *argument == '{' || strncmp(argument, "json://", 7) == 0 ||
	       strncmp(argument, "file://", 7) == 0;
}

static int add_arguments(struct arguments *a, char *const *arguments, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		if (is_whole(arguments[i]) && n > 1)
			return err_set(a->err, EINVAL,
				"%s: JSON is the whole request: no other argument goes with it",
				a->method->name);
		r = is_whole(arguments[i]) ? add_whole(a, arguments[i])
					   : add_argument(a, arguments, n, &i);
		if (r < 0)
			return r;
	}
	return buf_append_str(&a->json, buf_len(&a->json) ? "}" : "{}") < 0 ? no_memory(a) : 0;
}

int request_make_id(char id[static REQUEST_ID_SIZE])
{
	uint8_t bytes[REQUEST_ID_SIZE / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

void request_defaults_fini(struct request_defaults *defaults)
{
	free(take_ptr(&defaults->container_id));
	free(take_ptr(&defaults->sandbox_id));
}

/* The id named by the request is remembered, or it gets the one that is. */
static int settle_id(ProtobufCMessage *request, const char *name, char **remembered, bool may_make)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(request->descriptor, name);
	char **id, made[REQUEST_ID_SIZE], *copy;

	if (!field || field->type != PROTOBUF_C_TYPE_STRING)
		return 0;
	id = (void *)((char *)request + field->offset);
	if (!*id && !*remembered && may_make && request_make_id(made) == 0) {
		*remembered = strdup(made);
		if (!*remembered)
			return -ENOMEM;
	}
	if (!*id && !*remembered)
		return 0;
	copy = strdup(*id ? *id : *remembered);
	if (!copy)
		return -ENOMEM;
	if (!*id) {
		*id = copy;
	} else {
		free(*remembered);
		*remembered = copy;
	}
	return 0;
}

static int settle_ids(
	const struct arguments *a, ProtobufCMessage *request, struct request_defaults *defaults)
{
	bool may_make = strncmp(a->method->name, "Create", strlen("Create")) == 0;
	int r;

	if (defaults->no_auto_values)
		return 0;
	r = settle_id(request, "container_id", &defaults->container_id, may_make);
	if (r == 0)
		r = settle_id(request, "sandbox_id", &defaults->sandbox_id, may_make);
	return r < 0 ? no_memory(a) : 0;
}

static int parse(struct arguments *a, struct request_defaults *defaults, ProtobufCMessage **ret)
{
	struct message_json json = {
		.name = a->method->name, .max_size = MAX_TEXT, .is_loose = true};
	struct buf *text = a->has_whole ? &a->whole : &a->json;
	int r = message_json_parse(&json, a->method->request, buf_slice(text), ret, a->err);

	if (r < 0)
		return r;
	r = settle_ids(a, *ret, defaults);
	if (r == 0 && bundle_is_for(a->method))
		r = bundle_add(*ret, a->bundle, a->spec, defaults->bundle_dir, a->err);
	if (r < 0)
		protobuf_c_message_free_unpacked(*ret, NULL);
	return r;
}

int request_parse(const struct method *method, char *const *arguments, size_t n_arguments,
	struct request_defaults *defaults, ProtobufCMessage **ret, struct err *err)
{
	struct arguments a = {.method = method, .err = err};
	ProtobufCMessage *request;
	int r = add_arguments(&a, arguments, n_arguments);

	if (r == 0)
		r = parse(&a, defaults, &request);
	buf_fini(&a.json);
	buf_fini(&a.whole);
	if (r == 0)
		*ret = request;
	return r;
}
