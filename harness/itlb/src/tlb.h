/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One translation buffer: sets, ways, an index function and a replacement policy.
 *
 * Entries are kept by virtual page number and page size; a global entry matches any tag,
 * any other only its own. Each page size may be confined to some of the ways, and those
 * may be split into groups that bits of the page number above the set choose from (skewed:
 * all of these bits, folded). Free ways are filled first, lowest first; after that the policy
 * chooses the victim among the ways that the page may use.
 */
#ifndef EMB_TLB_H
#define EMB_TLB_H

#include <stdbool.h>
#include <stdint.h>

/* 16 kB: four pages of 4 kB that a buffer holds as one (Zen). Page tables have none. */
enum page_size { PAGE_4K, PAGE_16K, PAGE_2M, PAGE_1G, PAGE_SIZES };

static inline unsigned int page_shift(enum page_size size)
{
	switch (size) {
	case PAGE_4K:
		return 12;
	case PAGE_16K:
		return 14;
	case PAGE_2M:
		return 21;
	default:
		return 30;
	}
}

/* Of a leaf in the page tables, @level 1 to 3. */
static inline enum page_size size_at_level(unsigned int level)
{
	return level == 1 ? PAGE_4K : level == 2 ? PAGE_2M : PAGE_1G;
}

static inline const char *page_size_name(enum page_size size)
{
	static const char *const names[PAGE_SIZES] = { "4k", "16k", "2m", "1g" };

	return names[size];
}

enum index_fn {
	INDEX_LINEAR,		/* low bits of the page number */
	INDEX_XOR,		/* low bits xor the next as many bits */
	INDEX_SKEWED,		/* each way another: low bits rotated, xor all higher bits folded */
};

enum replacement {
	REPL_LRU,
	REPL_TREE_PLRU,		/* ways is a power of two, at most 64 */
	REPL_MRU3_PLRU4,	/* 12 ways: group after the most recent one, tree-PLRU of 4 in it */
};

/* The ways that pages of one size may use: @span of them from @first on, in groups of @ways. */
struct placement {
	unsigned int first;
	unsigned int span;	/* 0: pages of this size are not held */
	unsigned int ways;
};

#define TLB_TAGS 16		/* tags below this are flushed at once, others by a search */

struct tlb_geometry {
	unsigned int entries;	/* 0: there is no such buffer */
	unsigned int ways;
	enum index_fn index;
	enum replacement replacement;
	unsigned int pcids;	/* tags kept at a write of CR3; TLB_TAGS: all */
	struct placement pages[PAGE_SIZES];
};

struct tlb_entry {
	uint64_t used;		/* REPL_LRU: time of the last use */
	uint64_t filled;	/* time of the fill, unlike any other; 0: free */
	uint16_t tag;
	uint8_t size;		/* that the walk counted as; the entry may hold a piece of it */
	uint8_t page;		/* in the page tables: INVLPG drops all pieces of it */
	bool global;
};

struct tlb {
	struct tlb_geometry geometry;
	unsigned int sets;
	unsigned int ways;
	unsigned int set_bits;
	unsigned int group_bits[PAGE_SIZES];
	bool seen[PAGE_SIZES];	/* an entry of this size was ever filled */
	bool seen_piece;	/* an entry that is only a piece of its page */
	bool seen_private[2];	/* one that is not global, in the lower or upper half */
	uint64_t clock;
	uint64_t now;		/* counts fills and flushes */
	uint64_t global_since;	/* entries filled earlier than this are gone */
	uint64_t since[TLB_TAGS + 1];	/* the same for those that are not global, by tag */
	uint16_t recent[TLB_TAGS];	/* the tags that are kept, the last one first */
	unsigned int recents;
	uint64_t *keys;		/* page number and size, 0: free; beside the entries, for speed */
	struct tlb_entry *entries;
	uint64_t *state;	/* per set: bits of the replacement policy */
};

/* Why a geometry cannot be built, or NULL when it can. */
const char *tlb_geometry_error(const struct tlb_geometry *geometry);
/* False when memory is short. The geometry is one that tlb_geometry_error() accepts. */
bool tlb_init(struct tlb *tlb, const struct tlb_geometry *geometry);
void tlb_free(struct tlb *tlb);

static inline bool tlb_holds(const struct tlb *tlb, enum page_size size)
{
	return tlb->sets && tlb->geometry.pages[size].span;
}

/* The entry for the page of @vaddr, now most recently used; NULL on a miss. */
struct tlb_entry *tlb_lookup(struct tlb *tlb, uint64_t vaddr, enum page_size size, uint16_t tag);
/* Whether there is an entry for the page with some tag. Nothing is touched. */
bool tlb_has_private(const struct tlb *tlb, uint64_t vaddr, enum page_size size);

/* Where the time of the last flush of an entry's kind stands. */
static inline const uint64_t *tlb_since(const struct tlb *tlb, const struct tlb_entry *entry)
{
	if (entry->global)
		return &tlb->global_since;
	return &tlb->since[entry->tag < TLB_TAGS ? entry->tag : TLB_TAGS];
}

/* An entry filled and not flushed since. */
static inline bool tlb_is_live(const struct tlb *tlb, const struct tlb_entry *entry)
{
	return entry->filled > *tlb_since(tlb, entry);
}

static inline bool tlb_entry_matches(const struct tlb *tlb, const struct tlb_entry *entry,
				     uint16_t tag)
{
	return (entry->global || entry->tag == tag) && tlb_is_live(tlb, entry);
}

/* Frees the entry at place @at of entries[]. */
static inline void tlb_forget(struct tlb *tlb, unsigned int at)
{
	tlb->keys[at] = 0;
	tlb->entries[at].filled = 0;
}

/*
 * What a hit on one entry does to the replacement state, kept so that the next one need
 * not work it out. It is the same for as long as the buffer lives.
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

/*
 * Fills the page of @vaddr, as one of @held. A walk that found it counts as one of @size; in
 * the page tables it is one of @page. Over the policy's victim when its ways are taken. The
 * buffer holds @held.
 */
void tlb_fill(struct tlb *tlb, uint64_t vaddr, enum page_size held, enum page_size size,
	      enum page_size page, uint16_t tag, bool global);

/*
 * CR3 was written and selects @tag, below TLB_TAGS. Of the tags, the geometry's number of
 * most recent ones is kept, this one among them; entries of others that are not global go.
 * Where no tag is kept, those of this one go too.
 */
void tlb_select_tag(struct tlb *tlb, uint16_t tag);
void tlb_flush_all(struct tlb *tlb);
void tlb_flush_tag(struct tlb *tlb, uint16_t tag);	/* its entries that are not global */
void tlb_flush_nonglobal(struct tlb *tlb);
/*
 * The page of @vaddr in every size: @tag's entry and any global one, and all pieces of a
 * larger page that is held in pieces (SDM vol. 3, 4.10.4.1).
 */
void tlb_flush_page(struct tlb *tlb, uint64_t vaddr, uint16_t tag);

#endif
