// SPDX-License-Identifier: GPL-2.0-only
#include "asid.h"

#include <string.h>

#define CR3_TABLE 0x000ffffffffff000ull
#define USER_HALF 0x1000ull
#define KERNEL_ADDRESS (1ull << 63)

void asid_init(struct asid_state *state, enum asid_policy policy, bool isolation)
{
	memset(state, 0, sizeof(*state));
	state->policy = policy;
	state->isolation = isolation;
}

bool asid_context(struct asid_state *state, uint64_t id, uint64_t generation)
{
	bool first = !state->by_context;

	state->loaded = (struct asid_context){ .id = id, .generation = generation };
	if (first) {
		memset(state->slots, 0, sizeof(state->slots));
		state->by_context = true;
		state->slot = 0;
		state->next = 1;	/* as Linux begins */
		state->tag = state->tag & 1 ? asid_user_tag(0) : asid_kernel_tag(0);
		state->slots[0] = state->loaded;
	} else if (state->slots[state->slot].id == id) {
		state->slots[state->slot].generation = generation;	/* it has caught up */
	}
	return first;
}

/* The slot for the loaded context from now on, and what becomes of its entries. */
static enum asid_action choose_slot(struct asid_state *state)
{
	unsigned int slot;
	bool behind;

	if (state->invalidate_other) {
		for (slot = 0; slot < ASID_SLOTS; slot++)
			if (slot != state->slot)
				state->slots[slot].id = 0;
		state->invalidate_other = false;
	}
	for (slot = 0; slot < ASID_SLOTS; slot++) {
		if (state->slots[slot].id != state->loaded.id)
			continue;
		behind = state->slots[slot].generation < state->loaded.generation;
		state->slot = slot;
		state->slots[slot].generation = state->loaded.generation;
		return behind ? ASID_SLOT_BEHIND : ASID_SWITCHED;
	}
	if (state->next == ASID_SLOTS)
		state->next = 0;
	state->slot = state->next++;
	state->slots[state->slot] = state->loaded;
	return ASID_SLOT_REUSED;
}

/* A context has one page table for as long as it lives. */
static void check_table(uint64_t *known, uint64_t table, unsigned int *mismatches)
{
	*mismatches += *known && *known != table;
	*known = table;
}

enum asid_action asid_write_cr3(struct asid_state *state, uint64_t value)
{
	uint64_t table = value & CR3_TABLE;
	bool user = state->isolation && (table & USER_HALF);
	bool same = value == state->cr3;
	enum asid_action action = ASID_SWITCHED;

	state->cr3 = value;
	if (state->policy == ASID_FLUSH)
		return ASID_FLUSH_NONGLOBAL;
	if (state->isolation)
		table &= ~USER_HALF;
	if (!state->by_context)
		state->loaded.id = table;
	if (state->loaded.id != state->slots[state->slot].id)
		action = choose_slot(state);
	else if (same)
		action = ASID_REWRITTEN;
	check_table(&state->slots[state->slot].table, table, &state->mismatches);
	state->tag = user ? asid_user_tag(state->slot) : asid_kernel_tag(state->slot);
	return action;
}

uint16_t asid_flush_slot(struct asid_state *state)
{
	state->slots[state->slot].user_flush = true;
	return asid_kernel_tag(state->slot);
}

bool asid_user_flush(struct asid_state *state)
{
	struct asid_context *context = &state->slots[state->slot];
	bool flush = context->user_flush && state->tag == asid_user_tag(state->slot);

	if (flush)
		context->user_flush = false;
	return flush;
}

void asid_flush_page(struct asid_state *state, uint64_t address)
{
	if (state->isolation && (address & KERNEL_ADDRESS))
		state->invalidate_other = true;
}
