// SPDX-License-Identifier: GPL-2.0-only
#include "snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 512u
#define HALF (ENTRIES / 2)
#define PTE_PRESENT (1ull << 0)
#define PTE_WRITE (1ull << 1)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY (1ull << 6)
#define PTE_LARGE (1ull << 7)
#define PTE_GLOBAL (1ull << 8)
#define PTE_NX (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull
#define USER_TABLE 0x1000ull	/* of a pair the user's is the second page */

/* Where Linux puts things: Documentation/arch/x86/x86_64/mm.rst of the kernel. */
#define DIRECT_4_LEVELS 0xffff888000000000ull
#define DIRECT_5_LEVELS 0xff11000000000000ull
#define DIRECT_ALIGNED (1ull << 30)
#define IMAGE_START 0xffffffff80000000ull
#define IMAGE_END 0xffffffffff000000ull	/* the fixmap may begin here */

#define MEMOS (1u << 16)	/* twice the tables that SNAPSHOT_BOUND lets be read */

/* What is below a table, so that it need not be read again where nothing of it is kept. */
struct memo {
	uint64_t key;		/* its address and level; 0: free */
	uint64_t lowest;	/* physical address of a leaf; above highest: there is none */
	uint64_t highest;
	bool executable;	/* a leaf is, if all above the table lets it be */
};

struct walk {
	struct snapshot *s;
	const struct tables *tables;
	uint64_t left;		/* entries that may be read yet */
	struct memo *memos;
};

/* The rights that all levels above grant. */
struct rights {
	bool w, x;
};

void snapshot_refuse(struct snapshot *s, const char *reason)
{
	s->complete = false;
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

static bool refuse(struct walk *w, const char *reason)
{
	snapshot_refuse(w->s, reason);
	return false;
}

struct snapshot *snapshot_new(unsigned int id, unsigned int watches)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = id;
	s->complete = true;
	s->watches = watches;
	s->watch = calloc(watches + 1, sizeof(*s->watch));
	if (!s->watch) {
		free(s);
		return NULL;
	}
	return s;
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	free(s->watch);
	free(s->runs);
	free(s);
}

bool snapshot_add(struct snapshot *s, const struct run *run)
{
	struct run *last = s->count ? &s->runs[s->count - 1] : NULL;

	if (last && last->size == run->size && last->flags == run->flags &&
	    last->start + (last->pages << page_shift(last->size)) == run->start) {
		last->pages += run->pages;
		return true;
	}
	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? 2 * s->capacity : 256;
		struct run *runs = realloc(s->runs, capacity * sizeof(*runs));

		if (!runs)
			return false;
		s->runs = runs;
		s->capacity = capacity;
	}
	s->runs[s->count++] = *run;
	return true;
}

static bool read_entry(struct walk *w, uint64_t table, unsigned int slot, uint64_t *entry)
{
	if (!w->left)
		return refuse(w, "more page tables than are read");
	w->left--;
	if (!w->tables->read(w->tables->context, table + 8 * slot, entry))
		return refuse(w, "a page table that cannot be read");
	return true;
}

static bool is_leaf(uint64_t entry, unsigned int level)
{
	return level == 1 || (level <= 3 && (entry & PTE_LARGE));
}

/* A leaf's page, without the bits below it: bit 12 of a large one is not of its address. */
static uint64_t page_of(uint64_t entry, unsigned int level)
{
	return entry & PTE_ADDRESS & -(1ull << page_shift(size_at_level(level)));
}

static struct memo *memo_of(struct walk *w, uint64_t table, unsigned int level)
{
	uint64_t key = table | level;
	size_t i = (key * 0x9e3779b97f4a7c15ull >> 32) % MEMOS;

	while (w->memos[i].key && w->memos[i].key != key)
		i = (i + 1) % MEMOS;
	return &w->memos[i];
}

