/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/mount_options.h"

#include <string.h>

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

struct word {
	char name[16];
	bool clear;
	unsigned long flag;
};

static const struct word words_of_flags[] = {
	{"acl", false, MS_POSIXACL},
	{"async", true, MS_SYNCHRONOUS},
	{"atime", true, MS_NOATIME},
	{"defaults", false, 0},
	{"dev", true, MS_NODEV},
	{"diratime", true, MS_NODIRATIME},
	{"dirsync", false, MS_DIRSYNC},
	{"exec", true, MS_NOEXEC},
	{"iversion", false, MS_I_VERSION},
	{"lazytime", false, MS_LAZYTIME},
	{"loud", true, MS_SILENT},
	{"mand", false, MS_MANDLOCK},
	{"noacl", true, MS_POSIXACL},
	{"noatime", false, MS_NOATIME},
	{"nodev", false, MS_NODEV},
	{"nodiratime", false, MS_NODIRATIME},
	{"noexec", false, MS_NOEXEC},
	{"noiversion", true, MS_I_VERSION},
	{"nolazytime", true, MS_LAZYTIME},
	{"nomand", true, MS_MANDLOCK},
	{"norelatime", true, MS_RELATIME},
	{"nostrictatime", true, MS_STRICTATIME},
	{"nosuid", false, MS_NOSUID},
	{"nosymfollow", false, MS_NOSYMFOLLOW},
	{"relatime", false, MS_RELATIME},
	{"ro", false, MS_RDONLY},
	{"rw", true, MS_RDONLY},
	{"silent", false, MS_SILENT},
	{"strictatime", false, MS_STRICTATIME},
	{"suid", true, MS_NOSUID},
	{"symfollow", true, MS_NOSYMFOLLOW},
	{"sync", false, MS_SYNCHRONOUS},
};

enum {
	ATIME = MS_NOATIME | MS_RELATIME | MS_STRICTATIME,
	MOUNT_WIDE = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NODIRATIME | MS_NOSYMFOLLOW |
		     ATIME,
};

static const struct word *find_word(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(words_of_flags); i++)
		if (strcmp(words_of_flags[i].name, name) == 0)
			return &words_of_flags[i];
	return NULL;
}

unsigned long mount_options_propagation(const char *word)
{
	static const struct {
		char name[12];
		unsigned long flag;
	} table[] = {
		{"private", MS_PRIVATE},
		{"shared", MS_SHARED},
		{"slave", MS_SLAVE},
		{"unbindable", MS_UNBINDABLE},
	};
	unsigned long rec = 0;

	if (*word == 'r') {
		rec = MS_REC;
		word++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, word) == 0)
			return table[i].flag | rec;
	return 0;
}

static void apply_word(const struct word *w, unsigned long *set, unsigned long *clear)
{
	if (w->clear) {
		*clear |= w->flag;
		*set &= ~w->flag;
	} else {
		/* The three atime behaviours exclude each other. */
		if (w->flag & ATIME)
			*set &= ~(unsigned long)ATIME;
		*set |= w->flag;
		*clear &= ~w->flag;
	}
}

static int parse_word(const char *name, struct mount_options *o)
{
	const struct word *w = find_word(name);
	unsigned long propagation = mount_options_propagation(name);
	int r = 0;

	if (w) {
		apply_word(w, &o->set, &o->clear);
	} else if (propagation) {
		o->propagation = propagation;
	} else if (strcmp(name, "bind") == 0 || strcmp(name, "rbind") == 0) {
		o->bind = true;
		o->bind_recursive |= *name == 'r';
	} else if (strcmp(name, "remount") == 0) {
		o->remount = true;
	} else if (strcmp(name, "idmap") == 0 || strcmp(name, "ridmap") == 0) {
		o->idmap = true;
		o->idmap_recursive |= *name == 'r';
	} else {
		w = *name == 'r' ? find_word(name + 1) : NULL;
		if (w && w->flag & MOUNT_WIDE) {
			apply_word(w, &o->rec_set, &o->rec_clear);
			return 0;
		}
		if (buf_len(&o->data) > 0)
			r = buf_append_str(&o->data, ",");
		if (r == 0)
			r = buf_append_str(&o->data, name);
	}
	return r;
}

int mount_options_parse(char *const *words, size_t n_words, struct mount_options *ret)
{
	struct mount_options o = {0};

	for (size_t i = 0; i < n_words; i++) {
		int r = *words[i] ? parse_word(words[i], &o) : 0;

		if (r < 0) {
			mount_options_fini(&o);
			return r;
		}
	}
	*ret = o;
	return 0;
}

void mount_options_fini(struct mount_options *o)
{
	buf_fini(&o->data);
}

static uint64_t attr_bits(unsigned long flags)
{
	static const struct {
		unsigned long flag;
		uint64_t attr;
	} table[] = {
		{MS_RDONLY, MOUNT_ATTR_RDONLY},
		{MS_NOSUID, MOUNT_ATTR_NOSUID},
		{MS_NODEV, MOUNT_ATTR_NODEV},
		{MS_NOEXEC, MOUNT_ATTR_NOEXEC},
		{MS_NODIRATIME, MOUNT_ATTR_NODIRATIME},
		{MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW},
	};
	uint64_t bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (flags & table[i].flag)
			bits |= table[i].attr;
	return bits;
}

bool mount_options_attr(unsigned long set, unsigned long clear, struct mount_attr *ret)
{
	struct mount_attr attr = {
		.attr_set = attr_bits(set),
		.attr_clr = attr_bits(clear),
	};

	/* The atime attributes are one field with three values; relatime is its 0. */
	if ((set | clear) & ATIME) {
		attr.attr_clr |= MOUNT_ATTR__ATIME;
		if (set & MS_NOATIME)
			attr.attr_set |= MOUNT_ATTR_NOATIME;
		else if (set & MS_STRICTATIME)
			attr.attr_set |= MOUNT_ATTR_STRICTATIME;
	}
	*ret = attr;
	return attr.attr_set || attr.attr_clr;
}
