// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads and stores, followed when asked for (data=on): they take entries of a second level
 * that code and data share. An access is looked up where it is in another page than the
 * one before it (than the last load or store, where the profile has a buffer for stores);
 * a second page that one access reaches into is not.
 */
#include "plugin.h"

#define PAGE_MASK (~0xfffull)

static void on_data(unsigned int told, uint64_t vaddr, bool store)
{
	struct vcpu *vcpu = &plugin.vcpus[smp_vcpu(told)];
	bool apart = vcpu->tlb.tlbs[STORE].sets;
	uint64_t *page = &vcpu->data_page[store && apart];
	struct translation t;

	if (*page == (vaddr & PAGE_MASK))
		return;
	*page = vaddr & PAGE_MASK;
	hierarchy_data(&vcpu->tlb, vaddr, vcpu->asid.tag, store, page_walk, vcpu, &t);
}

static void on_load(unsigned int told, qemu_plugin_meminfo_t info, uint64_t vaddr, void *unused)
{
	(void)info;
	(void)unused;
	on_data(told, vaddr, false);
}

static void on_store(unsigned int told, qemu_plugin_meminfo_t info, uint64_t vaddr, void *unused)
{
	(void)info;
	(void)unused;
	on_data(told, vaddr, true);
}

bool data_side_followed(void)
{
	return plugin.options.data && profile_data_competes(&plugin.profile);
}

void data_side_translate(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_mem_cb(insn, on_load, QEMU_PLUGIN_CB_R_REGS, QEMU_PLUGIN_MEM_R,
					 NULL);
	qemu_plugin_register_vcpu_mem_cb(insn, on_store, QEMU_PLUGIN_CB_R_REGS, QEMU_PLUGIN_MEM_W,
					 NULL);
}

void data_side_drop_page(struct vcpu *vcpu)
{
	vcpu->data_page[0] = vcpu->data_page[1] = NO_PAGE;
}
