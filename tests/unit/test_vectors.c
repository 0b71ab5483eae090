/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/vectors: messages encoded from upstream's own schemas, with their text beside. Each row of
 * its README.md is decoded with our schema, compared with the text value by value, and encoded
 * again to the same bytes. A field of ours with a wrong number or type shows as a wrong value.
 *
 * The text names fields as upstream does; ours differ in case and, once, in the name itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "base/io.h"
#include "events.pb-c.h"
#include "forward.pb-c.h"
#include "health.pb-c.h"
#include "task.pb-c.h"
#include "ttrpc.pb-c.h"
#include "wire/frames.h"
#include "wire/message.h"

static const ProtobufCMessageDescriptor *const descriptors[] = {
	&grpc__create_container_request__descriptor,
	&grpc__create_sandbox_request__descriptor,
	&grpc__exec_process_request__descriptor,
	&grpc__wait_process_response__descriptor,
	&grpc__write_stream_request__descriptor,
	&grpc__update_interface_request__descriptor,
	&grpc__update_routes_request__descriptor,
	&grpc__add_arpneighbors_request__descriptor,
	&grpc__stats_container_response__descriptor,
	&grpc__online_cpumem_request__descriptor,
	&grpc__copy_file_request__descriptor,
	&grpc__mem_agent_memcg_config__descriptor,
	&grpc__add_swap_request__descriptor,
	&grpc__version_check_response__descriptor,
	&containerd__task__v2__create_task_request__descriptor,
	&containerd__task__v2__exec_process_request__descriptor,
	&containerd__task__v2__state_response__descriptor,
	&containerd__task__v2__wait_response__descriptor,
	&containerd__task__v2__kill_request__descriptor,
	&containerd__events__task_exit__descriptor,
	&containerd__events__task_create__descriptor,
	&containerd__services__events__ttrpc__v1__forward_request__descriptor,
	&ttrpc__request__descriptor,
	&ttrpc__response__descriptor,
};

/* ---- text form ---- */

struct text {
	const char *file; /* for messages */
	const char *p;
};

struct token {
	enum { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_SIGN } kind;
	char word[512]; /* a string's bytes, unescaped, with a NUL behind */
	size_t len;
};

static int unescape(struct text *t)
{
	static const char escapes[] = "n\nt\tr\r\"\"''\\\\";
	int c = (unsigned char)*t->p++, value = 0;
	const char *found;

	if (c != '\\')
		return c;
	if (*t->p >= '0' && *t->p <= '7') {
		for (int i = 0; i < 3 && *t->p >= '0' && *t->p <= '7'; i++)
			value = value * 8 + *t->p++ - '0';
		return value;
	}
	if (*t->p == 'x')
		return (int)strtol(t->p + 1, (char **)(uintptr_t)&t->p, 16);
	found = strchr(escapes, *t->p++);
	assert_non_null(found);
	return found[1];
}

static void add(struct token *token, int c)
{
	assert_true(token->len < sizeof(token->word) - 1);
	token->word[token->len++] = (char)c;
	token->word[token->len] = '\0';
}

static void next_token(struct text *t, struct token *ret)
{
	*ret = (struct token){.kind = TOKEN_END};
	t->p += strspn(t->p, " \t\n,;");
	if (!*t->p)
		return;
	if (*t->p == '"') {
		ret->kind = TOKEN_STRING;
		for (t->p++; *t->p != '"';)
			add(ret, unescape(t));
		t->p++;
		return;
	}
	if (strchr(":{}", *t->p)) {
		ret->kind = TOKEN_SIGN;
		add(ret, *t->p++);
		return;
	}
	ret->kind = TOKEN_WORD;
	while (*t->p && !strchr(" \t\n,;:{}\"", *t->p))
		add(ret, *t->p++);
}

static bool is_sign(const struct token *token, char c)
{
	return token->kind == TOKEN_SIGN && token->word[0] == c;
}

/* ---- comparison ---- */

