/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The annotation kernel_params: parameters of the guest's kernel from the pod's author. They are
 * told apart as the kernel does it: by white space outside of double quotes, with "-" and "_" alike
 * in names.
 *
 * Refused: what decides which root file system, init and agent the guest runs and how they are
 * reached, or keeps a guest that panics from ending (guest_params.c has the list); "--", behind
 * which words are init's; a quote that does not end.
 */
#include "base/buf.h"
#include "base/err.h"

int guest_params_check(const char *params, struct err *err) must_check;

/* Appends to out what is left of base when params, which have been checked, override what has the
 * same name, and then params. -ENOMEM. */
int guest_params_merge(const char *base, const char *params, struct buf *out) must_check;
