/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TLBs of one logical CPU: first levels for code, optionally for loads and stores, and
 * a second level behind them, as the profile says.
 *
 * A second-level hit refills the first level; hits and evictions in the first level do not
 * touch the second, nor those in the second the first. A translation that a level has no
 * entries for is held there as the piece of the largest smaller size that it has; the level
 * before it still gets the page as it is.
 */
#ifndef EMB_HIERARCHY_H
#define EMB_HIERARCHY_H

#include "profile.h"
#include "tlb.h"

enum outcome { OUT_L1_HIT, OUT_STLB_HIT, OUT_WALK, OUT_NOT_MAPPED };

struct translation {
	enum page_size size;	/* of the largest entry that can hold it */
	enum page_size page;	/* in the guest's page tables */
	bool global;
};

static inline struct translation translation_of(enum page_size size, bool global)
{
	return (struct translation){
		.size = size, .page = size == PAGE_16K ? PAGE_4K : size, .global = global,
	};
}

/* Finds the translation of @vaddr in the page tables; false: there is none. */
typedef bool (*walk_fn)(void *context, uint64_t vaddr, struct translation *found);

struct counts {
	uint64_t lookups;	/* the stream entered another 4 kB page */
	uint64_t l1_hits;
	uint64_t stlb_hits;
	uint64_t walks[PAGE_SIZES];
	uint64_t not_mapped;
};

/*
 * A first-level entry that a page was found in. It stands for the lookup, bit for bit, for
 * as long as that entry holds the page and no other entry may be found before it, which
 * makes stream->changes differ.
 */
struct recall {
	uint64_t key;		/* page and tag; 0: none */
	uint64_t changes;
	const struct tlb_entry *entry;
	uint64_t filled;	/* the entry's time of fill */
	const uint64_t *since;	/* and that of the last flush that it would not have outlived */
	struct tlb_touch touch;
};

#define RECALLS 256		/* direct-mapped by page number */
#define FIRSTS 4
#define SECONDS 2

/* Fetches, loads or stores: the buffers that they look in, in order. */
struct stream {
	struct tlb *first[FIRSTS];
	struct tlb *second[SECONDS];
	unsigned int firsts, seconds;
	struct counts *counts;
	uint64_t changes;
	struct recall recalls[RECALLS];
};

struct hierarchy {
	struct tlb tlbs[BUFFERS];
	struct counts counts;	/* of instruction fetches */
	struct counts data;	/* of loads and stores */
	struct stream code, loads, stores;
};

bool hierarchy_init(struct hierarchy *h, const struct profile *profile);
void hierarchy_free(struct hierarchy *h);

/*
 * One fetch from the page of @vaddr with @tag; @found is the translation used (undefined
 * for OUT_NOT_MAPPED).
 */
enum outcome hierarchy_fetch(struct hierarchy *h, uint64_t vaddr, uint16_t tag, walk_fn walk,
			     void *context, struct translation *found);

/*
 * One load, or with @store one store, as above. Only for a profile for which
 * profile_data_competes() holds.
 */
enum outcome hierarchy_data(struct hierarchy *h, uint64_t vaddr, uint16_t tag, bool store,
			    walk_fn walk, void *context, struct translation *found);

/* CR3 was written and @tag is the current one: buffers that keep few tags give others up. */
void hierarchy_select_tag(struct hierarchy *h, uint16_t tag);
void hierarchy_flush_all(struct hierarchy *h);
void hierarchy_flush_tag(struct hierarchy *h, uint16_t tag);
void hierarchy_flush_nonglobal(struct hierarchy *h);
void hierarchy_flush_page(struct hierarchy *h, uint64_t vaddr, uint16_t tag);

#endif
