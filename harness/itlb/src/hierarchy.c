// SPDX-License-Identifier: GPL-2.0-only
#include "hierarchy.h"

#include <string.h>

static void add_first(struct stream *s, struct tlb *tlb)
{
	if (tlb->sets)
		s->first[s->firsts++] = tlb;
}

static void add_second(struct stream *s, struct tlb *tlb)
{
	if (tlb->sets)
		s->second[s->seconds++] = tlb;
}

bool hierarchy_init(struct hierarchy *h, const struct profile *profile)
{
	struct stream *data[] = { &h->loads, &h->stores };
	unsigned int buffer, i;

	memset(h, 0, sizeof(*h));
	for (buffer = 0; buffer < BUFFERS; buffer++)
		if (!tlb_init(&h->tlbs[buffer], &profile->buffers[buffer]))
			return false;
	h->code.counts = &h->counts;
	for (buffer = L1_4K; buffer <= L1; buffer++)
		add_first(&h->code, &h->tlbs[buffer]);
	add_second(&h->code, &h->tlbs[STLB]);
	for (i = 0; i < 2; i++) {
		data[i]->counts = &h->data;
		if (data[i] == &h->stores && h->tlbs[STORE].sets)
			add_first(data[i], &h->tlbs[STORE]);
		else
			for (buffer = DATA_4K; buffer <= DATA; buffer++)
				add_first(data[i], &h->tlbs[buffer]);
		if (profile->second_level == SECOND_SHARED)
			add_second(data[i], &h->tlbs[STLB]);
		add_second(data[i], &h->tlbs[DATA_STLB]);
	}
	return true;
}

void hierarchy_free(struct hierarchy *h)
{
	unsigned int buffer;

	for (buffer = 0; buffer < BUFFERS; buffer++)
		tlb_free(&h->tlbs[buffer]);
}

/* The buffer among @tlbs for pages of @size; *held is what it holds of such a page. */
static struct tlb *place(struct tlb *const *tlbs, unsigned int count, enum page_size size,
			 enum page_size *held)
{
	unsigned int i;
	int s;

	for (s = size; s >= 0; s--) {
		for (i = 0; i < count; i++) {
			if (tlb_holds(tlbs[i], s)) {
				*held = s;
				return tlbs[i];
			}
		}
	}
	return NULL;
}

static struct tlb_entry *find(struct tlb *const *tlbs, unsigned int count, uint64_t vaddr,
			      uint16_t tag, unsigned int *which)
{
	struct tlb_entry *entry;
	enum page_size size;
	unsigned int i;

	for (i = 0; i < count; i++) {
		for (size = PAGE_4K; size < PAGE_SIZES; size++) {
			entry = tlb_lookup(tlbs[i], vaddr, size, tag);
			if (entry) {
				*which = i;
				return entry;
			}
		}
	}
	return NULL;
}

static void fill_second(struct stream *s, uint64_t vaddr, uint16_t tag,
			const struct translation *t)
{
	enum page_size held = PAGE_4K;
	struct tlb *tlb = place(s->second, s->seconds, t->size, &held);

	if (tlb)
		tlb_fill(tlb, vaddr, held, t->size, t->page, tag, t->global);
}

static void fill_first(struct stream *s, uint64_t vaddr, uint16_t tag,
		       const struct translation *t)
{
	enum page_size held = PAGE_4K, size;
	struct tlb *tlb = place(s->first, s->firsts, t->size, &held);
	unsigned int i;

	/* Another tag's entry may be recalled where this one would now be found first. */
	if (t->global)
		for (i = 0; i < s->firsts; i++)
			for (size = PAGE_4K; size < PAGE_SIZES; size++)
				if (tlb_has_private(s->first[i], vaddr, size))
					s->changes++;
	tlb_fill(tlb, vaddr, held, t->size, t->page, tag, t->global);
}

