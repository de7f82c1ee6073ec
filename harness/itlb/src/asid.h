/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address-space tags from the values written to CR3.
 *
 * ASID_FLUSH: every write flushes all that is not global; there is one tag.
 * ASID_TAGGED: what Linux does on parts with PCID: six dynamic address spaces per CPU
 * (TLB_NR_DYN_ASIDS), given out in turn; with page-table isolation each has a kernel and
 * a user half, whose page tables are neighbours (bit 12). A write of another value
 * selects a tag and flushes only a slot that is given out anew; a write of the value that
 * is there already is how a kernel without PCID flushes, and flushes that slot.
 * A page table that is freed and used again for another process is taken for the same
 * address space.
 */
#ifndef EMB_ASID_H
#define EMB_ASID_H

#include <stdbool.h>
#include <stdint.h>

#define ASID_SLOTS 6

enum asid_policy { ASID_FLUSH, ASID_TAGGED };

enum asid_action {
	ASID_SWITCHED,		/* another tag; nothing is flushed */
	ASID_SLOT_REUSED,	/* another tag; both halves of its slot are flushed */
	ASID_REWRITTEN,		/* same value: both halves of the slot are flushed */
	ASID_FLUSH_NONGLOBAL,	/* all that is not global is flushed */
};

struct asid_state {
	enum asid_policy policy;
	bool isolation;		/* kernel and user halves */
	uint64_t slots[ASID_SLOTS];	/* page table of each slot, 0: free */
	unsigned int next;
	unsigned int slot;
	uint64_t cr3;
	uint16_t tag;
};

void asid_init(struct asid_state *state, enum asid_policy policy, bool isolation);
/* Takes the value written to CR3; state->tag is the tag from now on. */
enum asid_action asid_write_cr3(struct asid_state *state, uint64_t value);

static inline uint16_t asid_kernel_tag(unsigned int slot)
{
	return 2 * slot;
}

static inline uint16_t asid_user_tag(unsigned int slot)
{
	return 2 * slot + 1;
}

#endif
