/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define MEM_AGENT "agent.mem_agent_"

/* Most keys have the same name in both places, but for the prefix. */
#define BOTH(name) "agent." name, name
#define MEM(name) MEM_AGENT name, "mem_agent_" name
#define AT(member) .at = offsetof(struct options, member)

static const struct option_key keys[] = {
	{BOTH("debug_console"), RULE_FLAG, AT(debug_console)},
	{"agent.devmode", "dev_mode", RULE_FLAG}, /* means nothing */
	{"agent.trace", "tracing", RULE_FLAG_OR_BOOL, AT(tracing)},
	{"agent.log", "log_level", RULE_LEVEL},
	{BOTH("server_addr"), RULE_ADDR},
	{BOTH("hotplug_timeout"), RULE_SECONDS, AT(hotplug_timeout_ns)},
	{BOTH("cdh_api_timeout"), RULE_SECONDS},
	{BOTH("image_pull_timeout"), RULE_SECONDS},
	{BOTH("cdi_timeout"), RULE_SECONDS},
	{BOTH("launch_process_timeout"), RULE_SECONDS, AT(launch_timeout_ns)},
	{BOTH("visible_cdi_devices"), RULE_BOOL},
	{BOTH("debug_console_vport"), RULE_PORT, AT(debug_console_port)},
	{BOTH("log_vport"), RULE_PORT, AT(log_port)},
	{BOTH("passfd_listener_port"), RULE_PORT, AT(passfd_port)},
	{BOTH("container_pipe_size"), RULE_PIPE_SIZE, AT(container_pipe_size)},
	{"cgroup_no_v1", NULL, RULE_ANY}, /* cgroup v2 is all there is */
	{"systemd.unified_cgroup_hierarchy", "unified_cgroup_hierarchy", RULE_BOOL},
	{BOTH("https_proxy"), RULE_URL},
	{BOTH("no_proxy"), RULE_ANY},
	{BOTH("guest_components_rest_api"), RULE_WORD, .words = "all|attestation|resource"},
	{BOTH("guest_components_procs"), RULE_WORD,
		.words = "none|attestation-agent|confidential-data-hub|api-server-rest"},
	{BOTH("secure_storage_integrity"), RULE_BOOL},
	{NULL, "policy_file", RULE_REFUSED},
	{MEM("enable"), RULE_LATER_BOOL, .later = OPTION_MEM_AGENT},
	{MEM("memcg_disable"), RULE_LITERAL},
	{MEM("memcg_swap"), RULE_LITERAL},
	{MEM("memcg_swappiness_max"), RULE_UINT, .max = UINT8_MAX},
	{MEM("memcg_period_secs"), RULE_UINT, .max = UINT64_MAX},
	{MEM("memcg_period_psi_percent_limit"), RULE_UINT, .max = UINT8_MAX},
	{MEM("memcg_eviction_psi_percent_limit"), RULE_UINT, .max = UINT8_MAX},
	{MEM("memcg_eviction_run_aging_count_min"), RULE_UINT, .max = UINT64_MAX},
	{MEM("compact_disable"), RULE_LITERAL},
	{MEM("compact_period_secs"), RULE_UINT, .max = UINT64_MAX},
	{MEM("compact_period_psi_percent_limit"), RULE_UINT, .max = UINT8_MAX},
	{MEM("compact_psi_percent_limit"), RULE_UINT, .max = UINT8_MAX},
	{MEM("compact_sec_max"), RULE_INT64},
	{MEM("compact_order"), RULE_UINT, .max = UINT8_MAX},
	{MEM("compact_threshold"), RULE_UINT, .max = UINT64_MAX},
	{MEM("compact_force_times"), RULE_UINT, .max = UINT64_MAX},
};

static const char *const later_names[] = {
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
		.hotplug_timeout_ns = 3 * NS_PER_S,
		.launch_timeout_ns = 6 * NS_PER_S,
	};
}

const struct option_key *options_find_cmdline(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].cmdline && strcmp(keys[i].cmdline, name) == 0)
			return &keys[i];
	return NULL;
}

const struct option_key *options_find_toml(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].toml && strcmp(keys[i].toml, name) == 0)
			return &keys[i];
	return NULL;
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

static void ask_for(struct options *o, enum option_later later, bool wanted)
{
	o->not_supported &= ~(1U << later);
	if (wanted)
		o->not_supported |= 1U << later;
}

/* Keys whose value goes nowhere are checked all the same. */
static bool store(struct options *o, const struct option_key *key, const void *value, size_t size)
{
	if (key->at > 0)
		memcpy((char *)o + key->at, value, size);
	return true;
}

static bool set_bool(struct options *o, const struct option_key *key, const char *value)
{
	bool on = is_true(value);

	if (key->rule != RULE_LATER_BOOL)
		return store(o, key, &on, sizeof(on));
	ask_for(o, key->later, on);
	return true;
}

