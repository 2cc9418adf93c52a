// SPDX-License-Identifier: GPL-2.0-or-later
/* VmFlags words and numbers of the bench's commands. */
#include "bench.h"

static const struct {
	unsigned long flag;
	char word[3];
} words[] = {
#include "flag_words.h"
};

unsigned long bench_flags(const char *text)
{
	unsigned long flags = 0;
	int i;

	for (; text[0] && text[1]; text += text[2] ? 3 : 2)
		for (i = 0; i < ARRAY_SIZE(words); i++)
			if (words[i].word[0] == text[0] && words[i].word[1] == text[1])
				flags |= words[i].flag;
	return flags;
}

void bench_print_flags(unsigned long flags)
{
	int i, first = 1;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (flags & words[i].flag) {
			vmalab_print(first ? "%s" : ",%s", words[i].word);
			first = 0;
		}
	if (first)
		vmalab_print("-");
}

unsigned long bench_number(const char *word)
{
	unsigned long value = 0;

	for (; *word; word++)
		value = value << 4 | (*word <= '9' ? *word - '0' : *word - 'a' + 10);
	return value;
}

int bench_same(const char *one, const char *other)
{
	return !strcmp(one, other);
}
