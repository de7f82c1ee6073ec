// SPDX-License-Identifier: GPL-2.0-only
/*
 * The iTLB model fed by QEMU.
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
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "plugin.h"

EMB_EXPORT int qemu_plugin_version = EMB_PLUGIN_API;

struct plugin plugin;

#define PAGE_MASK (~0xfffull)
#define KERNEL_HALF (1ull << 63)
#define MAX_INSN 15
#define CR0_PG (1ull << 31)
#define CR4_FLUSHING ((1ull << 7) | (1ull << 17) | (1ull << 5) | (1ull << 4) | (1ull << 20))
/* PGE, PCIDE, PAE, PSE, SMEP: Intel SDM vol. 3, 4.10.4.1. */

static void drop_page(unsigned int index)
{
	plugin.vcpus[index].page = NO_PAGE;
	score_of(index)->page = NO_PAGE;
	data_side_drop_page(&plugin.vcpus[index]);
}

static void count_site(struct vcpu *vcpu, unsigned int window, uint64_t address,
		       enum outcome outcome, const struct translation *t)
{
	struct site *site = sites_get(&vcpu->sites[window], address, t->size, t->global);

	if (!site)
		abort();	/* out of memory: no report is better than a wrong one */
	if (outcome == OUT_L1_HIT)
		site->l1_hits++;
	else if (outcome == OUT_STLB_HIT)
		site->stlb_hits++;
	else
		site->walks++;
}

/* The instruction stream of @index is now at @address. */
static void enter_page(unsigned int index, uint64_t address)
{
	struct vcpu *vcpu = &plugin.vcpus[index];
	struct translation t = { 0 };
	enum outcome outcome;

	score_of(index)->page = address & PAGE_MASK;
	if (vcpu->page == (address & PAGE_MASK))
		return;		/* only the shortcut was gone */
	vcpu->page = address & PAGE_MASK;
	outcome = hierarchy_fetch(&vcpu->tlb, address, vcpu->asid.tag, page_walk, vcpu, &t);
	if (outcome == OUT_NOT_MAPPED || (outcome == OUT_L1_HIT && !plugin.options.hits))
		return;
	if (!(address & KERNEL_HALF))
		address &= PAGE_MASK;
	count_site(vcpu, 0, address, outcome, &t);
	if (plugin.window)
		count_site(vcpu, plugin.window, address, outcome, &t);
}

static void on_kernel_page(unsigned int told, void *address)
{
	enter_page(smp_vcpu(told), (uintptr_t)address);
}

static void on_user_block(unsigned int told, void *unused)
{
	unsigned int index = smp_vcpu(told);

	(void)unused;
	enter_page(index, read_rip(index));
}

/* The second page of a block: the one after the page that the block began in. */
static void on_user_next_page(unsigned int told, void *unused)
{
	unsigned int index = smp_vcpu(told);

	(void)unused;
	enter_page(index, plugin.vcpus[index].page + 4096);
}

static void flush_slot(struct vcpu *vcpu)
{
	hierarchy_flush_tag(&vcpu->tlb, asid_kernel_tag(vcpu->asid.slot));
	hierarchy_flush_tag(&vcpu->tlb, asid_user_tag(vcpu->asid.slot));
}

static void on_mov_cr3(unsigned int told, void *reg)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t value = read_register(vcpu, vcpu->general[(uintptr_t)reg]);

	switch (asid_write_cr3(&vcpu->asid, value)) {
	case ASID_SWITCHED:
		vcpu->flushes[FLUSH_CR3_SWITCH]++;
		break;
	case ASID_SLOT_REUSED:
		vcpu->flushes[FLUSH_CR3_SLOT]++;
		flush_slot(vcpu);
		break;
	case ASID_REWRITTEN:
		vcpu->flushes[FLUSH_CR3_SAME]++;
		flush_slot(vcpu);
		break;
	case ASID_FLUSH_NONGLOBAL:
		vcpu->flushes[FLUSH_CR3]++;
		hierarchy_flush_nonglobal(&vcpu->tlb);
		break;
	}
	drop_page(index);
}

static void flush_if_changed(unsigned int index, uint64_t was, uint64_t is, uint64_t bits,
			     enum flush_kind kind)
{
	struct vcpu *vcpu = &plugin.vcpus[index];

	if (!((was ^ is) & bits))
		return;
	vcpu->flushes[kind]++;
	hierarchy_flush_all(&vcpu->tlb);
	drop_page(index);
}

static void on_mov_cr0(unsigned int told, void *reg)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];

	flush_if_changed(index, read_register(vcpu, vcpu->cr0),
			 read_register(vcpu, vcpu->general[(uintptr_t)reg]), CR0_PG, FLUSH_CR0);
}

