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
#define PTE_ADDRESS 0x000ffffffffff000ull

/* Where Linux maps its image on x86-64: Documentation/x86/x86_64/mm.rst of the kernel. */
#define IMAGE_START 0xffffffff80000000ull
#define IMAGE_END 0xffffffffa0000000ull

bool page_walk(void *context, uint64_t vaddr, struct translation *found)
{
	struct vcpu *vcpu = context;
	uint64_t cr4, table, entry = 0;
	int level;

	if (!(read_register(vcpu, vcpu->cr0) & CR0_PG))
		return false;	/* no paging yet */
	cr4 = read_register(vcpu, vcpu->cr4);
	if (!(cr4 & CR4_PAE) || !(read_register(vcpu, vcpu->efer) & EFER_LMA))
		return false;	/* not the 64-bit kind */
	table = read_register(vcpu, vcpu->cr3) & PTE_ADDRESS;
	for (level = cr4 & CR4_LA57 ? 5 : 4; level; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		uint64_t slot = table + 8 * ((vaddr >> shift) & 511);

		if (!physical_read64(vcpu, slot, &entry) || !(entry & PTE_PRESENT))
			return false;
		if (level == 1 || (level <= 3 && (entry & PTE_LARGE)))
			break;
		table = entry & PTE_ADDRESS;
	}
	found->size = level == 1 ? PAGE_4K : level == 2 ? PAGE_2M : PAGE_1G;
	found->global = (cr4 & CR4_PGE) && (entry & PTE_GLOBAL);
	if (plugin.options.kernel_image == IMAGE_PCID && plugin.options.isolation &&
	    vaddr >= IMAGE_START && vaddr < IMAGE_END)
		found->global = false;
	return true;
}
