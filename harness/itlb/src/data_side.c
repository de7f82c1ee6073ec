// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads and stores, followed when asked for (data=on): they take entries of a second level
 * that code and data share. A second page that one access reaches into is not looked up.
 */
#include "plugin.h"

static void on_load(unsigned int told, qemu_plugin_meminfo_t info, uint64_t vaddr, void *unused)
{
	(void)info;
	(void)unused;
	feed_data(smp_vcpu(told), vaddr, false);
}

static void on_store(unsigned int told, qemu_plugin_meminfo_t info, uint64_t vaddr, void *unused)
{
	(void)info;
	(void)unused;
	feed_data(smp_vcpu(told), vaddr, true);
}

void data_side_translate(struct qemu_plugin_insn *insn)
{
	qemu_plugin_register_vcpu_mem_cb(insn, on_load, QEMU_PLUGIN_CB_R_REGS, QEMU_PLUGIN_MEM_R,
					 NULL);
	qemu_plugin_register_vcpu_mem_cb(insn, on_store, QEMU_PLUGIN_CB_R_REGS, QEMU_PLUGIN_MEM_W,
					 NULL);
}