/* Page and tag in one word, never 0; tags are small. */
static uint64_t recall_key(uint64_t vaddr, uint16_t tag)
{
	return (vaddr & ~0xfffull) | (tag + 1);
}

static enum outcome look_up(struct stream *s, uint64_t vaddr, uint16_t tag,
			    walk_fn walk, void *context, struct translation *found)
{
	struct recall *recall = &s->recalls[(vaddr >> 12) % RECALLS];
	bool recalled = tag < 0xfff;
	struct tlb_entry *entry;
	unsigned int which;

	s->counts->lookups++;
	if (recalled && recall->key == recall_key(vaddr, tag) &&
	    recall->changes == s->changes && recall->entry->filled == recall->filled &&
	    recall->filled > *recall->since) {
		s->counts->l1_hits++;
		*found = (struct translation){
			recall->entry->size, recall->entry->page, recall->entry->global,
		};
		tlb_touch_again(&recall->touch);
		return OUT_L1_HIT;
	}
	entry = find(s->first, s->firsts, vaddr, tag, &which);
	if (entry) {
		struct tlb *tlb = s->first[which];

		s->counts->l1_hits++;
		*found = (struct translation){ entry->size, entry->page, entry->global };
		if (recalled)
			*recall = (struct recall){
				.key = recall_key(vaddr, tag), .changes = s->changes,
				.entry = entry, .filled = entry->filled,
				.since = tlb_since(tlb, entry), .touch = tlb_touch_of(tlb, entry),
			};
		return OUT_L1_HIT;
	}
	entry = find(s->second, s->seconds, vaddr, tag, &which);
	if (entry) {
		s->counts->stlb_hits++;
		*found = (struct translation){ entry->size, entry->page, entry->global };
		fill_first(s, vaddr, tag, found);
		return OUT_STLB_HIT;
	}
	if (!walk(context, vaddr, found)) {
		s->counts->not_mapped++;
		return OUT_NOT_MAPPED;
	}
	s->counts->walks[found->size]++;
	fill_second(s, vaddr, tag, found);
	fill_first(s, vaddr, tag, found);
	return OUT_WALK;
}

enum outcome hierarchy_fetch(struct hierarchy *h, uint64_t vaddr, uint16_t tag, walk_fn walk,
			     void *context, struct translation *found)
{
	return look_up(&h->code, vaddr, tag, walk, context, found);
}

enum outcome hierarchy_data(struct hierarchy *h, uint64_t vaddr, uint16_t tag, bool store,
			    walk_fn walk, void *context, struct translation *found)
{
	return look_up(store ? &h->stores : &h->loads, vaddr, tag, walk, context, found);
}

void hierarchy_select_tag(struct hierarchy *h, uint16_t tag)
{
	unsigned int buffer;

	for (buffer = 0; buffer < BUFFERS; buffer++)
		tlb_select_tag(&h->tlbs[buffer], tag);
}

void hierarchy_flush_all(struct hierarchy *h)
{
	unsigned int buffer;

	for (buffer = 0; buffer < BUFFERS; buffer++)
		tlb_flush_all(&h->tlbs[buffer]);
}

void hierarchy_flush_tag(struct hierarchy *h, uint16_t tag)
{
	unsigned int buffer;

	for (buffer = 0; buffer < BUFFERS; buffer++)
		tlb_flush_tag(&h->tlbs[buffer], tag);
}

void hierarchy_flush_nonglobal(struct hierarchy *h)
{
	unsigned int buffer;

	for (buffer = 0; buffer < BUFFERS; buffer++)
		tlb_flush_nonglobal(&h->tlbs[buffer]);
}

void hierarchy_flush_page(struct hierarchy *h, uint64_t vaddr, uint16_t tag)
{
	unsigned int buffer;

	for (buffer = 0; buffer < BUFFERS; buffer++)
		tlb_flush_page(&h->tlbs[buffer], vaddr, tag);
}
