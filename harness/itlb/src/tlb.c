// SPDX-License-Identifier: GPL-2.0-only
#include "tlb.h"

#include <stdlib.h>
#include <string.h>

#define GROUP 4
#define GROUPS 3
#define GROUP_BITS 3		/* inner nodes of a tree over four ways */

static bool power_of_two(unsigned int n)
{
	return n && !(n & (n - 1));
}

static const char *placement_error(const struct tlb_geometry *g, const struct placement *p)
{
	if (!p->ways || p->first >= g->ways || p->span > g->ways - p->first)
		return "a page size is given ways that there are not";
	if (p->span % p->ways || !power_of_two(p->span / p->ways))
		return "the ways of a page size do not split into a power of two of groups";
	if (g->replacement == REPL_TREE_PLRU && (!power_of_two(p->ways) || p->first % p->ways))
		return "tree-plru needs the ways of a page size to be a whole branch of the tree";
	if (g->replacement == REPL_MRU3_PLRU4 && p->ways != g->ways)
		return "mru3-plru4 needs every page size in all ways";
	return NULL;
}

const char *tlb_geometry_error(const struct tlb_geometry *g)
{
	unsigned int size;
	const char *error;

	if (!g->entries)
		return NULL;
	if (!g->ways || g->entries % g->ways)
		return "entries is not a multiple of ways";
	if (!power_of_two(g->entries / g->ways))
		return "the number of sets (entries / ways) is not a power of two";
	if (g->replacement == REPL_TREE_PLRU && (!power_of_two(g->ways) || g->ways > 64))
		return "tree-plru needs a power of two of ways, at most 64";
	if (g->replacement == REPL_MRU3_PLRU4 && g->ways != GROUP * GROUPS)
		return "mru3-plru4 needs 12 ways";
	if (g->index == INDEX_SKEWED && g->replacement != REPL_LRU)
		return "a skewed index needs lru: the other policies belong to one set";
	for (size = 0; size < PAGE_SIZES; size++) {
		error = g->pages[size].span ? placement_error(g, &g->pages[size]) : NULL;
		if (error)
			return error;
	}
	for (size = 0; size < PAGE_SIZES; size++)
		if (g->pages[size].span)
			return NULL;
	return "it holds no page size (give it 4k, 2m or 1g = all)";
}

static unsigned int log2_of(unsigned int power)
{
	return 31 - __builtin_clz(power);
}

bool tlb_init(struct tlb *tlb, const struct tlb_geometry *g)
{
	unsigned int size;

	memset(tlb, 0, sizeof(*tlb));
	tlb->geometry = *g;
	if (!g->entries)
		return true;
	tlb->recents = 1;	/* tag 0 is the current one */
	tlb->sets = g->entries / g->ways;
	tlb->ways = g->ways;
	tlb->set_bits = log2_of(tlb->sets);
	for (size = 0; size < PAGE_SIZES; size++) {
		const struct placement *p = &g->pages[size];

		if (p->span)
			tlb->group_bits[size] = log2_of(p->span / p->ways);
	}
	tlb->keys = calloc(tlb->sets * tlb->ways, sizeof(*tlb->keys));
	tlb->entries = calloc(tlb->sets * tlb->ways, sizeof(*tlb->entries));
	tlb->state = calloc(tlb->sets, sizeof(*tlb->state));
	return tlb->keys && tlb->entries && tlb->state;
}

void tlb_free(struct tlb *tlb)
{
	free(tlb->keys);
	free(tlb->entries);
	free(tlb->state);
	memset(tlb, 0, sizeof(*tlb));
}

static uint64_t key_of(uint64_t vpn, enum page_size size)
{
	return vpn << 3 | size << 1 | 1;
}

/* The ways that one page may be in; with a skewed index each has a set of its own. */
struct range {
	unsigned int from;	/* ways */
	unsigned int to;
	unsigned int set;	/* skewed: the page number's low bits */
	unsigned int high;	/* skewed: all higher bits, folded */
	unsigned int base;	/* the set's place in keys[] and entries[], not skewed */
	bool skewed;
};

/* Chunks of @bits bits of @value, one over the other. */
static inline unsigned int folded(uint64_t value, unsigned int bits)
{
	unsigned int fold = 0;

	for (; bits && value; value >>= bits)
		fold ^= value & ((1u << bits) - 1);
	return fold;
}

static inline struct range range_of(const struct tlb *tlb, uint64_t vpn, enum page_size size)
{
	const struct placement *p = &tlb->geometry.pages[size];
	unsigned int groups = tlb->group_bits[size], group = 0;
	struct range r = { .skewed = tlb->geometry.index == INDEX_SKEWED };
	uint64_t above;

	if (tlb->geometry.index == INDEX_XOR)
		vpn ^= vpn >> (tlb->set_bits + groups);
	above = vpn >> tlb->set_bits;
	r.set = vpn & (tlb->sets - 1);
	r.base = r.set * tlb->ways;
	if (r.skewed)
		r.high = folded(above, tlb->set_bits);
	if (groups)
		group = r.skewed ? folded(above, groups) : above & ((1u << groups) - 1);
	r.from = p->first + group * p->ways;
	r.to = r.from + p->ways;
	return r;
}

