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

/* Each node on the way to the leaf points away from it. Nodes are numbered from 1. */
static uint64_t tree_touch(uint64_t bits, unsigned int leaves, unsigned int leaf)
{
	unsigned int node = 1, half;

	for (half = leaves / 2; half; half /= 2) {
		unsigned int right = !!(leaf & half);

		bits = right ? bits & ~(1ull << (node - 1)) : bits | 1ull << (node - 1);
		node = 2 * node + right;
	}
	return bits;
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

static void touch(struct tlb *tlb, unsigned int set, unsigned int way)
{
	uint64_t *state = &tlb->state[set];
	unsigned int group;
	uint64_t tree;

	switch (tlb->geometry.replacement) {
	case REPL_LRU:
		tlb->entries[set * tlb->geometry.ways + way].used = ++tlb->clock;
		break;
	case REPL_TREE_PLRU:
		*state = tree_touch(*state, tlb->geometry.ways, way);
		break;
	case REPL_MRU3_PLRU4:
		group = way / GROUP;
		tree = tree_touch(tree_of(*state, group), GROUP, way % GROUP);
		*state &= (1u << (GROUPS * GROUP_BITS)) - 1;
		*state &= ~(((1ull << GROUP_BITS) - 1) << (group * GROUP_BITS));
		*state |= tree << (group * GROUP_BITS);
		*state |= (uint64_t)group << (GROUPS * GROUP_BITS);
		break;
	}
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
			touch(tlb, set, way);
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
	touch(tlb, set, way);
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