/* Whether a leaf of this table, mapped from @start on, can be one that is kept. */
static bool can_matter(const struct walk *w, const struct memo *memo, uint64_t start,
		       unsigned int level, bool x)
{
	uint64_t last = start + ((1ull << (12 + 9 * level)) - 1), base = w->s->direct_map;

	if (memo->lowest > memo->highest)
		return false;
	if ((x && memo->executable) || (last >= IMAGE_START && start < IMAGE_END))
		return true;
	return w->s->has_direct_map && base <= last && memo->lowest <= last - base &&
	       (start < base || memo->highest >= start - base);
}

static void note(struct memo *sum, uint64_t lowest, uint64_t highest, bool executable)
{
	if (lowest > highest)
		return;
	if (sum->lowest > lowest)
		sum->lowest = lowest;
	if (sum->highest < highest)
		sum->highest = highest;
	sum->executable |= executable;
}

static bool keep_leaf(struct walk *w, uint64_t entry, uint64_t vaddr, unsigned int level,
		      struct rights rights)
{
	struct snapshot *s = w->s;
	bool direct = s->has_direct_map && vaddr - page_of(entry, level) == s->direct_map;
	struct run run = {
		.start = vaddr,
		.pages = 1,
		.size = size_at_level(level),
		.flags = (rights.w ? RUN_W : 0) | (rights.x ? RUN_X : 0) |
			 (entry & PTE_GLOBAL ? RUN_G : 0) | (direct ? RUN_DIRECT : 0),
	};

	if (!rights.x && !direct && (vaddr < IMAGE_START || vaddr >= IMAGE_END))
		return true;
	return snapshot_add(s, &run) || refuse(w, "out of memory");
}

/*
 * All leaves from @first on of the table that maps @start and what follows; false when the
 * walk is over. @sum: what is below the table.
 */
static bool walk_table(struct walk *w, uint64_t table, uint64_t start, unsigned int level,
		       unsigned int first, struct rights above, struct memo *sum)
{
	unsigned int slot;

	*sum = (struct memo){ .key = table | level, .lowest = UINT64_MAX };
	for (slot = first; slot < ENTRIES; slot++) {
		uint64_t vaddr = start + ((uint64_t)slot << (12 + 9 * (level - 1))), entry;
		struct memo below, *memo;
		struct rights rights;
		bool open;

		if (!read_entry(w, table, slot, &entry))
			return false;
		if (!(entry & PTE_PRESENT))
			continue;
		open = !(entry & PTE_NX);
		rights.w = above.w && (entry & PTE_WRITE);
		rights.x = above.x && open;
		if (is_leaf(entry, level)) {
			uint64_t page = page_of(entry, level);

			note(sum, page, page, open);
			if (!keep_leaf(w, entry, vaddr, level, rights))
				return false;
			continue;
		}
		memo = memo_of(w, entry & PTE_ADDRESS, level - 1);
		if (memo->key && !can_matter(w, memo, vaddr, level - 1, rights.x)) {
			note(sum, memo->lowest, memo->highest, memo->executable && open);
			continue;
		}
		if (!walk_table(w, entry & PTE_ADDRESS, vaddr, level - 1, 0, rights, &below))
			return false;
		/* Not @memo: tables that refer to one another may have taken it. */
		*memo_of(w, entry & PTE_ADDRESS, level - 1) = below;
		note(sum, below.lowest, below.highest, below.executable && open);
	}
	return true;
}

/*
 * The first leaf at or above @from in the table that maps @start and what follows: true
 * with *base, its virtual less its physical address, and also when the walk is over.
 */
static bool first_leaf(struct walk *w, uint64_t table, uint64_t start, unsigned int level,
		       uint64_t from, uint64_t *base)
{
	unsigned int shift = 12 + 9 * (level - 1);
	uint64_t slot = from > start ? (from - start) >> shift : 0, entry;

	for (; slot < ENTRIES; slot++) {
		uint64_t vaddr = start + (slot << shift);

		if (!read_entry(w, table, slot, &entry))
			return true;
		if (!(entry & PTE_PRESENT))
			continue;
		if (is_leaf(entry, level)) {
			*base = vaddr - page_of(entry, level);
			return true;
		}
		if (first_leaf(w, entry & PTE_ADDRESS, vaddr, level - 1, from, base))
			return true;
	}
	return false;
}

