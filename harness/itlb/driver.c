// SPDX-License-Identifier: GPL-2.0-only
/*
 * Driver of the model for its tests: a trace on standard input, one letter an access on
 * standard output, the counts of fetches on the line after them, those of loads and stores
 * on the last.
 *
 *   f VADDR TAG PAGE GLOBAL   fetch; PAGE is 4k, 16k, 2m, 1g or - (not mapped), GLOBAL 0 or 1
 *   d VADDR TAG PAGE GLOBAL   load
 *   s VADDR TAG PAGE GLOBAL   store
 *   a                         flush all
 *   n                         flush all that is not global
 *   t TAG                     flush a tag
 *   c TAG                     a write of CR3 selects a tag, below 10
 *   p VADDR TAG               flush a page
 *
 * Numbers are hexadecimal. Answers: l (first level), s (STLB), w (walk), x (not mapped).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hierarchy.h"

static bool walk(void *context, uint64_t vaddr, struct translation *found)
{
	const struct translation *given = context;

	(void)vaddr;
	*found = *given;
	return given->size < PAGE_SIZES;
}

static bool parse_size(const char *text, enum page_size *size)
{
	*size = 0;
	while (*size < PAGE_SIZES && strcmp(text, page_size_name(*size)))
		++*size;
	return *size < PAGE_SIZES || !strcmp(text, "-");
}

static bool access_line(struct hierarchy *h, const char *line, bool data)
{
	struct translation given, found;
	enum page_size page;
	unsigned int tag, global;
	uint64_t vaddr;
	char op, size[8], end;

	if (sscanf(line, "%c %" SCNx64 " %x %7s %u %c", &op, &vaddr, &tag, size, &global, &end) != 5 ||
	    !strchr(data ? "fds" : "f", op) || !parse_size(size, &page) ||
	    tag > UINT16_MAX || global > 1)
		return false;
	given = translation_of(page, global);
	putchar("lswx"[op == 'f' ? hierarchy_fetch(h, vaddr, tag, walk, &given, &found) :
		       hierarchy_data(h, vaddr, tag, op == 's', walk, &given, &found)]);
	return true;
}

static bool take(struct hierarchy *h, const char *line, bool data)
{
	uint64_t vaddr;
	unsigned int tag;
	char end;

	if (!strcmp(line, "a\n"))
		hierarchy_flush_all(h);
	else if (!strcmp(line, "n\n"))
		hierarchy_flush_nonglobal(h);
	else if (sscanf(line, "t %x %c", &tag, &end) == 1 && tag <= UINT16_MAX)
		hierarchy_flush_tag(h, tag);
	else if (sscanf(line, "c %x %c", &tag, &end) == 1 && tag < TLB_TAGS)
		hierarchy_select_tag(h, tag);
	else if (sscanf(line, "p %" SCNx64 " %x %c", &vaddr, &tag, &end) == 2 && tag <= UINT16_MAX)
		hierarchy_flush_page(h, vaddr, tag);
	else
		return access_line(h, line, data);
	return true;
}

static void print_counts(const struct counts *c)
{
	unsigned int size;

	printf("\nlookups %" PRIu64 " l1_hits %" PRIu64 " stlb_hits %" PRIu64, c->lookups, c->l1_hits,
	       c->stlb_hits);
	for (size = 0; size < PAGE_SIZES; size++)
		printf(" walks_%s %" PRIu64, page_size_name(size), c->walks[size]);
	printf(" not_mapped %" PRIu64, c->not_mapped);
}

int main(int argc, char **argv)
{
	static struct profile profile;
	static struct hierarchy h;
	unsigned long number = 0;
	char error[640], line[128];

	if (argc != 2) {
		fprintf(stderr, "usage: driver PROFILE <trace\n");
		return 2;
	}
	if (!profile_load(argv[1], &profile, error, sizeof(error))) {
		fprintf(stderr, "driver: %s\n", error);
		return 2;
	}
	if (!hierarchy_init(&h, &profile)) {
		fprintf(stderr, "driver: out of memory\n");
		return 3;
	}
	while (fgets(line, sizeof(line), stdin)) {
		number++;
		if (!take(&h, line, profile_data_competes(&profile))) {
			fprintf(stderr, "driver: trace line %lu is not understood: %.60s\n", number,
				line);
			hierarchy_free(&h);
			return 2;
		}
	}
	print_counts(&h.counts);
	print_counts(&h.data);
	putchar('\n');
	hierarchy_free(&h);
	return 0;
}