static void on_mov_cr4(unsigned int told, void *reg)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];

	flush_if_changed(index, read_register(vcpu, vcpu->cr4),
			 read_register(vcpu, vcpu->general[(uintptr_t)reg]), CR4_FLUSHING,
			 FLUSH_CR4);
}

/* Operands are kept for the life of QEMU, as the translated code is. */
struct invlpg {
	struct decoded decoded;
	uint64_t next;		/* address of the instruction after it */
};

static void on_invlpg(unsigned int told, void *operand)
{
	unsigned int index = smp_vcpu(told);
	const struct invlpg *insn = operand;
	const struct decoded *d = &insn->decoded;
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t address = d->displacement;

	vcpu->flushes[FLUSH_INVLPG]++;
	if (d->segment) {	/* its base is not known: the safe side */
		hierarchy_flush_all(&vcpu->tlb);
		drop_page(index);
		return;
	}
	if (d->rip_relative)
		address += insn->next;
	if (d->base >= 0)
		address += read_register(vcpu, vcpu->general[d->base]);
	if (d->index >= 0)
		address += read_register(vcpu, vcpu->general[d->index]) * d->scale;
	hierarchy_flush_page(&vcpu->tlb, address, asid_kernel_tag(vcpu->asid.slot));
	hierarchy_flush_page(&vcpu->tlb, address, asid_user_tag(vcpu->asid.slot));
	drop_page(index);
}

static void on_invpcid(unsigned int told, void *unused)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];

	(void)unused;		/* the guests here have none; all is flushed, which is safe */
	vcpu->flushes[FLUSH_INVPCID]++;
	hierarchy_flush_all(&vcpu->tlb);
	drop_page(index);
}

enum { COMMAND_OPEN = 1, COMMAND_CLOSE, COMMAND_WATCH };
enum { RDI = 7, RSI = 6 };

static void watch(uint64_t address)
{
	unsigned int i;

	for (i = 0; i < plugin.watches; i++)
		if (plugin.watch[i] == address)
			return;
	if (plugin.watches == MAX_WATCH)
		plugin.marker_errors++;
	else
		plugin.watch[plugin.watches++] = address;
}

static void on_marker(unsigned int told, void *unused)
{
	unsigned int index = smp_vcpu(told);
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t argument = read_register(vcpu, vcpu->general[RSI]);

	(void)unused;
	switch (read_register(vcpu, vcpu->general[RDI])) {
	case COMMAND_OPEN:
		window_open(argument);
		break;
	case COMMAND_CLOSE:
		window_close(argument);
		break;
	case COMMAND_WATCH:
		watch(argument);
		break;
	default:
		plugin.marker_errors++;
	}
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
	struct invlpg *operand;
	struct decoded d;

	decode(bytes, size, &d);
	switch (d.kind) {
	case INSN_OTHER:
		break;
	case INSN_MOV_TO_CR0:
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mov_cr0, QEMU_PLUGIN_CB_R_REGS,
						       (void *)(uintptr_t)d.reg);
		break;
	case INSN_MOV_TO_CR3:
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mov_cr3, QEMU_PLUGIN_CB_R_REGS,
						       (void *)(uintptr_t)d.reg);
		break;
	case INSN_MOV_TO_CR4:
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mov_cr4, QEMU_PLUGIN_CB_R_REGS,
						       (void *)(uintptr_t)d.reg);
		break;
	case INSN_INVLPG:
		operand = g_new(struct invlpg, 1);
		*operand = (struct invlpg){ d, vaddr + size };
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_invlpg, QEMU_PLUGIN_CB_R_REGS,
						       operand);
		break;
	case INSN_INVPCID:
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_invpcid, QEMU_PLUGIN_CB_R_REGS,
						       NULL);
		break;
	}
}

static bool is_marker(const uint8_t *bytes, size_t size, const uint8_t *half)
{
	return size == MARKER_SIZE && !memcmp(bytes, half, MARKER_SIZE);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb), i;
	uint64_t start = qemu_plugin_tb_vaddr(tb), page = start & PAGE_MASK;
	bool data = data_side_followed();
	bool user = !(start & KERNEL_HALF), after_first = false, second_page = false;
	qemu_plugin_u64 current;

	(void)id;
	if (!smp_can_translate())
		return;
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
		unsigned int w;

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
		for (w = 0; w < plugin.watches; w++)
			if (plugin.watch[w] == vaddr)
				qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
					insn, QEMU_PLUGIN_INLINE_ADD_U64,
					smp_score(offsetof(struct score, watch) +
						 w * sizeof(uint64_t)), 1);
		if (is_marker(bytes, size, marker_second) && (after_first || !i))
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, after_first ? on_marker : on_marker_tail,
				QEMU_PLUGIN_CB_R_REGS, NULL);
		after_first = is_marker(bytes, size, marker_first);
		translate_system(insn, bytes, size, vaddr);
		if (data)
			data_side_translate(insn);
		if (user && i == count - 1 && !stays_in_page(bytes, size, vaddr))
			qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
				insn, QEMU_PLUGIN_INLINE_STORE_U64, current, NO_PAGE);
	}
}

