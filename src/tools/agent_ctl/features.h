/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the agent that is called knows beyond upstream's protocol (oci/extension.h). Another one would
 * ignore such fields without a word.
 */
#include <stdbool.h>

#include "base/err.h"
#include "oci/extension.h"

struct features {
	bool are_known; /* the agent has been asked */
	oci_extensions extensions;
};

/* From a GuestDetailsResponse; other replies say nothing. */
void features_learn(struct features *features, const ProtobufCMessage *reply);
/* Whether the request has fields of which it is not known that the agent knows them. */
int features_are_missing(const struct features *features, const ProtobufCMessage *request,
	bool *ret, struct err *err) must_check;
/* Takes those out, and names them on stderr. */
int features_drop(
	const struct features *features, ProtobufCMessage *request, struct err *err) must_check;