/*
 * Whether these are one process's two tables: the user's half is the same in both, but that
 * the kernel keeps itself from executing it (NX); what the user's has of the kernel's half
 * is in the kernel's too.
 */
static bool is_pair(struct walk *w, uint64_t kernel, uint64_t user)
{
	uint64_t differ = ~(PTE_NX | PTE_ACCESSED | PTE_DIRTY), k, u;
	unsigned int slot, present = 0;

	for (slot = 0; slot < ENTRIES; slot++) {
		if (!w->tables->read(w->tables->context, kernel + 8 * slot, &k) ||
		    !w->tables->read(w->tables->context, user + 8 * slot, &u))
			return false;
		if (slot < HALF && ((k ^ u) & differ))
			return false;
		if (slot >= HALF && (u & PTE_PRESENT) && !(k & PTE_PRESENT))
			return false;
		present += slot < HALF && (u & PTE_PRESENT);
	}
	return present && (k & PTE_PRESENT);	/* the last one is the kernel's image */
}

void snapshot_walk(struct snapshot *s, const struct tables *tables)
{
	struct walk w = { .s = s, .tables = tables };
	unsigned int level = tables->five_levels ? 5 : 4;
	uint64_t table = tables->cr3 & PTE_ADDRESS, base = 1;
	uint64_t start = -(1ull << (12 + 9 * level));	/* if all its slots were the kernel's */
	struct memo sum;

	w.left = tables->bound < SNAPSHOT_BOUND ? tables->bound : SNAPSHOT_BOUND;
	s->complete = true;
	s->isolated = is_pair(&w, table & ~USER_TABLE, table | USER_TABLE);
	if (s->isolated)
		table &= ~USER_TABLE;
	w.memos = calloc(MEMOS, sizeof(*w.memos));
	if (!w.memos) {
		refuse(&w, "out of memory");
		return;
	}
	first_leaf(&w, table, start, level,
		   tables->five_levels ? DIRECT_5_LEVELS : DIRECT_4_LEVELS, &base);
	if (s->complete) {
		s->has_direct_map = !(base % DIRECT_ALIGNED);
		s->direct_map = s->has_direct_map ? base : 0;
		walk_table(&w, table, start, level, HALF, (struct rights){ true, true }, &sum);
	}
	free(w.memos);
}

void snapshot_write_json(FILE *f, const struct snapshot *s)
{
	unsigned int w;
	size_t i;

	fprintf(f, "{\"id\": %u, \"direct_map\": ", s->id);
	if (s->has_direct_map)
		fprintf(f, "\"0x%" PRIx64 "\"", s->direct_map);
	else
		fputs("null", f);
	fprintf(f, ", \"complete\": %s, \"reason\": \"%s\", \"isolated\": %s, \"exact\": %s,\n \"watch\": [",
		s->complete ? "true" : "false", s->reason, s->isolated ? "true" : "false",
		s->exact ? "true" : "false");
	for (w = 0; w < s->watches; w++)
		fprintf(f, "%s%" PRIu64, w ? ", " : "", s->watch[w]);
	fputs("],\n \"runs\": [", f);
	for (i = 0; i < s->count; i++) {
		const struct run *r = &s->runs[i];

		fprintf(f, "%s\n  [\"0x%" PRIx64 "\", %" PRIu64 ", \"%s\", \"%c%c%c%c\"]",
			i ? "," : "", r->start, r->pages, page_size_name(r->size),
			r->flags & RUN_W ? 'w' : '-', r->flags & RUN_X ? 'x' : '-',
			r->flags & RUN_G ? 'g' : '-', r->flags & RUN_DIRECT ? 'd' : '-');
	}
	fputs("]}", f);
}
