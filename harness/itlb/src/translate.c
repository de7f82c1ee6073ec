// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is added to translated blocks.
 *
 * The vCPU's current page stands in the scoreboard. A translated block compares it with
 * its own page inline and calls out only where it differs, so the model sees each change
 * of page and nothing else.
 *
 * x86 system code is translated position-independently: one block serves every virtual
 * address that its physical page is mapped at, and the address known at translation is
 * that of the first. Kernel text is executed at one address only. For user text the
 * address is read at run time, and the shortcut is dropped after every block that may
 * continue in another page, so that it is never trusted where an alias could be entered.
 */
#include <string.h>

#include "decode.h"
#include "plugin.h"

#define PAGE_MASK (~0xfffull)
#define KERNEL_HALF (1ull << 63)
#define MAX_INSN 15
#define CR0_PE (1ull << 0)
#define CR0_PG (1ull << 31)
#define CR4_FLUSHING ((1ull << 7) | (1ull << 17) | (1ull << 5) | (1ull << 4) | (1ull << 20))
/* PGE, PCIDE, PAE, PSE, SMEP: Intel SDM vol. 3, 4.10.4.1. */

static void on_kernel_page(unsigned int told, void *address)
{
	feed_page(smp_vcpu(told), (uintptr_t)address);
}

static void on_user_block(unsigned int told, void *unused)
{
	unsigned int index = smp_vcpu(told);

	(void)unused;
	feed_page(index, read_rip(index));
}

/* The second page of a block: the one after the page that the block began in. */
static void on_user_next_page(unsigned int told, void *unused)
{
	unsigned int index = smp_vcpu(told);

	(void)unused;
	feed_page(index, plugin.vcpus[index].page + 4096);
}

/*
 * Callbacks come before their instruction, which in ring 3 faults instead (SDM vol. 2, MOV to
 * and from control registers; vol. 3, 7.15). Programs cannot execute the kernel's half, so
 * only what stands in the user's half asks.
 */
static bool privileged(struct vcpu *vcpu)
{
	return !(read_register(vcpu, vcpu->cs) & 3) || !(read_register(vcpu, vcpu->cr0) & CR0_PE);
}

/* What a callback of a MOV to a control register is given. */
enum { SOURCE = 15, USER_TEXT = 16 };

static bool takes_effect(struct vcpu *vcpu, void *given)
{
	return !((uintptr_t)given & USER_TEXT) || privileged(vcpu);
}

/* The context that is left has caught up with its flushes. */
static void on_switch(unsigned int told, void *unused)
{
	(void)unused;
	address_spaces_read(smp_vcpu(told));
}

static void on_mov_cr3(unsigned int told, void *given)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];

	if (!takes_effect(vcpu, given))
		return;
	feed_cr3(index, read_register(vcpu, vcpu->general[(uintptr_t)given & SOURCE]));
}

static void flush_if_changed(unsigned int index, uint64_t was, uint64_t is, uint64_t bits,
			     enum flush_kind kind)
{
	if ((was ^ is) & bits)
		feed_flush(index, kind);
}

static void on_mov_cr0(unsigned int told, void *given)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];

	if (!takes_effect(vcpu, given))
		return;
	flush_if_changed(index, read_register(vcpu, vcpu->cr0),
			 read_register(vcpu, vcpu->general[(uintptr_t)given & SOURCE]), CR0_PG, FLUSH_CR0);
}

static void on_mov_cr4(unsigned int told, void *given)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];

	if (!takes_effect(vcpu, given))
		return;
	flush_if_changed(index, read_register(vcpu, vcpu->cr4),
			 read_register(vcpu, vcpu->general[(uintptr_t)given & SOURCE]), CR4_FLUSHING,
			 FLUSH_CR4);
}

/* Operands are kept for the life of QEMU, as the translated code is. */
struct invlpg {
	struct decoded decoded;
	uint64_t next;		/* address of the instruction after it */
	bool user;		/* it stands in the user's half */
};

static void on_invlpg(unsigned int told, void *operand)
{
	unsigned int index = smp_vcpu(told);
	const struct invlpg *insn = operand;
	const struct decoded *d = &insn->decoded;
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t address = d->displacement;

	if (insn->user && !privileged(vcpu))
		return;
	if (d->segment) {	/* its base is not known: the safe side */
		feed_flush(index, FLUSH_INVLPG);
		return;
	}
	if (d->rip_relative)
		address += insn->next;
	if (d->base >= 0)
		address += read_register(vcpu, vcpu->general[d->base]);
	if (d->index >= 0)
		address += read_register(vcpu, vcpu->general[d->index]) * d->scale;
	feed_invlpg(index, address);
}

static void on_invpcid(unsigned int told, void *given)
{
	unsigned int index = smp_vcpu(told);

	/* The guests here have none; all is flushed, which is safe. */
	if (takes_effect(&plugin.vcpus[index], given))
		feed_flush(index, FLUSH_INVPCID);
}

enum { RDI = 7, RSI = 6 };