static const ProtobufCFieldDescriptor *find_field(
	const ProtobufCMessageDescriptor *desc, const char *name)
{
	/* oci.proto of upstream names this one differently. */
	if (strcmp(desc->name, "grpc.Spec") == 0 && strcmp(name, "Version") == 0)
		name = "ociVersion";
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (strcasecmp(desc->fields[i].name, name) == 0)
			return &desc->fields[i];
	fail_msg("%s has no field %s", desc->name, name);
	abort(); /* fail_msg does not return, which compilers do not know */
}

static const void *member(const ProtobufCMessage *msg, unsigned offset)
{
	return (const char *)msg + offset;
}

static bool is_repeated(const ProtobufCFieldDescriptor *field)
{
	return field->label == PROTOBUF_C_LABEL_REPEATED;
}

static size_t element_size(ProtobufCType type)
{
	switch ((int)type) {
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		return 4;
	}
}

/* The n-th value of a field; a singular one is its own first. NULL: the message has none. */
static const void *value_at(
	const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field, size_t n)
{
	const char *const *list;

	if (!is_repeated(field))
		return n == 0 ? member(msg, field->offset) : NULL;
	if (n >= *(const size_t *)member(msg, field->quantifier_offset))
		return NULL;
	list = member(msg, field->offset);
	return *list + n * element_size(field->type);
}

static bool is_map_entry(const ProtobufCMessageDescriptor *entry)
{
	size_t len = strlen(entry->name);

	return entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 &&
	       strcmp(entry->name + len - strlen("Entry"), "Entry") == 0;
}

/* Where the entry whose key comes next in the text is: encoders put maps in an order of their own.
 */
static size_t find_entry(
	struct text t, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	struct token token;
	const void *value;
	size_t n;

	for (int i = 0; i < 4; i++)
		next_token(&t, &token);
	assert_int_equal(token.kind, TOKEN_STRING);
	for (n = 0; (value = value_at(msg, field, n)); n++) {
		const ProtobufCMessage *entry = *(ProtobufCMessage *const *)value;

		if (strcmp(*(char *const *)member(entry, entry->descriptor->fields[0].offset),
			    token.word) == 0)
			return n;
	}
	return n;
}

/* The decoded number as its type prints it: a wrong signedness or width prints another text. */
static void format_number(
	const ProtobufCFieldDescriptor *field, const void *value, char *text, size_t size)
{
	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_INT32:
		snprintf(text, size, "%d", *(const int32_t *)value);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		snprintf(text, size, "%u", *(const uint32_t *)value);
		break;
	case PROTOBUF_C_TYPE_INT64:
		snprintf(text, size, "%lld", (long long)*(const int64_t *)value);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)value);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		snprintf(text, size, "%s", *(const protobuf_c_boolean *)value ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(
			field->descriptor, *(const int32_t *)value);

		assert_non_null(v);
		snprintf(text, size, "%s", v->name);
		break;
	}
	default:
		fail_msg("%s: unexpected type", field->name);
	}
}

static void compare_scalar(const struct text *t, const ProtobufCFieldDescriptor *field,
	const void *value, const struct token *expected)
{
	char number[64];

	if (field->type == PROTOBUF_C_TYPE_STRING) {
		const char *s = *(char *const *)value;

		assert_int_equal(expected->kind, TOKEN_STRING);
		/* Upstream's proto3 does not send an empty one. */
		if (strcmp(s ? s : "", expected->word) != 0)
			fail_msg("%s: %s is \"%s\"", t->file, field->name, s ? s : "");
		return;
	}
	if (field->type == PROTOBUF_C_TYPE_BYTES) {
		const ProtobufCBinaryData *b = value;

		assert_int_equal(expected->kind, TOKEN_STRING);
		if (!slice_equal(
			    slice_of(b->data, b->len), slice_of(expected->word, expected->len)))
			fail_msg("%s: bytes %s differ", t->file, field->name);
		return;
	}
	assert_int_equal(expected->kind, TOKEN_WORD);
	format_number(field, value, number, sizeof(number));
	if (strcmp(number, expected->word) != 0)
		fail_msg("%s: %s is %s, not %s", t->file, field->name, number, expected->word);
}

