/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Booleans, numbers, dates and times: all are a run of few characters, which is cut out first (a
 * date may go on behind one space) and then recognised by its form.
 */
#include <math.h>
#include <stdlib.h>

#include "text/toml_scan.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit((char)c) || c == '_' ||
	       c == '-' || c == '+' || c == '.' || c == ':';
}

/* Dates and times: RFC 3339 */

/* Reads n digits as a number between low and high. */
static bool take_digits(const char **s, int n, int low, int high, int *ret)
{
	int number = 0;

	for (int i = 0; i < n; i++, ++*s) {
		if (!is_digit(**s))
			return false;
		number = number * 10 + (**s - '0');
	}
	*ret = number;
	return number >= low && number <= high;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	++*s;
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date(const char **s)
{
	int year, month, day;

	return take_digits(s, 4, 0, 9999, &year) && take_char(s, '-') &&
	       take_digits(s, 2, 1, 12, &month) && take_char(s, '-') &&
	       take_digits(s, 2, 1, days_in_month(year, month), &day);
}

static bool take_time(const char **s)
{
	int n;

	/* Second 60 is a leap second. */
	if (!take_digits(s, 2, 0, 23, &n) || !take_char(s, ':') || !take_digits(s, 2, 0, 59, &n) ||
		!take_char(s, ':') || !take_digits(s, 2, 0, 60, &n))
		return false;
	if (!take_char(s, '.'))
		return true;
	if (!is_digit(**s))
		return false;
	while (is_digit(**s))
		++*s;
	return true;
}

static bool take_offset(const char **s)
{
	int n;

	if (take_char(s, 'Z') || take_char(s, 'z'))
		return true;
	return (take_char(s, '+') || take_char(s, '-')) && take_digits(s, 2, 0, 23, &n) &&
	       take_char(s, ':') && take_digits(s, 2, 0, 59, &n);
}

static bool is_date_time(const char *s)
{
	if (s[0] && s[1] && s[2] == ':')
		return take_time(&s) && !*s;
	if (!take_date(&s))
		return false;
	if (!*s)
		return true;
	if (!take_char(&s, 'T') && !take_char(&s, 't') && !take_char(&s, ' '))
		return false;
	return take_time(&s) && (!*s || (take_offset(&s) && !*s));
}

static bool looks_like_date_time(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return (n == 4 && s[4] == '-') || (n == 2 && s[2] == ':');
}

/* Numbers */

static int digit_of(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Digits of a base with single underscores between them: how many characters, 0 if it is not so. */
static size_t digits_length(const char *s, int base)
{
	size_t n = 0;

	while (digit_of(s[n]) < base) {
		n++;
		if (s[n] == '_' && digit_of(s[n + 1]) < base)
			n++;
	}
	return n;
}

static bool is_float(const char *s)
{
	size_t n;

	s += *s == '+' || *s == '-';
	n = digits_length(s, 10);
	if (n == 0 || (s[0] == '0' && n > 1))
		return false;
	s += n;
	if (*s == '.') {
		n = digits_length(s + 1, 10);
		if (n == 0)
			return false;
		s += 1 + n;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		n = digits_length(s, 10);
		if (n == 0)
			return false;
		s += n;
	}
	return !*s;
}

static bool is_special_float(const char *s, double *ret)
{
	bool negative = *s == '-';

	s += *s == '+' || *s == '-';
	if (strcmp(s, "inf") == 0)
		*ret = negative ? -HUGE_VAL : HUGE_VAL;
	else if (strcmp(s, "nan") == 0)
		*ret = NAN;
	else
		return false;
	return true;
}

/* s is changed: its underscores go. */
static bool convert_float(char *s, double *ret)
{
	char *to = s;

	for (const char *from = s; *from; from++)
		if (*from != '_')
			*to++ = *from;
	*to = '\0';
	*ret = strtod(s, NULL);
	return isfinite(*ret);
}

/* 1: it is one, 0: it is none, -ERANGE. */
static int convert_integer(const char *s, struct value *v)
{
	bool negative = *s == '-', is_signed = negative || *s == '+';
	uint64_t limit = (uint64_t)INT64_MAX + negative, n = 0;
	int base = 10;

	s += is_signed;
	if (!is_signed && s[0] == '0' && s[1]) {
		base = s[1] == 'x' ? 16 : s[1] == 'o' ? 8 : s[1] == 'b' ? 2 : 0;
		s += 2;
	}
	if (base == 0 || !*s || digits_length(s, base) != strlen(s) ||
		(base == 10 && s[0] == '0' && s[1]))
		return 0;
	for (; *s; s++)
		if (*s != '_' && (__builtin_mul_overflow(n, base, &n) ||
					 __builtin_add_overflow(n, digit_of(*s), &n) || n > limit))
			return -ERANGE;
	v->type = VALUE_INT;
	v->u.integer.magnitude = n;
	v->u.integer.negative = negative && n != 0;
	return 1;
}

static int recognise(struct toml_reader *r, char *word, struct value *v)
{
	bool is_true = strcmp(word, "true") == 0;
	int e;

	if (is_true || strcmp(word, "false") == 0) {
		v->type = VALUE_BOOL;
		v->u.boolean = is_true;
		return 0;
	}
	if (looks_like_date_time(word)) {
		v->type = VALUE_DATE;
		v->u.string = word;
		return is_date_time(word) ? 0 : toml_fail(r, "\"%s\" is no date or time", word);
	}
	e = convert_integer(word, v);
	if (e == -ERANGE)
		return toml_fail(r, "integer out of range");
	if (e == 1)
		return 0;
	v->type = VALUE_FLOAT;
	if (is_special_float(word, &v->u.number))
		return 0;
	if (!is_float(word))
		return toml_fail(r, "\"%s\" is no value (strings need quotes)", word);
	return convert_float(word, &v->u.number) ? 0 : toml_fail(r, "number out of range");
}

int toml_scan_word(struct toml_reader *r, struct value *v)
{
	const uint8_t *from = r->at, *to = r->at;
	char *word;
	int e;

	while (to < r->end && is_word(*to))
		to++;
	if (to == from)
		return toml_fail(
			r, from == r->end ? "unexpected end of the file" : "expected a value");
	/* "1979-05-27 07:32:00" */
	if (to - from == 10 && from[4] == '-' && from[7] == '-' && r->end - to > 1 && *to == ' ' &&
		is_digit((char)to[1]))
		for (to++; to < r->end && is_word(*to);)
			to++;
	word = document_alloc(r->doc, (size_t)(to - from) + 1);
	if (!word)
		return toml_no_memory(r);
	memcpy(word, from, (size_t)(to - from));
	word[to - from] = '\0';
	e = recognise(r, word, v);
	r->at = to;
	return e;
}
