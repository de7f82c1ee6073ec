/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One translation buffer: sets, ways, an index function and a replacement policy.
 *
 * Entries are kept by virtual page number and page size; a global entry matches any tag,
 * any other only its own. Free ways are filled first, lowest first; after that the policy
 * chooses the victim.
 */
#ifndef EMB_TLB_H
#define EMB_TLB_H

#include <stdbool.h>
#include <stdint.h>

enum page_size { PAGE_4K, PAGE_2M, PAGE_1G, PAGE_SIZES };

static inline unsigned int page_shift(enum page_size size)
{
	return size == PAGE_4K ? 12 : size == PAGE_2M ? 21 : 30;
}

enum index_fn {
	INDEX_LINEAR,		/* low bits of the page number */
	INDEX_XOR,		/* low bits xor the next as many bits */
};

enum replacement {
	REPL_LRU,
	REPL_TREE_PLRU,		/* ways is a power of two, at most 64 */
	REPL_MRU3_PLRU4,	/* 12 ways: group after the most recent one, tree-PLRU of 4 in it */
};

struct tlb_geometry {
	unsigned int entries;	/* 0: there is no such buffer */
	unsigned int ways;
	enum index_fn index;
	enum replacement replacement;
	unsigned int reserved;	/* ways of each set that instructions may not use */
};

struct tlb_entry {
	uint64_t vpn;
	uint64_t used;		/* REPL_LRU: time of the last use */
	uint16_t tag;
	uint8_t size;
	bool global;
	bool valid;
};

struct tlb {
	struct tlb_geometry geometry;
	unsigned int sets;
	unsigned int usable;	/* ways - reserved */
	unsigned int set_bits;
	uint64_t clock;
	struct tlb_entry *entries;
	uint64_t *state;	/* per set: bits of the replacement policy */
};

/* Why a geometry cannot be built, or NULL when it can. */
const char *tlb_geometry_error(const struct tlb_geometry *geometry);
/* False when memory is short. The geometry is one that tlb_geometry_error() accepts. */
bool tlb_init(struct tlb *tlb, const struct tlb_geometry *geometry);
void tlb_free(struct tlb *tlb);

/* The entry for the page of @vaddr, now most recently used; NULL on a miss. */
struct tlb_entry *tlb_lookup(struct tlb *tlb, uint64_t vaddr, enum page_size size, uint16_t tag);

/*
 * What a hit on one entry does to the replacement state, kept so that the next one need
 * not look the entry up. It is good for as long as nothing was filled or flushed.
 */
struct tlb_touch {
	uint64_t *word;
	uint64_t keep;		/* bits of the word that the hit leaves alone */
	uint64_t add;		/* bits that it sets */
	uint64_t *clock;	/* REPL_LRU: the word becomes the next time instead */
};

struct tlb_touch tlb_touch_of(struct tlb *tlb, struct tlb_entry *entry);

static inline void tlb_touch_again(const struct tlb_touch *touch)
{
	if (touch->clock)
		*touch->word = ++*touch->clock;
	else
		*touch->word = (*touch->word & touch->keep) | touch->add;
}

/* Fills the page of @vaddr, over the policy's victim when its set is full. */
void tlb_fill(struct tlb *tlb, uint64_t vaddr, enum page_size size, uint16_t tag, bool global);

void tlb_flush_all(struct tlb *tlb);
void tlb_flush_tag(struct tlb *tlb, uint16_t tag);	/* its entries that are not global */
void tlb_flush_nonglobal(struct tlb *tlb);
/* The page of @vaddr in every size: @tag's entry and any global one. */
void tlb_flush_page(struct tlb *tlb, uint64_t vaddr, uint16_t tag);

#endif
