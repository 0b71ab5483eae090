/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte chooses the message type and what the rest is: JSON from a person, or the bytes of
 * a peer. What was read can be written, what was written is JSON, and reading that and writing it
 * again gives the same text.
 */
#include "agent.pb-c.h"
#include "base/utf8.h"
#include "csi.pb-c.h"
#include "text/json.h"
#include "wire/message.h"
#include "wire/message_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
	&grpc__create_container_request__descriptor,
	&grpc__stats_container_response__descriptor,
	&grpc__create_sandbox_request__descriptor,
	&grpc__update_routes_request__descriptor,
	&grpc__mem_agent_memcg_config__descriptor,
	&grpc__copy_file_request__descriptor,
	&grpc__volume_stats_response__descriptor,
	&grpc__mem_hotplug_by_probe_request__descriptor,
};

static const struct message_json how = {.name = "fuzz", .max_size = 64 << 20, .is_loose = true};

static void check_json(const struct buf *text)
{
	auto_document struct document *doc = NULL;
	struct err err = ERR_INIT;
	int r = json_parse("fuzz", buf_slice(text), SIZE_MAX, &doc, &err);

	/* Cleaning can make two keys of a map the same; and a text may hold too many values. */
	if (r < 0 && r != -E2BIG && !strstr(err.msg, "in the object already"))
		abort();
}

static void check_writing(const ProtobufCMessage *msg, bool is_exact)
{
	auto_buf struct buf text = BUF_INIT, once = BUF_INIT, twice = BUF_INIT;
	ProtobufCMessage *again;
	int r;

	if (message_json_format(msg, MESSAGE_JSON_TEXT, &text) < 0 ||
		message_json_format(msg, MESSAGE_JSON_BASE64, &once) < 0)
		abort();
	check_json(&text);
	check_json(&once);
	r = message_json_parse(&how, msg->descriptor, buf_slice(&once), &again, NULL);
	if (r < 0 && is_exact && r != -E2BIG)
		abort();
	if (r < 0)
		return;
	if (message_json_format(again, MESSAGE_JSON_BASE64, &twice) < 0 ||
		!slice_equal(buf_slice(&once), buf_slice(&twice)))
		abort();
	protobuf_c_message_free_unpacked(again, NULL);
}

static void try_json(const ProtobufCMessageDescriptor *desc, struct slice text)
{
	struct err err = ERR_INIT;
	ProtobufCMessage *msg = NULL;
	int r = message_json_parse(&how, desc, text, &msg, &err);

	if ((r == 0) != (msg != NULL) || (r < 0) != err_is_set(&err))
		abort();
	if (!msg)
		return;
	check_writing(msg, true);
	protobuf_c_message_free_unpacked(msg, NULL);
}

static void try_bytes(const ProtobufCMessageDescriptor *desc, struct slice bytes)
{
	struct message_budget budget = {.limit = 16 << 20};
	ProtobufCMessage *msg = NULL;

	if (message_decode(desc, bytes, &budget, &msg, NULL) < 0)
		return;
	check_writing(msg, false);
	message_free(msg, &budget);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *desc;
	struct slice rest;

	if (size == 0)
		return 0;
	desc = descriptors[(data[0] & 0x7f) % ARRAY_SIZE(descriptors)];
	rest = slice_of(data + 1, size - 1);
	if (data[0] & 0x80)
		try_bytes(desc, rest);
	else
		try_json(desc, rest);
	return 0;
}