/*
 * The place in keys[] and entries[] of @way. The skewing functions are those of Seznec and
 * Bodin (Skewed-associative caches, 1993): a rotation of the low bits, another in each way,
 * over the higher ones.
 */
static inline unsigned int place(const struct tlb *tlb, const struct range *r, unsigned int way)
{
	unsigned int set = r->set, bits = tlb->set_bits, by;

	if (!r->skewed || !bits)
		return r->base + way;
	by = way % bits;
	set = (set << by | set >> (bits - by)) & (tlb->sets - 1);
	return (set ^ r->high) * tlb->ways + way;
}

/*
 * Each node on the way to the leaf points away from it. Nodes are numbered from 1; bits
 * of the tree stand from bit @low on.
 */
static void tree_touch(struct tlb_touch *touch, unsigned int low, unsigned int leaves,
		       unsigned int leaf)
{
	unsigned int node = 1, half;

	for (half = leaves / 2; half; half /= 2) {
		uint64_t bit = 1ull << (low + node - 1);
		unsigned int right = !!(leaf & half);

		touch->keep &= ~bit;
		if (!right)
			touch->add |= bit;
		node = 2 * node + right;
	}
}

static unsigned int tree_victim(uint64_t bits, unsigned int leaves, unsigned int node)
{
	while (node < leaves)
		node = 2 * node + ((bits >> (node - 1)) & 1);
	return node - leaves;
}

/* State of REPL_MRU3_PLRU4: three trees of three bits, then the most recent group. */
static unsigned int group_of(uint64_t state)
{
	return state >> (GROUPS * GROUP_BITS);
}

static uint64_t tree_of(uint64_t state, unsigned int group)
{
	return (state >> (group * GROUP_BITS)) & ((1u << GROUP_BITS) - 1);
}

struct tlb_touch tlb_touch_of(struct tlb *tlb, struct tlb_entry *entry)
{
	unsigned int at = entry - tlb->entries, way = at % tlb->ways;
	struct tlb_touch touch = { .word = &tlb->state[at / tlb->ways], .keep = UINT64_MAX };
	unsigned int group = way / GROUP;

	switch (tlb->geometry.replacement) {
	case REPL_LRU:
		touch.word = &entry->used;
		touch.clock = &tlb->clock;
		break;
	case REPL_TREE_PLRU:
		tree_touch(&touch, 0, tlb->ways, way);
		break;
	case REPL_MRU3_PLRU4:
		touch.keep = (1u << (GROUPS * GROUP_BITS)) - 1;
		touch.add = (uint64_t)group << (GROUPS * GROUP_BITS);
		tree_touch(&touch, group * GROUP_BITS, GROUP, way % GROUP);
		break;
	}
	return touch;
}

static void touch(struct tlb *tlb, struct tlb_entry *entry)
{
	struct tlb_touch touch = tlb_touch_of(tlb, entry);

	tlb_touch_again(&touch);
}

static bool is_free(const struct tlb *tlb, unsigned int at)
{
	return !tlb_is_live(tlb, &tlb->entries[at]);
}

static unsigned int victim(const struct tlb *tlb, const struct range *r)
{
	unsigned int base = r->base, at, way, oldest, group;
	uint64_t state = tlb->state[r->set];

	for (way = r->from; way < r->to; way++) {
		at = place(tlb, r, way);
		if (is_free(tlb, at))
			return at;
	}
	switch (tlb->geometry.replacement) {
	case REPL_TREE_PLRU:	/* from the node whose leaves these ways are */
		return base + tree_victim(state, tlb->ways,
					  (tlb->ways + r->from) / (r->to - r->from));
	case REPL_MRU3_PLRU4:
		group = (group_of(state) + 1) % GROUPS;
		return base + group * GROUP + tree_victim(tree_of(state, group), GROUP, 1);
	case REPL_LRU:
		break;
	}
	oldest = place(tlb, r, r->from);
	for (way = r->from + 1; way < r->to; way++) {
		at = place(tlb, r, way);
		if (tlb->entries[at].used < tlb->entries[oldest].used)
			oldest = at;
	}
	return oldest;
}

struct tlb_entry *tlb_lookup(struct tlb *tlb, uint64_t vaddr, enum page_size size, uint16_t tag)
{
	uint64_t vpn = vaddr >> page_shift(size), key = key_of(vpn, size);
	struct range r;
	unsigned int at, way;

