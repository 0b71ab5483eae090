/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What metrics_v1.c and metrics_v2.c share. */
#include <stddef.h>

#include "runtime/metrics.h"
#include "wire/message.h"

int metrics_encode_v1(const Grpc__StatsContainerResponse *stats, struct buf *b) must_check;
int metrics_encode_v2(const Grpc__StatsContainerResponse *stats, struct buf *b) must_check;

/* A line of the guest's memory.stat and the field of a message that takes it. */
struct metrics_row {
	const char *key;
	size_t has, value; /* offsets */
};

#define METRICS_ROW(type, key, field)                                   \
	{                                                               \
		key, offsetof(type, has_##field), offsetof(type, field) \
	}

void metrics_fill(const Grpc__MemoryStats *from, const struct metrics_row *rows, size_t n_rows,
	ProtobufCMessage *to);

/* Whether a string of the guest's may be handed on: not NULL, and UTF-8. */
bool metrics_is_text(const char *s);

/* Sets an optional scalar if the other message has it. */
#define METRICS_COPY(to, field, from, other)                   \
	do {                                                   \
		if ((from)->has_##other)                       \
			MESSAGE_SET(to, field, (from)->other); \
	} while (0)

/* The fields of a NetworkStat, which are the same in both versions. */
#define METRICS_COPY_NETWORK(to, from)                          \
	do {                                                    \
		(to)->name = (from)->name;                      \
		METRICS_COPY(to, rx_bytes, from, rx_bytes);     \
		METRICS_COPY(to, rx_packets, from, rx_packets); \
		METRICS_COPY(to, rx_errors, from, rx_errors);   \
		METRICS_COPY(to, rx_dropped, from, rx_dropped); \
		METRICS_COPY(to, tx_bytes, from, tx_bytes);     \
		METRICS_COPY(to, tx_packets, from, tx_packets); \
		METRICS_COPY(to, tx_errors, from, tx_errors);   \
		METRICS_COPY(to, tx_dropped, from, tx_dropped); \
	} while (0)
