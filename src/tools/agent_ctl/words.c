/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/words.h"

#include <string.h>

#include "base/buf.h"

void words_fini(struct words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->at[i]);
	free(words->at);
	*words = (struct words){0};
}

static int add_word(struct words *words, struct buf *word)
{
	char **grown = reallocarray(words->at, words->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	words->at = grown;
	grown[words->n] = buf_take_str(word);
	if (!grown[words->n])
		return -ENOMEM;
	words->n++;
	return 0;
}

/* Reads the word at *at to its end, where *at is left. */
static int read_word(const char **at, struct buf *word, const char *line, struct err *err)
{
	char quote = '\0';
	const char *p = *at;

	for (; *p && (quote || (*p != ' ' && *p != '\t' && *p != '\n')); p++) {
		if (*p == quote) {
			quote = '\0';
			continue;
		}
		if (!quote && (*p == '"' || *p == '\'')) {
			quote = *p;
			continue;
		}
		if (*p == '\\' && quote != '\'' && !*++p)
			return err_set(err, EINVAL, "\"%s\": nothing follows the backslash", line);
		if (buf_append(word, p, 1) < 0)
			return err_sys(err, ENOMEM, "read \"%s\"", line);
	}
	if (quote)
		return err_set(err, EINVAL, "\"%s\": a quote does not end", line);
	*at = p;
	return 0;
}

int words_split(const char *line, struct words *ret, struct err *err)
{
	auto_words struct words words = {0};
	const char *p = line + strspn(line, " \t\n");

	while (*p) {
		auto_buf struct buf word = BUF_INIT;
		int r = read_word(&p, &word, line, err);

		if (r < 0)
			return r;
		if (add_word(&words, &word) < 0)
			return err_sys(err, ENOMEM, "read \"%s\"", line);
		p += strspn(p, " \t\n");
	}
	*ret = words;
	words = (struct words){0};
	return 0;
}
