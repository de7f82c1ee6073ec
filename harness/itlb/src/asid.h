/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address-space tags from the values written to CR3.
 *
 * ASID_FLUSH: every write flushes all that is not global; there is one tag.
 * ASID_TAGGED: what Linux does on parts with PCID (arch/x86/mm/tlb.c, 6.1 and 7.3): six
 * dynamic address spaces per CPU (TLB_NR_DYN_ASIDS), given out in turn; with page-table
 * isolation each has a kernel and a user half, whose page tables are neighbours (bit 12).
 *
 * An address space is known by what the guest's kernel has of it in cpu_tlbstate.ctxs: its
 * context id and its generation. A switch to a context that has a slot flushes the slot if
 * its generation is behind; one that has none is given the next slot, which is flushed. A
 * kernel without PCID, as the guests here are, uses ctxs[0] alone and writes both numbers
 * there before it writes CR3. A write of the value that CR3 has already is how such a kernel
 * flushes the current address space.
 *
 * Until asid_context() was called the context is the page table: one that is freed and used
 * again for another process is then taken for the same address space, and flushes that Linux
 * puts off until the next switch are not seen.
 *
 * Under isolation a flush of one kernel page reaches the current slot only; Linux dooms the
 * others (invalidate_other), and each is flushed when it is used again.
 */
#ifndef EMB_ASID_H
#define EMB_ASID_H

#include <stdbool.h>
#include <stdint.h>

#define ASID_SLOTS 6

enum asid_policy { ASID_FLUSH, ASID_TAGGED };

enum asid_action {
	ASID_SWITCHED,		/* another tag; nothing is flushed */
	ASID_SLOT_REUSED,	/* another tag; its slot is flushed, see asid_flush_slot() */
	ASID_SLOT_BEHIND,	/* the same, since its generation was behind */
	ASID_REWRITTEN,		/* same value: the slot is flushed */
	ASID_FLUSH_NONGLOBAL,	/* all that is not global is flushed */
};

struct asid_context {
	uint64_t id;		/* 0: none */
	uint64_t generation;
	uint64_t table;		/* of the kernel half; 0: not known yet */
	bool user_flush;	/* the user half is flushed when it is entered next */
};

struct asid_state {
	enum asid_policy policy;
	bool isolation;		/* kernel and user halves */
	bool by_context;	/* asid_context() was called */
	bool invalidate_other;
	struct asid_context slots[ASID_SLOTS];
	struct asid_context loaded;	/* what the kernel says is, or is about to be, in CR3 */
	unsigned int mismatches;	/* one context with two page tables: it was not read rightly */
	unsigned int next;
	unsigned int slot;
	uint64_t cr3;
	uint16_t tag;
};

void asid_init(struct asid_state *state, enum asid_policy policy, bool isolation);
/*
 * Takes what the kernel has in ctxs[0] now. True when it is the first one: all tags have
 * been given up, and what is not global must be flushed.
 */
bool asid_context(struct asid_state *state, uint64_t id, uint64_t generation);
/* Takes the value written to CR3; state->tag is the tag from now on. */
enum asid_action asid_write_cr3(struct asid_state *state, uint64_t value);
/*
 * The tag to flush now, of the current slot. Of its user half Linux takes a note
 * (user_pcid_flush_mask) and flushes it on the way back to the program.
 */
uint16_t asid_flush_slot(struct asid_state *state);
/* Whether the user half has just been entered and is to be flushed; the note is gone then. */
bool asid_user_flush(struct asid_state *state);
/* Takes a flush of the page at @address, of the current slot. */
void asid_flush_page(struct asid_state *state, uint64_t address);

static inline uint16_t asid_kernel_tag(unsigned int slot)
{
	return 2 * slot;
}

static inline uint16_t asid_user_tag(unsigned int slot)
{
	return 2 * slot + 1;
}

#endif
