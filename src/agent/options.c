/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* How a value is checked, and what is kept of it. Named after what upstream's parser accepts. */
enum rule {
	RULE_LEVEL,
	RULE_ADDR,
	RULE_SECONDS,	 /* unsigned; 0 keeps the default */
	RULE_LOG_PORT,	 /* > 0 counts */
	RULE_LATER_PORT, /* > 0 asks for a later feature */
	RULE_PIPE_SIZE,	 /* >= 0 */
	RULE_BOOL,	 /* anything; see is_true() */
	RULE_LATER_BOOL,
	RULE_LITERAL, /* "true" or "false" */
	RULE_UINT,    /* at most max */
	RULE_INT64,
	RULE_WORD, /* one of words */
	RULE_URL,
	RULE_ANY,
	RULE_FILE, /* a configuration file: refused */
};

struct key {
	const char *name;
	enum rule rule;
	enum option_later later;
	uint64_t max;
	const char *words; /* "a|b" */
};

#define MEM_AGENT "agent.mem_agent_"

static const struct key keys[] = {
	{"agent.log", RULE_LEVEL},
	{"agent.server_addr", RULE_ADDR},
	{"agent.hotplug_timeout", RULE_SECONDS},
	{"agent.cdh_api_timeout", RULE_SECONDS},
	{"agent.image_pull_timeout", RULE_SECONDS},
	{"agent.cdi_timeout", RULE_SECONDS},
	{"agent.launch_process_timeout", RULE_SECONDS},
	{"agent.visible_cdi_devices", RULE_BOOL},
	{"agent.trace", RULE_LATER_BOOL, OPTION_TRACING},
	{"agent.debug_console_vport", RULE_ANY}, /* means nothing without agent.debug_console */
	{"agent.log_vport", RULE_LOG_PORT},
	{"agent.passfd_listener_port", RULE_LATER_PORT, OPTION_PASSFD},
	{"agent.container_pipe_size", RULE_PIPE_SIZE},
	{"cgroup_no_v1", RULE_ANY}, /* cgroup v2 is all there is */
	{"systemd.unified_cgroup_hierarchy", RULE_BOOL},
	{"agent.https_proxy", RULE_URL},
	{"agent.no_proxy", RULE_ANY},
	{"agent.guest_components_rest_api", RULE_WORD, .words = "all|attestation|resource"},
	{"agent.guest_components_procs", RULE_WORD,
		.words = "none|attestation-agent|confidential-data-hub|api-server-rest"},
	{"agent.secure_storage_integrity", RULE_BOOL},
	{"agent.config_file", RULE_FILE},
	{MEM_AGENT "enable", RULE_LATER_BOOL, OPTION_MEM_AGENT},
	{MEM_AGENT "memcg_disable", RULE_LITERAL},
	{MEM_AGENT "memcg_swap", RULE_LITERAL},
	{MEM_AGENT "memcg_swappiness_max", RULE_UINT, .max = UINT8_MAX},
	{MEM_AGENT "memcg_period_secs", RULE_UINT, .max = UINT64_MAX},
	{MEM_AGENT "memcg_period_psi_percent_limit", RULE_UINT, .max = UINT8_MAX},
	{MEM_AGENT "memcg_eviction_psi_percent_limit", RULE_UINT, .max = UINT8_MAX},
	{MEM_AGENT "memcg_eviction_run_aging_count_min", RULE_UINT, .max = UINT64_MAX},
	{MEM_AGENT "compact_disable", RULE_LITERAL},
	{MEM_AGENT "compact_period_secs", RULE_UINT, .max = UINT64_MAX},
	{MEM_AGENT "compact_period_psi_percent_limit", RULE_UINT, .max = UINT8_MAX},
	{MEM_AGENT "compact_psi_percent_limit", RULE_UINT, .max = UINT8_MAX},
	{MEM_AGENT "compact_sec_max", RULE_INT64},
	{MEM_AGENT "compact_order", RULE_UINT, .max = UINT8_MAX},
	{MEM_AGENT "compact_threshold", RULE_UINT, .max = UINT64_MAX},
	{MEM_AGENT "compact_force_times", RULE_UINT, .max = UINT64_MAX},
};

static const char *const later_names[] = {
	[OPTION_DEBUG_CONSOLE] = "agent.debug_console",
	[OPTION_TRACING] = "agent.trace",
	[OPTION_PASSFD] = "agent.passfd_listener_port",
	[OPTION_MEM_AGENT] = MEM_AGENT "enable",
};
static_assert(ARRAY_SIZE(later_names) == OPTION_LATER_COUNT, "a name for every option");

const char *option_later_name(enum option_later option)
{
	return later_names[option];
}

void options_init(struct options *o)
{
	*o = (struct options){
		.server_addr = "vsock://-1:1024",
		.run_dir = "/run/kata-containers",
		.log_level = LOG_INFO,
	};
}

static bool parse_uint(const char *s, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long n;

	/* strtoull takes blanks and signs, and wraps negative numbers round. */
	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno || *end || n > max)
		return false;
	*ret = n;
	return true;
}

static bool parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t n, limit = negative ? 0 - (uint64_t)min : (uint64_t)max;

	if (!parse_uint(s + negative, limit, &n))
		return false;
	*ret = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

