/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "linux/uevent.h"

static void look_at(const char *value, size_t size)
{
	assert(!value || (*value && strlen(value) <= size));
}

static void look_at_all(const struct uevent *e, size_t size)
{
	look_at(e->action, size);
	look_at(e->devpath, size);
	look_at(e->subsystem, size);
	look_at(e->devname, size);
	look_at(e->interface, size);
	assert(e->major >= -1 && e->major <= UINT32_MAX && e->minor >= -1);
	assert(!e->devpath || (*e->devpath == '/' && !strstr(e->devpath, "/../")));
	assert(!e->devname || *e->devname != '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct uevent e;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	if (uevent_parse_message(text, size, &e) == 0) {
		assert(e.action && e.devpath);
		look_at_all(&e, size);
	}
	if (size > 0)
		memcpy(text, data, size);
	if (uevent_parse_variables(text, size, '\n', &e) == 0)
		look_at_all(&e, size);
	free(text);
	return 0;
}
