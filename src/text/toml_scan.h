/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The words of TOML, for toml.c: strings, keys, numbers and dates, white space and comments. */
#include "base/buf.h"
#include "text/document.h"

struct toml_reader {
	const uint8_t *at, *end;   /* borrowed from the caller's text */
	const uint8_t *line_start; /* of the line that `at` is in */
	uint32_t line;
	struct document *doc; /* borrowed */
	struct buf scratch;   /* the string being read */
	struct err *err;
};

/* Both set "name:line:column: what" and return -EINVAL. */
int toml_fail(struct toml_reader *r, const char *fmt, ...) printf_like(2, 3);
int toml_fail_at(struct toml_reader *r, uint32_t line, uint32_t column, const char *fmt, ...)
	printf_like(4, 5);
int toml_no_memory(struct toml_reader *r);

uint32_t toml_column(const struct toml_reader *r);

/* The byte n behind `at`; 0 at the end, which is no byte of valid TOML. */
static inline uint8_t toml_peek(const struct toml_reader *r, size_t n)
{
	return (size_t)(r->end - r->at) > n ? r->at[n] : 0;
}

bool toml_accept(struct toml_reader *r, char c);
void toml_skip_blanks(struct toml_reader *r);
/* A line break, if one is there: 1, or 0. */
int toml_accept_newline(struct toml_reader *r);
/* Blanks and a comment: everything up to the line break. */
int toml_skip_comment(struct toml_reader *r) must_check;
/* Any number of such lines. */
int toml_skip_lines(struct toml_reader *r) must_check;

/* One part of a dotted key; *ret is the document's. */
int toml_scan_key(struct toml_reader *r, const char **ret) must_check;
/* A string of any of the four kinds; `at` stands on its quote. */
int toml_scan_string(struct toml_reader *r, const char **ret) must_check;
/* A boolean, number, date or time. */
int toml_scan_word(struct toml_reader *r, struct value *v) must_check;
