/* SPDX-License-Identifier: Apache-2.0 */
/* What an Update brings: read, checked, and fit to be sent on. */
#include <assert.h>

#include "oci/spec.h"
#include "oci/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf dropped = BUF_INIT;
	Grpc__LinuxResources *resources;
	struct err err = ERR_INIT;
	uint8_t *bytes;
	size_t len;

	if (oci_resources_parse((const char *)data, size, &resources, &dropped, &err) < 0) {
		assert(err_is_set(&err));
		return 0;
	}
	assert((oci_resources_validate(resources, "resources", "", &err) < 0) == err_is_set(&err));
	len = protobuf_c_message_get_packed_size(&resources->base);
	bytes = malloc(len + 1);
	if (!bytes || protobuf_c_message_pack(&resources->base, bytes) != len)
		abort();
	free(bytes);
	oci_resources_free(resources);
	return 0;
}
