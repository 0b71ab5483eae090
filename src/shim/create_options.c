/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/create_options.h"

#include <string.h>

#include "base/log.h"
#include "config/annotations.h"
#include "options.pb-c.h"
#include "wire/message.h"

enum { OPTIONS_BUDGET = 64 << 10 };

static bool is_type(const char *type_url, const char *name)
{
	const char *slash = strrchr(type_url, '/');

	return strcmp(slash ? slash + 1 : type_url, name) == 0;
}

/* The configuration file that the Create options name, if they do: *ret is owned by the caller. */
static int read_options(const Google__Protobuf__Any *any, char **ret, struct err *err)
{
	struct message_budget budget = {.limit = OPTIONS_BUDGET};
	const Runtimeoptions__V1__Options *options;
	ProtobufCMessage *message;
	int r;

	*ret = NULL;
	if (!any || !any->has_value || any->value.len == 0)
		return 0;
	if (!any->type_url || !is_type(any->type_url, "runtimeoptions.v1.Options")) {
		log_write(LOG_INFO, "create", "options of another runtime are ignored", "type",
			any->type_url ? any->type_url : "", NULL);
		return 0;
	}
	r = message_decode(&runtimeoptions__v1__options__descriptor,
		slice_of(any->value.data, any->value.len), &budget, &message, err);
	if (r < 0)
		return r;
	options = (const void *)message;
	if (options->config_path && options->config_path[0]) {
		*ret = strdup(options->config_path);
		if (!*ret)
			r = err_sys(err, ENOMEM, "read the options");
	}
	message_free(message, &budget);
	return r;
}

static int annotate(struct config *config, const Grpc__Spec *spec, struct err *err)
{
	auto_free struct config_annotation *list = calloc(spec->n_annotations + 1, sizeof(*list));

	if (!list)
		return err_sys(err, ENOMEM, "read the annotations");
	for (size_t i = 0; i < spec->n_annotations; i++)
		list[i] = (struct config_annotation){
			spec->annotations[i]->key, message_text(spec->annotations[i]->value)};
	return config_apply_annotations(config, list, spec->n_annotations, err);
}

int create_options_load_config(const Google__Protobuf__Any *options, const Grpc__Spec *spec,
	bool debug, struct config **ret, struct err *err)
{
	auto_free char *path = NULL;
	struct config *config;
	int r = read_options(options, &path, err);

	if (r == 0)
		r = config_load(path, &config, err);
	if (r < 0)
		return r;
	r = annotate(config, spec, err);
	for (size_t i = 0; i < config->n_warnings; i++)
		log_write(LOG_WARN, "config", config->warnings[i], NULL);
	if (r < 0) {
		config_free(config);
		return r;
	}
	if (config->runtime.enable_debug || debug)
		log_set_level(LOG_DEBUG);
	*ret = config;
	return 0;
}
