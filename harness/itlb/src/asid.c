// SPDX-License-Identifier: GPL-2.0-only
#include "asid.h"

#include <string.h>

#define CR3_TABLE 0x000ffffffffff000ull
#define USER_HALF 0x1000ull

void asid_init(struct asid_state *state, enum asid_policy policy, bool isolation)
{
	memset(state, 0, sizeof(*state));
	state->policy = policy;
	state->isolation = isolation;
}

enum asid_action asid_write_cr3(struct asid_state *state, uint64_t value)
{
	uint64_t table = value & CR3_TABLE;
	bool user = state->isolation && (table & USER_HALF);
	bool same = value == state->cr3;
	unsigned int slot;

	state->cr3 = value;
	if (state->policy == ASID_FLUSH)
		return ASID_FLUSH_NONGLOBAL;
	if (same)
		return ASID_REWRITTEN;
	if (state->isolation)
		table &= ~USER_HALF;
	for (slot = 0; slot < ASID_SLOTS; slot++)
		if (state->slots[slot] == table)
			break;
	if (slot < ASID_SLOTS) {
		state->slot = slot;
		state->tag = user ? asid_user_tag(slot) : asid_kernel_tag(slot);
		return ASID_SWITCHED;
	}
	slot = state->next;
	state->next = (state->next + 1) % ASID_SLOTS;
	state->slots[slot] = table;
	state->slot = slot;
	state->tag = user ? asid_user_tag(slot) : asid_kernel_tag(slot);
	return ASID_SLOT_REUSED;
}