static void on_vcpu(qemu_plugin_id_t id, unsigned int index)
{
	struct vcpu *vcpu;

	(void)id;
	if (index >= MAX_VCPUS) {
		fprintf(stderr, "itlb: at most %d vCPUs\n", MAX_VCPUS);
		exit(1);
	}
	vcpu = &plugin.vcpus[index];
	if (!plugin.scores && !plugin.one_thread)
		plugin.scores = qemu_plugin_scoreboard_find(plugin.scoreboard, 0);
	if (!hierarchy_init(&vcpu->tlb, &plugin.profile)) {
		fprintf(stderr, "itlb: out of memory\n");
		exit(1);
	}
	asid_init(&vcpu->asid, plugin.options.pcid, plugin.options.isolation);
	vcpu->buffer = g_byte_array_new();
	registers_find(vcpu);
	vcpu->present = true;
	drop_page(index);
}

static void on_exit_report(qemu_plugin_id_t id, void *unused)
{
	(void)id;
	(void)unused;
	report_write(plugin.options.out);
}

/* One of @names, by its place; -1 when it is none of them. */
static int choice(const char *value, const char *const *names, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (!strcmp(value, names[i]))
			return i;
	return -1;
}

static bool parse_option(const char *argument)
{
	static const char *const pcid[] = { "flush", "tagged" };
	static const char *const image[] = { "tables", "pcid" };
	static const char *const off_on[] = { "off", "on" };
	const char *equals = strchr(argument, '='), *value = equals ? equals + 1 : "";
	size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
	struct options *o = &plugin.options;
	int n = 0;
	char end;

#define IS(key) (length == strlen(key) && !strncmp(argument, key, length))
	if (IS("out")) {
		o->out = strdup(value);
	} else if (IS("profile")) {
		o->profile_path = strdup(value);
	} else if (IS("pcid")) {
		n = choice(value, pcid, 2);
		o->pcid = n;
	} else if (IS("kernel_image")) {
		n = choice(value, image, 2);
		o->kernel_image = n;
	} else if (IS("pti")) {
		n = choice(value, off_on, 2);
		o->isolation = n;
	} else if (IS("data")) {
		n = choice(value, off_on, 2);
		o->data = n;
	} else if (IS("reserve")) {
		n = sscanf(value, "%2u%c", &o->reserve, &end) == 1 ? 0 : -1;
	} else if (IS("hits")) {
		n = choice(value, off_on, 2);
		o->hits = n;
	} else {
		n = -1;
	}
#undef IS
	if (n >= 0 && *value)
		return true;
	fprintf(stderr,
		"itlb: argument '%s': out=FILE profile=FILE pcid=flush|tagged kernel_image=tables|pcid pti=on|off data=on|off reserve=WAYS hits=on|off\n",
		argument);
	return false;
}

EMB_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
				   char **argv)
{
	const char *why;
	char error[640];
	int i;

	plugin.options.pcid = ASID_TAGGED;
	for (i = 0; i < argc; i++)
		if (!parse_option(argv[i]))
			return -1;
	if (!plugin.options.out || !plugin.options.profile_path) {
		fprintf(stderr, "itlb: out=FILE and profile=FILE are needed\n");
		return -1;
	}
	if (info->version.cur < EMB_PLUGIN_API) {
		fprintf(stderr, "itlb: this QEMU has plugin API %d, needed is %d (QEMU 10)\n",
			info->version.cur, EMB_PLUGIN_API);
		return -1;
	}
	if (!info->system_emulation || strcmp(info->target_name, "x86_64")) {
		fprintf(stderr, "itlb: only qemu-system-x86_64 is modelled, not %s\n",
			info->target_name);
		return -1;
	}
	if (info->system.max_vcpus > MAX_VCPUS) {
		fprintf(stderr, "itlb: %d vCPUs: at most %d\n", info->system.max_vcpus, MAX_VCPUS);
		return -1;
	}
	if (!profile_load(plugin.options.profile_path, &plugin.profile, error, sizeof(error))) {
		fprintf(stderr, "itlb: %s\n", error);
		return -1;
	}
	why = profile_reserve(&plugin.profile, plugin.options.reserve);
	if (why) {
		fprintf(stderr, "itlb: reserve=%u: %s\n", plugin.options.reserve, why);
		return -1;
	}
	if (!physical_init(&plugin.physical_reads)) {
		fprintf(stderr, "itlb: this QEMU gives no way to read physical memory\n");
		return -1;
	}
	plugin.api = info->version.cur;
	if (!smp_init(info->system.max_vcpus))
		return -1;
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_report, NULL);
	return 0;
}
