// SPDX-License-Identifier: GPL-2.0-only
/*
 * Offline driver of the model: a trace on standard input, one letter an answer on standard
 * output, the counts on the last line.
 *
 *   f VADDR TAG PAGE GLOBAL   fetch; PAGE is 4k, 2m, 1g or - (not mapped), GLOBAL 0 or 1
 *   a                         flush all
 *   n                         flush all that is not global
 *   t TAG                     flush a tag
 *   p VADDR TAG               flush a page
 *
 * Numbers are hexadecimal. Answers: l (first level), s (STLB), w (walk), x (not mapped).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hierarchy.h"

static bool walk(void *context, uint64_t vaddr, struct translation *found)
{
	const struct translation *given = context;

	(void)vaddr;
	*found = *given;
	return given->size < PAGE_SIZES;
}

static enum page_size parse_size(const char *text, bool *ok)
{
	static const char *const names[] = { "4k", "2m", "1g", "-" };
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (!strcmp(text, names[i]))
			return i;
	*ok = false;
	return PAGE_SIZES;
}

int main(int argc, char **argv)
{
	static const char answers[] = "lswx";
	struct profile profile;
	struct hierarchy h;
	char error[512], line[256], size[8];
	unsigned long number = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: replay PROFILE <trace\n");
		return 2;
	}
	if (!profile_load(argv[1], &profile, error, sizeof(error))) {
		fprintf(stderr, "replay: %s\n", error);
		return 2;
	}
	if (!hierarchy_init(&h, &profile)) {
		fprintf(stderr, "replay: out of memory\n");
		return 3;
	}
	while (fgets(line, sizeof(line), stdin)) {
		struct translation given = { 0 }, found;
		unsigned int tag = 0, global = 0;
		uint64_t vaddr = 0;
		bool ok = true;
		char end;

		number++;
		if (sscanf(line, "f %" SCNx64 " %x %7s %u %c", &vaddr, &tag, size, &global, &end) == 4) {
			given.size = parse_size(size, &ok);
			given.global = global;
			if (ok && tag <= UINT16_MAX && global <= 1)
				putchar(answers[hierarchy_fetch(&h, vaddr, tag, walk, &given, &found)]);
			else
				ok = false;
		} else if (!strcmp(line, "a\n")) {
			hierarchy_flush_all(&h);
		} else if (!strcmp(line, "n\n")) {
			hierarchy_flush_nonglobal(&h);
		} else if (sscanf(line, "t %x %c", &tag, &end) == 1 && tag <= UINT16_MAX) {
			hierarchy_flush_tag(&h, tag);
		} else if (sscanf(line, "p %" SCNx64 " %x %c", &vaddr, &tag, &end) == 2 &&
			   tag <= UINT16_MAX) {
			hierarchy_flush_page(&h, vaddr, tag);
		} else {
			ok = false;
		}
		if (!ok) {
			fprintf(stderr, "replay: trace line %lu is not understood: %.60s", number, line);
			hierarchy_free(&h);
			return 2;
		}
	}
	printf("\nlookups %" PRIu64 " l1_hits %" PRIu64 " stlb_hits %" PRIu64 " walks_4k %" PRIu64
	       " walks_2m %" PRIu64 " walks_1g %" PRIu64 " not_mapped %" PRIu64 "\n",
	       h.counts.lookups, h.counts.l1_hits, h.counts.stlb_hits, h.counts.walks[PAGE_4K],
	       h.counts.walks[PAGE_2M], h.counts.walks[PAGE_1G], h.counts.not_mapped);
	hierarchy_free(&h);
	return 0;
}
