/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mount options as fstab and config.json write them ("nosuid", "rbind", "rslave", "size=64m").
 *
 * A word of the table becomes a flag; "r" before a word that a mount (not only a file system) can
 * have makes it hold for everything below ("rro"); a propagation word is kept apart; whatever else
 * is data for the file system, in the order given, joined by commas. Later words override earlier
 * ones.
 */
#include "base/buf.h"
#include "linux/mountfd.h"

struct mount_options {
	unsigned long set, clear;	  /* MS_*, never both */
	unsigned long rec_set, rec_clear; /* MS_*: the words with "r" */
	bool bind, bind_recursive, remount;
	bool idmap, idmap_recursive; /* "idmap", "ridmap" */
	unsigned long propagation;   /* MS_SHARED, ..., with MS_REC for the r words; 0: none */
	struct buf data;	     /* owned */
};

/* -ENOMEM. ret must be released with mount_options_fini. */
int mount_options_parse(char *const *words, size_t n_words, struct mount_options *ret) must_check;
void mount_options_fini(struct mount_options *o);

/* What set and clear mean to mount_setattr(2); flags that only file systems know are left out.
 * False when there is nothing to change. */
bool mount_options_attr(unsigned long set, unsigned long clear, struct mount_attr *ret);

/* "rslave", "shared", ...: the MS_ flags; 0 if it is not a propagation word. */
unsigned long mount_options_propagation(const char *word);