/* Whether a field that the text does not mention is as it should be: not there. */
static bool is_absent(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	if (is_repeated(field))
		return *(const size_t *)member(msg, field->quantifier_offset) == 0;
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)member(msg, field->offset) == NULL;
	return !*(const protobuf_c_boolean *)member(msg, field->quantifier_offset);
}

/* Reads the fields of msg from t up to the closing brace (or the end). */
static void compare_message(struct text *t, const ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	size_t seen[64] = {0};
	struct token token;

	assert_int_equal(msg->n_unknown_fields, 0);
	for (next_token(t, &token); token.kind == TOKEN_WORD; next_token(t, &token)) {
		const ProtobufCFieldDescriptor *field = find_field(desc, token.word);
		size_t n = seen[field - desc->fields]++;
		const void *value;

		if (field->type == PROTOBUF_C_TYPE_MESSAGE && is_map_entry(field->descriptor))
			n = find_entry(*t, msg, field);
		value = value_at(msg, field, n);
		if (!value)
			fail_msg("%s: too few of %s.%s", t->file, desc->name, field->name);
		next_token(t, &token);
		if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
			assert_true(is_sign(&token, '{'));
			assert_non_null(*(void *const *)value);
			compare_message(t, *(ProtobufCMessage *const *)value);
			continue;
		}
		assert_true(is_sign(&token, ':'));
		next_token(t, &token);
		compare_scalar(t, field, value, &token);
	}
	assert_true(token.kind == TOKEN_END || is_sign(&token, '}'));
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (seen[i] == 0 ? !is_absent(msg, &desc->fields[i])
				 : value_at(msg, &desc->fields[i], seen[i]) != NULL)
			fail_msg("%s: more in %s.%s", t->file, desc->name, desc->fields[i].name);
}

/* ---- the vectors ---- */

static void read_vector(const char *name, const char *suffix, struct buf *b)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/vectors/%s.%s", TESTS_DIR, name, suffix);
	if (io_read_file(AT_FDCWD, path, 64 << 10, b) < 0)
		fail_msg("cannot read %s", path);
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *found = strchr(digits, c);

	assert_true(c && found);
	return (int)(found - digits);
}

static void read_hex(const char *name, struct buf *b)
{
	auto_buf struct buf text = BUF_INIT;
	const char *p;

	read_vector(name, "hex", &text);
	for (p = buf_str(&text); *p && *p != '\n'; p += 2) {
		uint8_t byte = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));

		assert_int_equal(buf_append(b, &byte, 1), 0);
	}
}

static const ProtobufCMessageDescriptor *find_descriptor(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
		if (strcmp(descriptors[i]->name, name) == 0)
			return descriptors[i];
	fail_msg("no message %s", name);
	abort();
}