/* "true", or a number that is not 0; everything else is false, also what holds another '='. */
static bool is_true(const char *value)
{
	int64_t n;

	return strcmp(value, "true") == 0 || (parse_int(value, INT64_MIN, INT64_MAX, &n) && n != 0);
}

static bool is_one_of(const char *words, const char *value)
{
	size_t len = strcspn(value, "|");

	if (len == 0 || value[len])
		return false;
	for (const char *w = words; w; w = strchr(w, '|')) {
		w += *w == '|';
		if (strncmp(w, value, len) == 0 && (w[len] == '|' || !w[len]))
			return true;
	}
	return false;
}

static bool is_url(const char *value)
{
	const char *s = value;

	if (!isalpha((unsigned char)*s))
		return false;
	while (isalnum((unsigned char)*s) || (*s && strchr("+-.", *s)))
		s++;
	return s[0] == ':' && s[1];
}

static int set_addr(struct options *o, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, EINVAL, "empty server address");
	if (strlen(value) >= sizeof(o->server_addr))
		return err_set(err, ENAMETOOLONG, "server address longer than %zu bytes",
			sizeof(o->server_addr) - 1);
	snprintf(o->server_addr, sizeof(o->server_addr), "%s", value);
	return 0;
}

static bool set_port(struct options *o, const struct key *key, const char *value)
{
	int64_t port;

	if (!parse_int(value, INT32_MIN, INT32_MAX, &port))
		return false;
	if (port > 0 && key->rule == RULE_LOG_PORT)
		o->log_port = (uint32_t)port;
	else if (port > 0)
		o->not_supported |= 1U << key->later;
	return true;
}

static bool set_pipe_size(struct options *o, const char *value)
{
	int64_t size;

	if (!parse_int(value, 0, INT32_MAX, &size))
		return false;
	o->container_pipe_size = (uint32_t)size;
	return true;
}

static bool apply(struct options *o, const struct key *key, const char *value)
{
	uint64_t u;
	int64_t i;

	switch (key->rule) {
	case RULE_LEVEL:
		return log_level_parse(value, &o->log_level) == 0;
	case RULE_LATER_BOOL:
		if (is_true(value))
			o->not_supported |= 1U << key->later;
		return true;
	case RULE_LITERAL:
		return is_one_of("true|false", value);
	case RULE_WORD:
		return is_one_of(key->words, value);
	case RULE_URL:
		return is_url(value);
	case RULE_SECONDS:
		return parse_uint(value, UINT64_MAX, &u);
	case RULE_UINT:
		return parse_uint(value, key->max, &u);
	case RULE_INT64:
		return parse_int(value, INT64_MIN, INT64_MAX, &i);
	case RULE_PIPE_SIZE:
		return set_pipe_size(o, value);
	case RULE_LOG_PORT:
	case RULE_LATER_PORT:
		return set_port(o, key, value);
	case RULE_BOOL:
	case RULE_ANY:
	case RULE_ADDR:
	case RULE_FILE:
		return true;
	}
	return false;
}

static int parse_pair(struct options *o, const char *name, const char *value, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (keys[i].rule == RULE_ADDR)
			return set_addr(o, value, err);
		if (keys[i].rule == RULE_FILE)
			return err_set(err, ENOTSUP,
				"%s=%s: a configuration file is not supported yet", name, value);
		if (!apply(o, &keys[i], value))
			return err_set(err, EINVAL, "kernel command line: %s=%s: invalid value",
				name, value);
		return 0;
	}
	return 0;
}

static int parse_token(struct options *o, char *token, struct err *err)
{
	char *equals = strchr(token, '=');

	if (equals) {
		*equals = '\0';
		return parse_pair(o, token, equals + 1, err);
	}
	if (strcmp(token, "agent.debug_console") == 0)
		o->not_supported |= 1U << OPTION_DEBUG_CONSOLE;
	else if (strcmp(token, "agent.trace") == 0)
		o->not_supported |= 1U << OPTION_TRACING;
	return 0;
}

int options_parse_cmdline(struct options *o, struct slice text, struct err *err)
{
	static const char blanks[] = " \t\n\r\f\v";
	auto_free char *copy = NULL;
	int r = slice_to_cstr(text, OPTIONS_MAX_CMDLINE, &copy);

	if (r < 0)
		return err_sys(err, -r, "kernel command line");
	for (char *at = copy; r == 0 && *(at += strspn(at, blanks));) {
		char *token = at;

		at += strcspn(at, blanks);
		if (*at)
			*at++ = '\0';
		r = parse_token(o, token, err);
	}
	return r;
}

int options_parse_environment(struct options *o, bool is_init, struct err *err)
{
	const char *addr = getenv("KATA_AGENT_SERVER_ADDR"),
		   *level = getenv("KATA_AGENT_LOG_LEVEL");
	const char *run_dir = is_init ? NULL : getenv("KIHON_AGENT_RUN_DIR");

	if (level)
		(void)!log_level_parse(level, &o->log_level);
	if (run_dir) {
		if (run_dir[0] != '/' || strlen(run_dir) >= sizeof(o->run_dir))
			return err_set(err, EINVAL,
				"KIHON_AGENT_RUN_DIR=%s: not an absolute path of less than %zu "
				"bytes",
				run_dir, sizeof(o->run_dir));
		snprintf(o->run_dir, sizeof(o->run_dir), "%s", run_dir);
	}
	return addr ? set_addr(o, addr, err) : 0;
}