	if (!tlb->seen[size])
		return NULL;
	r = range_of(tlb, vpn, size);
	for (way = r.from; way < r.to; way++) {
		at = place(tlb, &r, way);
		if (tlb->keys[at] == key && tlb_entry_matches(tlb, &tlb->entries[at], tag)) {
			touch(tlb, &tlb->entries[at]);
			return &tlb->entries[at];
		}
	}
	return NULL;
}

bool tlb_has_private(const struct tlb *tlb, uint64_t vaddr, enum page_size size)
{
	uint64_t vpn = vaddr >> page_shift(size), key = key_of(vpn, size);
	struct range r;
	unsigned int at, way;

	if (!tlb->seen[size] || !tlb->seen_private[vaddr >> 63])
		return false;
	r = range_of(tlb, vpn, size);
	for (way = r.from; way < r.to; way++) {
		at = place(tlb, &r, way);
		if (tlb->keys[at] == key && !tlb->entries[at].global &&
		    tlb_is_live(tlb, &tlb->entries[at]))
			return true;
	}
	return false;
}

void tlb_fill(struct tlb *tlb, uint64_t vaddr, enum page_size held, enum page_size size,
	      enum page_size page, uint16_t tag, bool global)
{
	uint64_t vpn = vaddr >> page_shift(held);
	struct range r = range_of(tlb, vpn, held);
	unsigned int at = victim(tlb, &r);

	tlb->seen[held] = true;
	tlb->seen_piece |= held < page;
	if (!global)
		tlb->seen_private[vaddr >> 63] = true;
	tlb->keys[at] = key_of(vpn, held);
	tlb->entries[at] = (struct tlb_entry){
		.filled = ++tlb->now, .tag = tag, .size = size, .page = page, .global = global,
	};
	touch(tlb, &tlb->entries[at]);
}

void tlb_select_tag(struct tlb *tlb, uint16_t tag)
{
	unsigned int keep = tlb->geometry.pcids, i;

	if (!tlb->sets || keep >= TLB_TAGS)
		return;
	if (!keep) {
		tlb_flush_nonglobal(tlb);
		return;
	}
	for (i = 0; i < tlb->recents; i++)
		if (tlb->recent[i] == tag)
			break;
	if (i == tlb->recents && i < keep)
		tlb->recents++;
	else if (i == tlb->recents)
		tlb_flush_tag(tlb, tlb->recent[--i]);
	memmove(tlb->recent + 1, tlb->recent, i * sizeof(*tlb->recent));
	tlb->recent[0] = tag;
}

void tlb_flush_nonglobal(struct tlb *tlb)
{
	unsigned int i;

	tlb->now++;
	for (i = 0; i <= TLB_TAGS; i++)
		tlb->since[i] = tlb->now;
}

void tlb_flush_all(struct tlb *tlb)
{
	tlb_flush_nonglobal(tlb);
	tlb->global_since = tlb->now;
}

void tlb_flush_tag(struct tlb *tlb, uint16_t tag)
{
	unsigned int i;

	if (tag < TLB_TAGS) {
		tlb->since[tag] = ++tlb->now;
		return;
	}
	for (i = 0; i < tlb->sets * tlb->ways; i++)
		if (!tlb->entries[i].global && tlb->entries[i].tag == tag)
			tlb_forget(tlb, i);
}

/* All pieces of the page of @vaddr, whatever its size in the page tables. */
static void flush_pieces(struct tlb *tlb, uint64_t vaddr, uint16_t tag)
{
	unsigned int at;

	for (at = 0; at < tlb->sets * tlb->ways; at++) {
		const struct tlb_entry *e = &tlb->entries[at];
		enum page_size held = (tlb->keys[at] >> 1) & 3;
		unsigned int within;

		if (!tlb->keys[at] || held >= e->page || !(e->global || e->tag == tag))
			continue;
		within = page_shift(e->page) - page_shift(held);
		if (tlb->keys[at] >> (3 + within) == key_of(vaddr >> page_shift(held), held) >> (3 + within))
			tlb_forget(tlb, at);
	}
}

void tlb_flush_page(struct tlb *tlb, uint64_t vaddr, uint16_t tag)
{
	enum page_size size;

	if (tlb->seen_piece)
		flush_pieces(tlb, vaddr, tag);
	for (size = PAGE_4K; size < PAGE_SIZES; size++) {
		uint64_t vpn = vaddr >> page_shift(size);
		struct range r;
		unsigned int at, way;

		if (!tlb->seen[size])
			continue;
		r = range_of(tlb, vpn, size);
		for (way = r.from; way < r.to; way++) {
			at = place(tlb, &r, way);
			if (tlb->keys[at] == key_of(vpn, size) &&
			    (tlb->entries[at].global || tlb->entries[at].tag == tag))
				tlb_forget(tlb, at);
		}
	}
}