static void check_message(const char *name, const char *message, struct slice data)
{
	auto_buf struct buf text = BUF_INIT, again = BUF_INIT;
	struct message_budget budget = {.limit = 1 << 20};
	struct text t = {.file = name};
	struct err err = ERR_INIT;
	ProtobufCMessage *msg = NULL;

	if (message_decode(find_descriptor(message), data, &budget, &msg, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
	read_vector(name, "txtpb", &text);
	t.p = buf_str(&text);
	compare_message(&t, msg);
	assert_int_equal(message_encode(msg, &again), 0);
	if (!slice_equal(buf_slice(&again), data))
		fail_msg("%s: encodes to other bytes", name);
	message_free(msg, &budget);
}

static const struct {
	const char *name;
	uint32_t stream;
	uint8_t type;
} framed[] = {
	{"ttrpc-request-framed", 1, TTRPC_REQUEST},
	{"ttrpc-error-framed", 3, TTRPC_RESPONSE},
};

/* Cuts the frame with the decoder that server and client use, and makes it again. */
static void check_framed(const char *name, const char *message, const struct buf *data)
{
	struct ttrpc_header h = {0};
	struct slice payload;
	struct frames in, out;
	char plain[64];
	size_t i = 0;
	int fds[2];

	while (i < ARRAY_SIZE(framed) && strcmp(framed[i].name, name) != 0)
		i++;
	assert_true(i < ARRAY_SIZE(framed));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	frames_init(&in, fds[0]);
	frames_init(&out, fds[1]);
	assert_int_equal(send(out.fd, buf_slice(data).p, buf_len(data), 0), buf_len(data));
	assert_int_equal(frames_fill(&in), buf_len(data));
	assert_int_equal(frames_next(&in, &h, &payload), FRAME_WHOLE);
	assert_int_equal(h.stream, framed[i].stream);
	assert_int_equal(h.type, framed[i].type);
	assert_int_equal(h.flags, 0);
	assert_int_equal(frames_begin(&out), 0);
	assert_int_equal(buf_append(&out.out, payload.p, payload.len), 0);
	assert_int_equal(frames_end(&out, h.stream, (enum ttrpc_type)h.type), 0);
	assert_true(slice_equal(buf_slice(&out.out), buf_slice(data)));
	snprintf(plain, sizeof(plain), "%.*s", (int)(strlen(name) - strlen("-framed")), name);
	check_message(plain, message, payload);
	assert_int_equal(frames_next(&in, &h, &payload), FRAME_NONE);
	frames_fini(&in);
	frames_fini(&out);
}

/* One line of the table: "| name | message | ..."; false if it is none. */
static bool parse_row(const char *line, char name[static 64], char message[static 96])
{
	const char *plus;

	if (sscanf(line, "| %63[a-z0-9-] | %95[^|]|", name, message) != 2 ||
		strcmp(name, "vector") == 0 || name[0] == '-')
		return false;
	plus = strstr(message, "+ ");
	if (plus)
		memmove(message, plus + 2, strlen(plus + 2) + 1);
	while (message[0] && message[strlen(message) - 1] == ' ')
		message[strlen(message) - 1] = '\0';
	return true;
}

static size_t count_hex_files(void)
{
	DIR *dir = opendir(TESTS_DIR "/vectors");
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		n += strstr(e->d_name, ".hex") != NULL;
	closedir(dir);
	return n;
}

static void every_vector_decodes_to_its_text_and_back(void **state)
{
	auto_buf struct buf readme = BUF_INIT;
	char name[64], message[96];
	const char *line;
	size_t n = 0;

	(void)state;
	read_vector("README", "md", &readme);
	for (line = buf_str(&readme); line;
		line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		auto_buf struct buf data = BUF_INIT;

		if (!parse_row(line, name, message))
			continue;
		n++;
		read_hex(name, &data);
		if (strstr(name, "-framed"))
			check_framed(name, message, &data);
		else
			check_message(name, message, buf_slice(&data));
	}
	assert_int_equal(n, 27);
	assert_int_equal(count_hex_files(), n);
}

static void a_zero_that_was_sent_is_present(void **state)
{
	auto_buf struct buf zero = BUF_INIT;
	ProtobufCMessage *msg;
	const Grpc__MemAgentMemcgConfig *config;

	(void)state;
	read_hex("agent-memcg-zero", &zero);
	assert_int_equal(message_decode(&grpc__mem_agent_memcg_config__descriptor, buf_slice(&zero),
				 NULL, &msg, NULL),
		0);
	config = (const Grpc__MemAgentMemcgConfig *)msg;
	assert_true(config->has_disabled && config->has_swappiness_max && config->has_period_secs);
	assert_false(config->has_swap);
	message_free(msg, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_decodes_to_its_text_and_back),
		cmocka_unit_test(a_zero_that_was_sent_is_present),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
