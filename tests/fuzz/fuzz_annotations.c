/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines "key=value" are a pod's annotations, each of which is enabled. What comes out is a
 * configuration that could stand in a file, and nothing of what never comes from a pod.
 */
#include <assert.h>

#include "base/own.h"
#include "config/annotations.h"
#include "text.h"

enum { MAX_ANNOTATIONS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base[] = "[hypervisor.qemu]\nenable_annotations=['.*']\n"
			   "kernel_params='a=1 b'\nvalid_entropy_sources=['/dev/*random']\n";

static size_t split(char *text, struct config_annotation *list)
{
	size_t n = 0;

	while (text && n < MAX_ANNOTATIONS) {
		char *line = strsep(&text, "\n"), *value = strchr(line, '=');

		if (value)
			*value++ = '\0';
		list[n++] = (struct config_annotation){line, value ? value : ""};
	}
	return n;
}

static void check(const struct config *c)
{
	const struct config_hypervisor *hv = &c->hypervisor;

	assert(hv->default_vcpus > 0 && hv->default_vcpus <= hv->default_maxvcpus);
	assert(hv->default_maxvcpus <= 256 && hv->default_memory_mib >= 64);
	for (const char *p = hv->kernel_params; *p; p++)
		assert(*p >= ' ' && *p <= '~');
	assert(strcmp(hv->path, "/usr/bin/qemu-system-x86_64") == 0);
	assert(strncmp(hv->entropy_source, "/dev/", 5) == 0);
	assert(!strstr(hv->machine_accelerators, "kernel=") && !strchr(hv->cpu_features, ' '));
	assert(hv->virtio_fs_extra_args.n == 0 && c->runtime.sandbox_bind_mounts.n == 0);
	assert(!*hv->image && !*hv->seccomp_sandbox && !hv->rootless);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_annotation list[MAX_ANNOTATIONS];
	auto_free char *text = fuzz_text(data, size);
	struct config *config = NULL;
	struct err err = ERR_INIT;

	if (config_parse("base", base, sizeof(base) - 1, &config, NULL) < 0)
		abort();
	if (config_apply_annotations(config, list, split(text, list), &err) < 0)
		assert(err_is_set(&err));
	else
		check(config);
	config_free(config);
	return 0;
}
