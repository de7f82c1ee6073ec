// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest's kernel itself has of its address spaces: ctxs[0] of cpu_tlbstate, a
 * structure of each CPU with a context id and a generation (arch/x86/include/asm/tlbflush.h).
 *
 * The guest says where that is. It is read at each write of CR3 that selects a kernel half,
 * and where switch_mm_irqs_off() begins: what the context that is left has come to since.
 */
#include <string.h>

#include "plugin.h"

#define USER_HALF 0x1000ull
#define WORD 8

/* What the marker's argument points to, in the guest's memory. */
struct places {
	uint64_t context;	/* of ctxs[0]; of each CPU: an offset to its area */
	uint64_t areas;		/* of __per_cpu_offset; 0: there is one CPU, and no areas */
	uint64_t switch_mm;	/* of switch_mm_irqs_off() */
};

static uint64_t contexts[MAX_VCPUS];	/* physical addresses */
static uint64_t switch_mm;		/* 0: not told */

static bool read_kernel64(struct vcpu *vcpu, uint64_t address, uint64_t *value)
{
	uint64_t physical;

	return kernel_address(vcpu, address, &physical) && physical_read64(vcpu, physical, value);
}

/* The word number @n at @address of the program that runs. */
static bool read_user64(struct vcpu *vcpu, uint64_t address, unsigned int n, uint64_t *value)
{
	g_byte_array_set_size(vcpu->buffer, 0);
	if (!qemu_plugin_read_memory_vaddr(address + n * WORD, vcpu->buffer, WORD))
		return false;
	memcpy(value, vcpu->buffer->data, WORD);
	return true;
}

bool address_spaces_begin(unsigned int index, uint64_t argument)
{
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t found[MAX_VCPUS] = { 0 }, area = 0;
	struct places p;
	unsigned int i;

	if (switch_mm || !read_user64(vcpu, argument, 0, &p.context) ||
	    !read_user64(vcpu, argument, 1, &p.areas) ||
	    !read_user64(vcpu, argument, 2, &p.switch_mm) || !p.switch_mm)
		return false;
	for (i = 0; i < MAX_VCPUS; i++) {
		if (!plugin.machine.cores[i].present)
			continue;
		if (p.areas && !read_kernel64(vcpu, p.areas + i * WORD, &area))
			return false;
		if (!kernel_address(vcpu, p.context + area, &found[i]))
			return false;
	}
	memcpy(contexts, found, sizeof(contexts));
	switch_mm = p.switch_mm;
	return true;
}

bool address_spaces_switch_at(uint64_t address)
{
	return switch_mm && address == switch_mm;
}

bool address_spaces_known(void)
{
	return switch_mm;
}

void address_spaces_read(unsigned int index)
{
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t id, generation;

	if (!contexts[index] || !physical_read64(vcpu, contexts[index], &id) ||
	    !physical_read64(vcpu, contexts[index] + WORD, &generation))
		return;
	feed_context(index, id, generation);
}

void address_spaces_cr3(unsigned int index, uint64_t value)
{
	if (!plugin.machine.origin.isolation || !(value & USER_HALF))
		address_spaces_read(index);
}
