/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cli.h"

#include <string.h>

#include "base/path.h"

const char cli_usage[] =
	"usage: containerd-shim-kata-v2 -namespace NS -id ID -address ADDR -publish-binary PATH\n"
	"                               [-bundle DIR] [-debug] [start|delete]\n"
	"       containerd-shim-kata-v2 -version | -info | -help\n"
	"\n"
	"containerd runs it; `start` leaves a daemon that serves containerd.task.v2.Task and "
	"prints\n"
	"its address, `delete` removes what a dead daemon left.\n";

/* A flag writes either text or a boolean. */
struct flag {
	const char *name;
	const char **text;
	bool *boolean;
};

static int parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static const struct flag *find_flag(const struct flag *flags, const char *name, size_t len)
{
	for (const struct flag *f = flags; f->name; f++)
		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
			return f;
	return NULL;
}

/* Reads the flag at argv[*i], and its value where that is the next word; *i stays on the last word
 * used. */
static int parse_flag(const struct flag *flags, int argc, char **argv, int *i, struct err *err)
{
	const char *word = argv[*i], *name = word + (word[1] == '-' ? 2 : 1);
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct flag *f = find_flag(flags, name, len);

	if (!f)
		return err_set(err, EINVAL, "unknown flag %s", word);
	if (f->boolean) {
		if (parse_bool(equals ? equals + 1 : "true", f->boolean) < 0)
			return err_set(err, EINVAL, "%s: not a boolean", word);
		return 0;
	}
	if (!equals && *i + 1 >= argc)
		return err_set(err, EINVAL, "flag -%s needs a value", f->name);
	*f->text = equals ? equals + 1 : argv[++*i];
	return 0;
}

static int parse_word(const char *word, struct cli *cli, struct err *err)
{
	if (strcmp(word, "start") == 0)
		cli->action = CLI_START;
	else if (strcmp(word, "delete") == 0)
		cli->action = CLI_DELETE;
	else
		return err_set(err, EINVAL, "unknown command %s: start or delete", word);
	return 0;
}

static int check(const struct cli *cli, struct err *err)
{
	if (!path_is_valid_id(cli->id))
		return err_set(err, EINVAL, "-id \"%s\" is not a valid id", cli->id);
	if (!path_is_valid_id(cli->name_space))
		return err_set(
			err, EINVAL, "-namespace \"%s\" is not a valid name", cli->name_space);
	if (!cli->publish_binary[0])
		return err_set(err, EINVAL, "-publish-binary is missing");
	if (cli->action == CLI_DELETE && cli->bundle[0] != '/')
		return err_set(err, EINVAL, "delete needs -bundle with an absolute path");
	return 0;
}

int cli_parse(int argc, char **argv, struct cli *ret, struct err *err)
{
	struct cli cli = {
		.address = "", .bundle = "", .id = "", .name_space = "", .publish_binary = ""};
	bool help = false, version = false, info = false;
	const struct flag flags[] = {
		{"address", &cli.address, NULL},
		{"bundle", &cli.bundle, NULL},
		{"id", &cli.id, NULL},
		{"namespace", &cli.name_space, NULL},
		{"publish-binary", &cli.publish_binary, NULL},
		{"debug", NULL, &cli.debug},
		{"help", NULL, &help},
		{"h", NULL, &help},
		{"version", NULL, &version},
		{"v", NULL, &version},
		{"info", NULL, &info},
		{NULL, NULL, NULL},
	};
	int i = 1, r;

	for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		r = parse_flag(flags, argc, argv, &i, err);
		if (r < 0)
			return r;
	}
	if (help || version || info) {
		cli.action = help ? CLI_HELP : version ? CLI_VERSION : CLI_INFO;
		*ret = cli;
		return 0;
	}
	if (i + 1 < argc)
		return err_set(err, EINVAL, "more than one command: %s", argv[i + 1]);
	r = i < argc ? parse_word(argv[i], &cli, err) : 0;
	if (r == 0)
		r = check(&cli, err);
	if (r == 0)
		*ret = cli;
	return r;
}