static void on_marker(unsigned int told, void *unused)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];

	(void)unused;
	feed_marker(index, read_register(vcpu, vcpu->general[RDI]),
		    read_register(vcpu, vcpu->general[RSI]));
}

/* The second half alone at the head of a block: the marker only if the first precedes it. */
static void on_marker_tail(unsigned int told, void *unused)
{
	struct vcpu *vcpu = &plugin.vcpus[smp_vcpu(told)];
	uint64_t rip = read_register(vcpu, vcpu->rip);

	g_byte_array_set_size(vcpu->buffer, 0);
	if (qemu_plugin_read_memory_vaddr(rip - MARKER_SIZE, vcpu->buffer, MARKER_SIZE) &&
	    !memcmp(vcpu->buffer->data, marker_first, MARKER_SIZE))
		on_marker(told, unused);
}

static void translate_system(struct qemu_plugin_insn *insn, const uint8_t *bytes, size_t size,
			     uint64_t vaddr)
{
	bool user = !(vaddr & KERNEL_HALF);
	struct invlpg *operand;
	struct decoded d;
	void *given;

	decode(bytes, size, &d);
	given = (void *)(uintptr_t)(d.reg | (user ? USER_TEXT : 0));
	switch (d.kind) {
	case INSN_OTHER:
		break;
	case INSN_MOV_TO_CR0:
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mov_cr0, QEMU_PLUGIN_CB_R_REGS,
						       given);
		break;
	case INSN_MOV_TO_CR3:
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mov_cr3, QEMU_PLUGIN_CB_R_REGS,
						       given);
		break;
	case INSN_MOV_TO_CR4:
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mov_cr4, QEMU_PLUGIN_CB_R_REGS,
						       given);
		break;
	case INSN_INVLPG:
		operand = g_new(struct invlpg, 1);
		*operand = (struct invlpg){ d, vaddr + size, user };
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_invlpg, QEMU_PLUGIN_CB_R_REGS,
						       operand);
		break;
	case INSN_INVPCID:
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_invpcid, QEMU_PLUGIN_CB_R_REGS,
						       given);
		break;
	}
}

static bool is_marker(const uint8_t *bytes, size_t size, const uint8_t *half)
{
	return size == MARKER_SIZE && !memcmp(bytes, half, MARKER_SIZE);
}

void on_translate(struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb), i;
	uint64_t start = qemu_plugin_tb_vaddr(tb), page = start & PAGE_MASK;
	bool user = !(start & KERNEL_HALF), after_first = false, second_page = false;
	qemu_plugin_u64 current;

	if (!plugin.machine.cores[0].present)
		return;		/* firmware, before QEMU has announced a vCPU: not counted */
	current = smp_score(offsetof(struct score, page));
	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(
		tb, QEMU_PLUGIN_INLINE_ADD_U64,
		smp_score(user ? offsetof(struct score, insns_user) :
				offsetof(struct score, insns_kernel)), count);
	qemu_plugin_register_vcpu_tb_exec_cond_cb(tb, user ? on_user_block : on_kernel_page,
						  QEMU_PLUGIN_CB_R_REGS, QEMU_PLUGIN_COND_NE,
						  current, page, (void *)(uintptr_t)start);
	for (i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t vaddr = qemu_plugin_insn_vaddr(insn);
		uint8_t bytes[MAX_INSN] = { 0 };
		size_t size = qemu_plugin_insn_size(insn);
		uint64_t last = vaddr + size - 1;
		int watch;

		qemu_plugin_insn_data(insn, bytes, sizeof(bytes));
		if (!second_page && (last & PAGE_MASK) != page) {
			uint64_t at = (vaddr & PAGE_MASK) != page ? vaddr : last & PAGE_MASK;

			second_page = true;
			if (user)
				qemu_plugin_register_vcpu_insn_exec_cb(
					insn, on_user_next_page, QEMU_PLUGIN_CB_R_REGS, NULL);
			else
				qemu_plugin_register_vcpu_insn_exec_cond_cb(
					insn, on_kernel_page, QEMU_PLUGIN_CB_R_REGS,
					QEMU_PLUGIN_COND_NE, current, last & PAGE_MASK,
					(void *)(uintptr_t)at);
		}
		watch = machine_watched(&plugin.machine, vaddr);
		if (watch >= 0)
			qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
				insn, QEMU_PLUGIN_INLINE_ADD_U64,
				smp_score(offsetof(struct score, watch) +
					  watch * sizeof(uint64_t)), 1);
		if (address_spaces_switch_at(vaddr))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_switch,
							       QEMU_PLUGIN_CB_R_REGS, NULL);
		if (is_marker(bytes, size, marker_second) && (after_first || !i))
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, after_first ? on_marker : on_marker_tail,
				QEMU_PLUGIN_CB_R_REGS, NULL);
		after_first = is_marker(bytes, size, marker_first);
		translate_system(insn, bytes, size, vaddr);
		if (plugin.machine.origin.data_side)
			data_side_translate(insn);
		if (user && i == count - 1 && !stays_in_page(bytes, size, vaddr))
			qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
				insn, QEMU_PLUGIN_INLINE_STORE_U64, current, NO_PAGE);
	}
}
