/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

#include "linux/command.h"

#define IP "/usr/sbin/ip"

enum { MAX_WORDS = 32, MAX_TEXT = 512 };

static void skip_all(const char *reason)
{
	fprintf(stderr, "skipped: %s\n", reason);
	exit(77);
}

void net_require(void)
{
	fixture_require();
	if (access(IP, X_OK) < 0)
		skip_all("needs " IP " (package iproute2)");
	if (unshare(CLONE_NEWNET) < 0)
		skip_all("needs network namespaces");
}

int net_set_up(void **state)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	return fixture_set_up(state);
}

int net_tear_down(void **state)
{
	return fixture_tear_down(state);
}

static int run_ip(const char *words, struct buf *output, struct err *err)
{
	const char *argv[MAX_WORDS + 2] = {IP};
	struct command command = {.argv = argv, .max_output = 1 << 20, .timeout_ns = 10 * NS_PER_S};
	char copy[MAX_TEXT], *rest = copy;
	size_t n = 1;

	assert_true((size_t)snprintf(copy, sizeof(copy), "%s", words) < sizeof(copy));
	while (n <= MAX_WORDS && (argv[n] = strsep(&rest, " ")))
		n++;
	assert_true(n <= MAX_WORDS);
	return command_run(&command, output, err);
}

void ip(const char *words)
{
	struct err err = ERR_INIT;

	if (run_ip(words, NULL, &err) < 0)
		fail_msg("ip %s: %s", words, err.msg);
}

const char *ip_output(const char *words)
{
	static struct buf output;
	struct err err = ERR_INIT;

	buf_fini(&output);
	if (run_ip(words, &output, &err) < 0)
		fail_msg("ip %s: %s", words, err.msg);
	return buf_str(&output);
}

void assert_ip(const char *words, const char *says)
{
	const char *text = ip_output(words);

	if (!strstr(text, says))
		fail_msg("ip %s: no \"%s\" in: %s", words, says, text);
}

void assert_ip_not(const char *words, const char *says)
{
	const char *text = ip_output(words);

	if (strstr(text, says))
		fail_msg("ip %s: \"%s\" in: %s", words, says, text);
}
