/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction side of one logical CPU: a first level for 4 kB pages, one for large
 * pages, and a second level behind both. Not inclusive: an STLB hit refills the first
 * level; hits and evictions there do not touch the STLB.
 */
#ifndef EMB_HIERARCHY_H
#define EMB_HIERARCHY_H

#include "profile.h"
#include "tlb.h"

enum outcome { OUT_L1_HIT, OUT_STLB_HIT, OUT_WALK, OUT_NOT_MAPPED };

struct translation {
	enum page_size size;
	bool global;
};

/* Finds the translation of @vaddr in the page tables; false: there is none. */
typedef bool (*walk_fn)(void *context, uint64_t vaddr, struct translation *found);

struct counts {
	uint64_t lookups;	/* the instruction stream entered another 4 kB page */
	uint64_t l1_hits;
	uint64_t stlb_hits;
	uint64_t walks[PAGE_SIZES];
	uint64_t not_mapped;
};

/*
 * A first-level hit that was looked up already. It stands for the lookup, bit for bit,
 * until a first level is filled or flushed, which makes h->changes differ.
 */
struct recall {
	uint64_t key;		/* page and tag; 0: none */
	uint64_t changes;
	struct tlb_touch touch;
	struct translation found;
};

#define RECALLS 256		/* direct-mapped by page number */

struct hierarchy {
	struct tlb l1_4k;
	struct tlb l1_2m;
	struct tlb stlb;
	struct counts counts;
	uint64_t changes;	/* of the first levels' contents; touches are none */
	struct recall recalls[RECALLS];
};

bool hierarchy_init(struct hierarchy *h, const struct profile *profile);
void hierarchy_free(struct hierarchy *h);

/*
 * One fetch from the page of @vaddr with @tag; @found is the translation used (undefined
 * for OUT_NOT_MAPPED). A 1 GB translation is held as 2 MB pieces, since none of the
 * modelled first levels has 1 GB entries for instructions.
 */
enum outcome hierarchy_fetch(struct hierarchy *h, uint64_t vaddr, uint16_t tag, walk_fn walk,
			     void *context, struct translation *found);

void hierarchy_flush_all(struct hierarchy *h);
void hierarchy_flush_tag(struct hierarchy *h, uint16_t tag);
void hierarchy_flush_nonglobal(struct hierarchy *h);
void hierarchy_flush_page(struct hierarchy *h, uint64_t vaddr, uint16_t tag);

#endif
