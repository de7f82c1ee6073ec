// SPDX-License-Identifier: GPL-2.0-only
#include "hierarchy.h"

#include <string.h>

bool hierarchy_init(struct hierarchy *h, const struct profile *profile)
{
	memset(h, 0, sizeof(*h));
	return tlb_init(&h->l1_4k, &profile->l1_4k) && tlb_init(&h->l1_2m, &profile->l1_2m) &&
	       tlb_init(&h->stlb, &profile->stlb);
}

void hierarchy_free(struct hierarchy *h)
{
	tlb_free(&h->l1_4k);
	tlb_free(&h->l1_2m);
	tlb_free(&h->stlb);
}

static void fill_l1(struct hierarchy *h, uint64_t vaddr, uint16_t tag, enum page_size size,
		    bool global)
{
	h->changes++;
	tlb_fill(size == PAGE_4K ? &h->l1_4k : &h->l1_2m, vaddr, size, tag, global);
}

/* Page and tag in one word, never 0; tags are small. */
static uint64_t recall_key(uint64_t vaddr, uint16_t tag)
{
	return (vaddr & ~0xfffull) | (tag + 1);
}

enum outcome hierarchy_fetch(struct hierarchy *h, uint64_t vaddr, uint16_t tag, walk_fn walk,
			     void *context, struct translation *found)
{
	struct recall *recall = &h->recalls[(vaddr >> 12) % RECALLS];
	bool recalled = tag < 0xfff;
	enum page_size size, held;
	struct tlb_entry *entry;
	struct tlb *tlb;

	h->counts.lookups++;
	if (recalled && recall->key == recall_key(vaddr, tag) && recall->changes == h->changes) {
		h->counts.l1_hits++;
		*found = recall->found;
		tlb_touch_again(&recall->touch);
		return OUT_L1_HIT;
	}
	tlb = &h->l1_4k;
	entry = tlb_lookup(tlb, vaddr, PAGE_4K, tag);
	if (!entry) {
		tlb = &h->l1_2m;
		entry = tlb_lookup(tlb, vaddr, PAGE_2M, tag);
	}
	if (entry) {
		h->counts.l1_hits++;
		*found = (struct translation){ .size = entry->size, .global = entry->global };
		if (recalled)
			*recall = (struct recall){
				.key = recall_key(vaddr, tag), .changes = h->changes,
				.touch = tlb_touch_of(tlb, entry), .found = *found,
			};
		return OUT_L1_HIT;
	}
	for (size = PAGE_4K; size <= PAGE_2M; size++) {
		entry = tlb_lookup(&h->stlb, vaddr, size, tag);
		if (!entry)
			continue;
		h->counts.stlb_hits++;
		*found = (struct translation){ .size = size, .global = entry->global };
		fill_l1(h, vaddr, tag, size, entry->global);
		return OUT_STLB_HIT;
	}
	if (!walk(context, vaddr, found)) {
		h->counts.not_mapped++;
		return OUT_NOT_MAPPED;
	}
	h->counts.walks[found->size]++;
	held = found->size == PAGE_4K ? PAGE_4K : PAGE_2M;
	tlb_fill(&h->stlb, vaddr, held, tag, found->global);
	fill_l1(h, vaddr, tag, held, found->global);
	return OUT_WALK;
}

void hierarchy_flush_all(struct hierarchy *h)
{
	h->changes++;
	tlb_flush_all(&h->l1_4k);
	tlb_flush_all(&h->l1_2m);
	tlb_flush_all(&h->stlb);
}

void hierarchy_flush_tag(struct hierarchy *h, uint16_t tag)
{
	h->changes++;
	tlb_flush_tag(&h->l1_4k, tag);
	tlb_flush_tag(&h->l1_2m, tag);
	tlb_flush_tag(&h->stlb, tag);
}

void hierarchy_flush_nonglobal(struct hierarchy *h)
{
	h->changes++;
	tlb_flush_nonglobal(&h->l1_4k);
	tlb_flush_nonglobal(&h->l1_2m);
	tlb_flush_nonglobal(&h->stlb);
}

void hierarchy_flush_page(struct hierarchy *h, uint64_t vaddr, uint16_t tag)
{
	h->changes++;
	tlb_flush_page(&h->l1_4k, vaddr, tag);
	tlb_flush_page(&h->l1_2m, vaddr, tag);
	tlb_flush_page(&h->stlb, vaddr, tag);
}
