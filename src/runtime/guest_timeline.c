/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_timeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "runtime/timeline.h"

/* 36 years of nanoseconds: sums and differences of two such times do not overflow. */
#define TIME_MAX_NS (INT64_C(1) << 60)

/* ---- Records ---- */

static const char *text_of(const struct value *record, const char *key)
{
	const struct value *v = value_find(record, key);
	const char *text = NULL;

	return v && value_get_string(v, &text, NULL) == 0 ? text : NULL;
}

static bool is_text(const struct value *record, const char *key, const char *wanted)
{
	const char *text = text_of(record, key);

	return text && strcmp(text, wanted) == 0;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr(" ._-", c));
}

static bool get_name(const struct value *record, const char *key, char *to, size_t size)
{
	const char *text = text_of(record, key);
	size_t len = text ? strlen(text) : 0;

	if (len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_plain(text[i]))
			return false;
	memcpy(to, text ? text : "", len + 1);
	return true;
}

/* Decimal digits and nothing else; all values of a log record are strings. */
static bool get_time(const struct value *record, const char *key, int64_t *ret)
{
	const char *text = text_of(record, key);
	int64_t n = 0;

	if (!text || !*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || n > TIME_MAX_NS / 10)
			return false;
		n = n * 10 + (*text - '0');
	}
	if (n > TIME_MAX_NS)
		return false;
	*ret = n;
	return true;
}

bool guest_span_decode(const struct value *record, struct guest_span *ret)
{
	struct guest_span span;

	if (!is_text(record, "subsystem", "timeline") || !is_text(record, "msg", "span"))
		return false;
	if (!get_name(record, "who", span.who, sizeof(span.who)) ||
		!get_name(record, "what", span.what, sizeof(span.what)) ||
		!get_name(record, "id", span.id, sizeof(span.id)) || !span.what[0] ||
		(strcmp(span.who, "agent") != 0 && strcmp(span.who, "kernel") != 0))
		return false;
	if (!get_time(record, "from_ns", &span.from_ns) ||
		!get_time(record, "to_ns", &span.to_ns) || span.from_ns > span.to_ns)
		return false;
	*ret = span;
	return true;
}

/* ---- Clocks ---- */

static bool knows_clocks(const struct guest_timeline *t)
{
	return t->has_guest_ns && t->asked_ns > 0;
}

/* The host's time at the guest's time 0. */
static int64_t offset_of(const struct guest_timeline *t)
{
	return t->asked_ns + (t->answered_ns - t->asked_ns) / 2 - t->guest_ns;
}

static int64_t clamp(int64_t ns, int64_t min_ns, int64_t max_ns)
{
	return ns < min_ns ? min_ns : ns > max_ns ? max_ns : ns;
}

static void tell(const struct guest_timeline *t, const struct guest_span *span)
{
	int64_t offset_ns = offset_of(t), now_ns = clock_now_ns();
	int64_t from_ns = clamp(span->from_ns + offset_ns, t->vm_ns, now_ns);

	timeline_add(&(struct timeline_span){.who = span->who,
		.what = span->what,
		.id = span->id[0] ? span->id : NULL,
		.from_ns = from_ns,
		.to_ns = clamp(span->to_ns + offset_ns, from_ns, now_ns)});
}

/* What ran before the guest's clock did: firmware, and the loading of kernel and initrd. */
static void tell_firmware(const struct guest_timeline *t)
{
	int64_t to_ns = offset_of(t);

	if (t->up_ns > 0 && to_ns > t->up_ns && to_ns <= t->answered_ns)
		timeline_add(&(struct timeline_span){
			.who = "vm", .what = "firmware", .from_ns = t->up_ns, .to_ns = to_ns});
}

static void tell_held(struct guest_timeline *t)
{
	if (!knows_clocks(t))
		return;
	tell_firmware(t);
	for (size_t i = 0; i < t->n_held; i++)
		tell(t, &t->held[i]);
	guest_timeline_fini(t);
}

static void hold(struct guest_timeline *t, const struct guest_span *span)
{
	if (!t->held)
		t->held = calloc(GUEST_TIMELINE_HELD_MAX, sizeof(*t->held));
	if (t->held && t->n_held < GUEST_TIMELINE_HELD_MAX)
		t->held[t->n_held++] = *span;
}

void guest_timeline_add(struct guest_timeline *t, const struct guest_span *span)
{
	if (strcmp(span->what, "clock") == 0) {
		if (t->has_guest_ns)
			return;
		t->has_guest_ns = true;
		t->guest_ns = span->to_ns;
		tell_held(t);
		return;
	}
	if (t->n_taken == GUEST_TIMELINE_MAX)
		return;
	t->n_taken++;
	if (knows_clocks(t))
		tell(t, span);
	else
		hold(t, span);
}

void guest_timeline_set_exchange(struct guest_timeline *t, int64_t asked_ns, int64_t answered_ns)
{
	if (t->asked_ns > 0)
		return;
	t->asked_ns = asked_ns;
	t->answered_ns = answered_ns;
	tell_held(t);
}

void guest_timeline_fini(struct guest_timeline *t)
{
	free(take_ptr(&t->held));
	t->n_held = 0;
}
