/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/systemd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "linux/command.h"

/* Where every distribution has them since /bin is /usr/bin. */
#define BUSCTL "/usr/bin/busctl"
#define SYSTEMCTL "/usr/bin/systemctl"
#define DESTINATION "org.freedesktop.systemd1"

enum { MAX_OUTPUT = 64 << 10 };
/* A busy systemd answers late; D-Bus itself gives up after 25 s. */
#define TIMEOUT_NS (30 * NS_PER_S)

bool systemd_is_running(void)
{
	struct stat st;

	/* sd_booted(3) */
	return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode) &&
	       access(BUSCTL, X_OK) == 0 && access(SYSTEMCTL, X_OK) == 0;
}

void systemd_properties_fini(struct systemd_properties *p)
{
	buf_fini(&p->words);
	*p = (struct systemd_properties){.n_words = 0};
}

static void add_word(struct systemd_properties *p, const char *word)
{
	if (buf_append(&p->words, word, strlen(word) + 1) < 0)
		p->has_failed = true;
	p->n_words++;
}

static void add_number_word(struct systemd_properties *p, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	add_word(p, text);
}

static void begin(struct systemd_properties *p, const char *name, const char *type)
{
	add_word(p, name);
	add_word(p, type);
	p->n_properties++;
}

void systemd_add_bool(struct systemd_properties *p, const char *name, bool value)
{
	begin(p, name, "b");
	add_word(p, value ? "true" : "false");
}

void systemd_add_number(struct systemd_properties *p, const char *name, uint64_t value)
{
	begin(p, name, "t");
	add_number_word(p, value);
}

void systemd_add_string(struct systemd_properties *p, const char *name, const char *value)
{
	begin(p, name, "s");
	add_word(p, value);
}

void systemd_add_bytes(
	struct systemd_properties *p, const char *name, const uint8_t *bytes, size_t n)
{
	begin(p, name, "ay");
	add_number_word(p, n);
	for (size_t i = 0; i < n; i++)
		add_number_word(p, bytes[i]);
}

static void add_pid(struct systemd_properties *p, pid_t pid)
{
	begin(p, "PIDs", "au");
	add_number_word(p, 1);
	add_number_word(p, (uint64_t)pid);
}

static int run(const char *const *argv, struct err *err)
{
	const struct command command = {
		.argv = argv, .max_output = MAX_OUTPUT, .timeout_ns = TIMEOUT_NS};

	return command_run(&command, NULL, err);
}

/* One word for each of the list's. */
static void split(const struct systemd_properties *p, const char **words)
{
	const char *at = buf_str(&p->words);

	for (size_t i = 0; i < p->n_words; i++, at += strlen(at) + 1)
		words[i] = at;
}

/*
 * A method of systemd's manager. first: its arguments before the properties, NULL-terminated; auxiliary
 * units are none.
 */
static int call(const char *method, const char *signature, const char *const *first,
	const struct systemd_properties *p, bool with_auxiliary, struct err *err)
{
	enum { N_FIXED = 10, N_FIRST_MAX = 2, N_END = 3 };
	auto_free const char **argv =
		calloc(N_FIXED + N_FIRST_MAX + p->n_words + N_END, sizeof(*argv));
	char count[24];
	size_t n = 0;

	if (!argv || p->has_failed)
		return err_sys(err, ENOMEM, "ask systemd");
	snprintf(count, sizeof(count), "%zu", p->n_properties);
	argv[n++] = BUSCTL;
	argv[n++] = "--system";
	argv[n++] = "--quiet";
	/* The root slice's name begins with "-". */
	argv[n++] = "--";
	argv[n++] = "call";
	argv[n++] = DESTINATION;
	argv[n++] = "/org/freedesktop/systemd1";
	argv[n++] = DESTINATION ".Manager";
	argv[n++] = method;
	argv[n++] = signature;
	while (*first)
		argv[n++] = *first++;
	argv[n++] = count;
	split(p, argv + n);
	n += p->n_words;
	if (with_auxiliary)
		argv[n++] = "0";
	return run(argv, err);
}

int systemd_start_scope(const char *unit, const char *slice, pid_t pid,
	const struct systemd_properties *p, struct err *err)
{
	const char *const first[] = {unit, "replace", NULL};
	/* The call answers when the start is queued. Starting what starts already waits for that. */
	const char *const wait[] = {SYSTEMCTL, "--quiet", "start", unit, NULL};
	auto_systemd_properties struct systemd_properties all = {.n_words = 0};
	int r;

	systemd_add_string(&all, "Slice", slice);
	add_pid(&all, pid);
	if (buf_append(&all.words, buf_slice(&p->words).p, buf_len(&p->words)) < 0 || p->has_failed)
		all.has_failed = true;
	all.n_words += p->n_words;
	all.n_properties += p->n_properties;
	r = call("StartTransientUnit", "ssa(sv)a(sa(sv))", first, &all, true, err);
	return r < 0 ? r : run(wait, err);
}

int systemd_set_properties(const char *unit, const struct systemd_properties *p, struct err *err)
{
	/* true: not kept beyond the unit's life. */
	const char *const first[] = {unit, "true", NULL};

	return p->n_properties == 0 ? 0
				    : call("SetUnitProperties", "sba(sv)", first, p, false, err);
}

int systemd_stop(const char *unit, struct err *err)
{
	const char *const argv[] = {SYSTEMCTL, "--quiet", "stop", unit, NULL};

	return run(argv, err);
}