static bool set_port(struct options *o, const struct option_key *key, const char *value)
{
	int64_t n;
	uint32_t port;

	if (!parse_int(value, INT32_MIN, INT32_MAX, &n))
		return false;
	port = (uint32_t)n;
	return n <= 0 || store(o, key, &port, sizeof(port));
}

static bool set_pipe_size(struct options *o, const struct option_key *key, const char *value)
{
	int64_t n;
	uint32_t size;

	if (!parse_int(value, 0, INT32_MAX, &n))
		return false;
	size = (uint32_t)n;
	return store(o, key, &size, sizeof(size));
}

/* 0 keeps the default. What never ends is as good as a year, and can be added to a clock. */
static bool set_seconds(struct options *o, const struct option_key *key, const char *value)
{
	const uint64_t year = 365 * 24 * 3600;
	uint64_t seconds;
	int64_t ns;

	if (!parse_uint(value, UINT64_MAX, &seconds))
		return false;
	ns = (int64_t)(seconds < year ? seconds : year) * NS_PER_S;
	return seconds == 0 || store(o, key, &ns, sizeof(ns));
}

static bool apply(struct options *o, const struct option_key *key, const char *value)
{
	uint64_t u;
	int64_t i;

	switch (key->rule) {
	case RULE_LEVEL:
		return log_level_parse(value, &o->log_level) == 0;
	case RULE_FLAG:
	case RULE_BOOL:
	case RULE_LATER_BOOL:
	case RULE_FLAG_OR_BOOL:
		return set_bool(o, key, value);
	case RULE_LITERAL:
		return is_one_of("true|false", value);
	case RULE_WORD:
		return is_one_of(key->words, value);
	case RULE_URL:
		return is_url(value);
	case RULE_SECONDS:
		return set_seconds(o, key, value);
	case RULE_UINT:
		return parse_uint(value, key->max, &u);
	case RULE_INT64:
		return parse_int(value, INT64_MIN, INT64_MAX, &i);
	case RULE_PIPE_SIZE:
		return set_pipe_size(o, key, value);
	case RULE_PORT:
		return set_port(o, key, value);
	case RULE_ANY:
	case RULE_ADDR:
	case RULE_REFUSED:
		return true;
	}
	return false;
}

int options_set(struct options *o, const struct option_key *key, const char *value, struct err *err)
{
	if (key->rule == RULE_ADDR)
		return set_addr(o, value, err);
	if (key->rule == RULE_REFUSED && *value)
		return err_set(err, ENOTSUP, "\"%s\": not supported", value);
	if (!apply(o, key, value))
		return err_set(err, EINVAL, "\"%s\": invalid value", value);
	return 0;
}

int options_parse_environment(struct options *o, struct err *err)
{
	const char *addr = getenv("KATA_AGENT_SERVER_ADDR"),
		   *level = getenv("KATA_AGENT_LOG_LEVEL"), *tracing = getenv("KATA_AGENT_TRACING"),
		   *policy = getenv("KATA_AGENT_POLICY_FILE");

	if (level)
		(void)!log_level_parse(level, &o->log_level);
	if (tracing)
		o->tracing = is_true(tracing);
	if (policy && *policy)
		return err_set(err, ENOTSUP, "KATA_AGENT_POLICY_FILE=%s: not supported", policy);
	if (addr && set_addr(o, addr, err) < 0)
		return err_wrap(err, "KATA_AGENT_SERVER_ADDR");
	return 0;
}

int options_parse_run_dir(struct options *o, struct err *err)
{
	const char *run_dir = getenv("KIHON_AGENT_RUN_DIR");

	if (!run_dir)
		return 0;
	if (run_dir[0] != '/' || strlen(run_dir) >= sizeof(o->run_dir))
		return err_set(err, EINVAL,
			"KIHON_AGENT_RUN_DIR=%s: not an absolute path of less than %zu bytes",
			run_dir, sizeof(o->run_dir));
	snprintf(o->run_dir, sizeof(o->run_dir), "%s", run_dir);
	return 0;
}

int options_parse_ports(struct options *o, struct err *err)
{
	const char *ports = getenv("KIHON_AGENT_PORTS");

	if (!ports)
		return 0;
	o->has_local_host = true;
	if (strcmp(ports, "local") == 0)
		return 0;
	if (ports[0] != '/' || strlen(ports) >= sizeof(o->ports_dir))
		return err_set(err, EINVAL,
			"KIHON_AGENT_PORTS=%s: neither \"local\" nor an absolute path of less than "
			"%zu bytes",
			ports, sizeof(o->ports_dir));
	snprintf(o->ports_dir, sizeof(o->ports_dir), "%s", ports);
	return 0;
}
