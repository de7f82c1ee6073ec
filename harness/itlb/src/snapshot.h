/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's half of the page tables at one moment, and how often each watched address
 * had been executed by then. Reads memory through a callback and knows nothing of QEMU.
 */
#ifndef EMB_SNAPSHOT_H
#define EMB_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tlb.h"

#define MAX_SNAPSHOT 255	/* snapshots are numbered from 1 */
#define MAX_REASON 96

/* Flags of a leaf: W and X are those of all levels together, G is the leaf's own. */
#define RUN_W 1u
#define RUN_X 2u
#define RUN_G 4u
#define RUN_DIRECT 8u
#define RUN_FLAGS 16u

/* Leaves of one size one after the other, all with the same flags. */
struct run {
	uint64_t start;
	uint64_t pages;		/* of that size */
	uint8_t size;		/* enum page_size */
	uint8_t flags;
};

struct snapshot {
	uint8_t id;
	bool complete;
	bool isolated;		/* the table is one of a pair, of kernel and user */
	bool has_direct_map;
	bool exact;		/* every watch had been armed by then */
	uint64_t direct_map;	/* virtual less physical address */
	char reason[MAX_REASON];	/* why it is not complete */
	unsigned int watches;
	uint64_t *watch;	/* executions so far, over all CPUs */
	struct run *runs;	/* in the order of their addresses */
	size_t count, capacity;
};

/* False when there is no such memory. */
typedef bool (*read64_fn)(void *context, uint64_t physical, uint64_t *value);

struct tables {
	uint64_t cr3;
	bool five_levels;
	read64_fn read;
	void *context;
	uint64_t bound;		/* entries to read, SNAPSHOT_BOUND at most */
};

/* 64 GB of memory in pages of 4 kB have as many entries. */
#define SNAPSHOT_BOUND (1ull << 24)

struct snapshot *snapshot_new(unsigned int id, unsigned int watches);	/* NULL: out of memory */
void snapshot_free(struct snapshot *s);

/*
 * Fills in all but id and watches. Where the table in CR3 is one of a pair the kernel's is
 * read, whichever of them it is. What went wrong is in @s->reason.
 */
void snapshot_walk(struct snapshot *s, const struct tables *tables);
/* There are no page tables to read, for this reason. */
void snapshot_refuse(struct snapshot *s, const char *reason);

/* Adds a leaf or a run behind the last one, into which it goes if it can. */
bool snapshot_add(struct snapshot *s, const struct run *run);	/* false: out of memory */

void snapshot_write_json(FILE *f, const struct snapshot *s);

#endif
