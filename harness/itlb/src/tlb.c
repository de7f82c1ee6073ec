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

const char *tlb_geometry_error(const struct tlb_geometry *g)
{
	if (!g->entries)
		return NULL;
	if (!g->ways || g->entries % g->ways)
		return "entries is not a multiple of ways";
	if (!power_of_two(g->entries / g->ways))
		return "the number of sets (entries / ways) is not a power of two";
	if (g->reserved >= g->ways)
		return "no way is left for instructions";
	if (g->replacement == REPL_TREE_PLRU && (!power_of_two(g->ways) || g->ways > 64))
		return "tree-plru needs a power of two of ways, at most 64";
	if (g->replacement == REPL_MRU3_PLRU4 && g->ways != GROUP * GROUPS)
		return "mru3-plru4 needs 12 ways";
	if (g->reserved && g->replacement != REPL_LRU)
		return "reserved ways need lru";
	return NULL;
}

bool tlb_init(struct tlb *tlb, const struct tlb_geometry *g)
{
	memset(tlb, 0, sizeof(*tlb));
	tlb->geometry = *g;
	if (!g->entries)
		return true;
	tlb->sets = g->entries / g->ways;
	tlb->usable = g->ways - g->reserved;
	while ((1u << tlb->set_bits) < tlb->sets)
		tlb->set_bits++;
	tlb->entries = calloc(g->entries, sizeof(*tlb->entries));
	tlb->state = calloc(tlb->sets, sizeof(*tlb->state));
	return tlb->entries && tlb->state;
}

void tlb_free(struct tlb *tlb)
{
	free(tlb->entries);
	free(tlb->state);
	memset(tlb, 0, sizeof(*tlb));
}

static unsigned int set_of(const struct tlb *tlb, uint64_t vpn)
{
	if (tlb->geometry.index == INDEX_XOR)
		vpn ^= vpn >> tlb->set_bits;
	return vpn & (tlb->sets - 1);
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

static unsigned int tree_victim(uint64_t bits, unsigned int leaves)
{
	unsigned int node = 1;

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
	unsigned int at = entry - tlb->entries, way = at % tlb->geometry.ways;
	struct tlb_touch touch = { .word = &tlb->state[at / tlb->geometry.ways], .keep = UINT64_MAX };
	unsigned int group = way / GROUP;

	switch (tlb->geometry.replacement) {
	case REPL_LRU:
		touch.word = &entry->used;
		touch.clock = &tlb->clock;
		break;
	case REPL_TREE_PLRU:
		tree_touch(&touch, 0, tlb->geometry.ways, way);
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

static unsigned int victim(const struct tlb *tlb, unsigned int set)
{
	const struct tlb_entry *entries = &tlb->entries[set * tlb->geometry.ways];
	uint64_t state = tlb->state[set];
	unsigned int way, oldest = 0, group;

	for (way = 0; way < tlb->usable; way++)
		if (!entries[way].valid)
			return way;
	switch (tlb->geometry.replacement) {
	case REPL_TREE_PLRU:
		return tree_victim(state, tlb->geometry.ways);
	case REPL_MRU3_PLRU4:
		group = (group_of(state) + 1) % GROUPS;
		return group * GROUP + tree_victim(tree_of(state, group), GROUP);
	case REPL_LRU:
		break;
	}
	for (way = 1; way < tlb->usable; way++)
		if (entries[way].used < entries[oldest].used)
			oldest = way;
	return oldest;
}

static bool matches(const struct tlb_entry *entry, uint64_t vpn, enum page_size size, uint16_t tag)
{
	return entry->valid && entry->vpn == vpn && entry->size == size &&
	       (entry->global || entry->tag == tag);
}

struct tlb_entry *tlb_lookup(struct tlb *tlb, uint64_t vaddr, enum page_size size, uint16_t tag)
{
	uint64_t vpn = vaddr >> page_shift(size);
	struct tlb_entry *entries;
	unsigned int set, way;

	if (!tlb->sets)
		return NULL;
	set = set_of(tlb, vpn);
	entries = &tlb->entries[set * tlb->geometry.ways];
	for (way = 0; way < tlb->usable; way++) {
		if (matches(&entries[way], vpn, size, tag)) {
			touch(tlb, &entries[way]);
			return &entries[way];
		}
	}
	return NULL;
}

void tlb_fill(struct tlb *tlb, uint64_t vaddr, enum page_size size, uint16_t tag, bool global)
{
	uint64_t vpn = vaddr >> page_shift(size);
	unsigned int set, way;

	if (!tlb->sets)
		return;
	set = set_of(tlb, vpn);
	way = victim(tlb, set);
	tlb->entries[set * tlb->geometry.ways + way] = (struct tlb_entry){
		.vpn = vpn, .tag = tag, .size = size, .global = global, .valid = true,
	};
	touch(tlb, &tlb->entries[set * tlb->geometry.ways + way]);
}

void tlb_flush_all(struct tlb *tlb)
{
	unsigned int i;

	for (i = 0; i < tlb->geometry.entries; i++)
		tlb->entries[i].valid = false;
}

void tlb_flush_tag(struct tlb *tlb, uint16_t tag)
{
	unsigned int i;

	for (i = 0; i < tlb->geometry.entries; i++)
		if (!tlb->entries[i].global && tlb->entries[i].tag == tag)
			tlb->entries[i].valid = false;
}

void tlb_flush_nonglobal(struct tlb *tlb)
{
	unsigned int i;

	for (i = 0; i < tlb->geometry.entries; i++)
		if (!tlb->entries[i].global)
			tlb->entries[i].valid = false;
}

void tlb_flush_page(struct tlb *tlb, uint64_t vaddr, uint16_t tag)
{
	struct tlb_entry *entries;
	enum page_size size;
	unsigned int way;
	uint64_t vpn;

	if (!tlb->sets)
		return;
	for (size = PAGE_4K; size < PAGE_SIZES; size++) {
		vpn = vaddr >> page_shift(size);
		entries = &tlb->entries[set_of(tlb, vpn) * tlb->geometry.ways];
		for (way = 0; way < tlb->usable; way++)
			if (matches(&entries[way], vpn, size, tag))
				entries[way].valid = false;
	}
}
