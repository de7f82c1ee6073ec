// SPDX-License-Identifier: GPL-2.0-only
/* The guest's own page tables: 4 and 5 levels, pages of 4 kB, 2 MB and 1 GB. */
#include "plugin.h"

#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)
#define CR4_PGE (1ull << 7)
#define CR4_LA57 (1ull << 12)
#define EFER_LMA (1ull << 10)
#define PTE_PRESENT (1ull << 0)
#define PTE_LARGE (1ull << 7)
#define PTE_GLOBAL (1ull << 8)
#define PTE_IGNORED (0x7full << 52 | 0xe00)	/* bits that are the kernel's own */
#define USER_HALF 0x1000ull	/* of the pair of page tables under isolation */
#define PTE_ADDRESS 0x000ffffffffff000ull

/* Whether the 64-bit kind of paging is on, and how it is now. */
static bool paging_of(struct vcpu *vcpu, struct paging *now)
{
	read_paging(vcpu - plugin.vcpus, now);
	return (now->cr0 & CR0_PG) && (now->cr4 & CR4_PAE) && (now->efer & EFER_LMA);
}

/* The level of the entry that maps @vaddr, where it is and what it is; 0: there is none. */
static int leaf_of(struct vcpu *vcpu, const struct paging *now, uint64_t table, uint64_t vaddr,
		   uint64_t *leaf, uint64_t *at)
{
	uint64_t entry = 0;
	int level;

	for (level = now->cr4 & CR4_LA57 ? 5 : 4; level; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		*at = table + 8 * ((vaddr >> shift) & 511);
		if (!physical_read64(vcpu, *at, &entry) || !(entry & PTE_PRESENT))
			return 0;
		if (level == 1 || (level <= 3 && (entry & PTE_LARGE)))
			break;
		table = entry & PTE_ADDRESS;
	}
	*leaf = entry;
	return level;
}

/*
 * Whether the four pages around one, aligned to 16 kB, are so in memory too and alike in all
 * that hardware heeds. Accessed and dirty bits count: an entry for all could not set them.
 */
static bool is_one_of_four(struct vcpu *vcpu, uint64_t slot)
{
	uint64_t first, next;
	unsigned int i;

	slot &= ~31ull;
	if (!physical_read64(vcpu, slot, &first) || !(first & PTE_PRESENT) || first & 0x3000)
		return false;
	for (i = 1; i < 4; i++)
		if (!physical_read64(vcpu, slot + 8 * i, &next) ||
		    (next ^ (first + i * 0x1000ull)) & ~PTE_IGNORED)
			return false;
	return true;
}

bool page_walk(void *context, uint64_t vaddr, struct translation *found)
{
	struct vcpu *vcpu = context;
	struct paging now;
	uint64_t entry, at;
	int level;

	if (!paging_of(vcpu, &now))
		return false;
	level = leaf_of(vcpu, &now, now.cr3 & PTE_ADDRESS, vaddr, &entry, &at);
	if (!level)
		return false;
	*found = translation_of(level == 1 && is_one_of_four(vcpu, at) ? PAGE_16K :
				size_at_level(level),
				(now.cr4 & CR4_PGE) && (entry & PTE_GLOBAL));
	return true;
}

bool kernel_address(struct vcpu *vcpu, uint64_t vaddr, uint64_t *physical)
{
	uint64_t table, entry, at, within;
	struct paging now;
	int level;

	if (!paging_of(vcpu, &now))
		return false;
	table = now.cr3 & PTE_ADDRESS;
	if (plugin.machine.origin.isolation)
		table &= ~USER_HALF;
	level = leaf_of(vcpu, &now, table, vaddr, &entry, &at);
	if (!level)
		return false;
	within = (1ull << (12 + 9 * (level - 1))) - 1;
	*physical = (entry & PTE_ADDRESS & ~within) | (vaddr & within);
	return true;
}

static bool read64(void *context, uint64_t physical, uint64_t *value)
{
	return physical_read64(context, physical, value);
}

void page_tables(struct vcpu *vcpu, struct snapshot *s)
{
	struct paging now;
	struct tables tables = { .read = read64, .context = vcpu, .bound = SNAPSHOT_BOUND };

	if (!paging_of(vcpu, &now)) {
		snapshot_refuse(s, "the guest has no 64-bit paging on");
		return;
	}
	tables.cr3 = now.cr3;
	tables.five_levels = now.cr4 & CR4_LA57;
	snapshot_walk(s, &tables);
}
