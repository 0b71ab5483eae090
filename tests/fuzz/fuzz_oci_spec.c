/* SPDX-License-Identifier: Apache-2.0 */
/* What is read can be sent: the structs pack, and unpack again. */
#include <assert.h>

#include "oci/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packing(const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = malloc(size + 1);
	ProtobufCMessage *again;

	if (!bytes || protobuf_c_message_pack(message, bytes) != size)
		abort();
	again = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
	assert(again);
	protobuf_c_message_free_unpacked(again, NULL);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf dropped = BUF_INIT;
	struct err err = ERR_INIT;
	Grpc__Process *process;
	Grpc__Spec *spec;

	if (oci_spec_parse((const char *)data, size, &spec, &dropped, &err) == 0) {
		check_packing(&spec->base);
		oci_spec_free(spec);
	} else {
		assert(err_is_set(&err));
	}
	if (oci_process_parse((const char *)data, size, &process, NULL, NULL) == 0) {
		check_packing(&process->base);
		oci_process_free(process);
	}
	return 0;
}
