/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the QEMU plugin share. */
#ifndef EMB_PLUGIN_H
#define EMB_PLUGIN_H

#include <stdio.h>

#include "machine.h"
#include "options.h"
#include "qemu_plugin_api.h"
#include "trace.h"

/* The registers that say where the page tables are. */
struct paging {
	uint64_t cr0, cr3, cr4, efer;
};

/* What the plugin knows of a vCPU beside the model of it. */
struct vcpu {
	uint64_t page;		/* as score.page, but kept when only the shortcut is dropped */
	uint64_t data_page;	/* of the last load, or store: then with its lowest bit */
	uint64_t unreadable;	/* page-table reads that failed */
	GByteArray *buffer;
	struct qemu_plugin_register *cs, *cr0, *cr2, *cr3, *cr4, *efer, *rip;
	struct qemu_plugin_register *general[16];
	const uint64_t *rip_place;	/* in QEMU's memory; NULL: not known */
	unsigned int rip_reads, rip_tries;
	const uint64_t *cr_place;	/* as rip_place, of CR0 */
	unsigned int cr_reads, cr_tries;
	struct paging paging;	/* as it was when it was last read through QEMU */
	uint64_t context;	/* the last one fed, as an event has it; 0: none */
};

struct plugin {
	qemu_plugin_id_t id;
	struct paths paths;
	struct machine machine;
	struct trace *trace;	/* being recorded; NULL: none */
	FILE *report;		/* open from the start: QEMU may give up its rights to open files */
	struct vcpu vcpus[MAX_VCPUS];
	struct qemu_plugin_scoreboard *scoreboard;
	struct score *scores;	/* one each vCPU */
	bool ended;		/* QEMU has no vCPUs any more: scores stays where it was */
};

extern struct plugin plugin;

/* smp.c */
bool smp_init(int vcpus);	/* false with a line on standard error */
bool smp_vcpu_begins(unsigned int vcpu);	/* before it runs; false as above */
unsigned int smp_vcpu(unsigned int told);	/* @told; an error is noted if another one runs */
void smp_lock(unsigned int vcpu);	/* its part of the model is used by the caller alone */
void smp_unlock(unsigned int vcpu);
qemu_plugin_u64 smp_score(size_t field);
struct score *score_of(unsigned int vcpu);
void scores_now(struct score *scores);		/* of all vCPUs, for a tally */

/* physical.c: reads guest memory; false when there is no such memory. */
const char *physical_init(void);	/* which way; NULL: none */
bool physical_read64(struct vcpu *vcpu, uint64_t address, uint64_t *value);

/* registers.c */
void registers_find(struct vcpu *vcpu);		/* ends QEMU when one is missing */
uint64_t read_register(struct vcpu *vcpu, struct qemu_plugin_register *handle);
uint64_t read_rip(unsigned int vcpu);
void read_paging(unsigned int vcpu, struct paging *now);

/* pagewalk.c */
bool page_walk(void *vcpu, uint64_t vaddr, struct translation *found);
/* The physical address of one in the kernel's half, whichever half is in CR3. */
bool kernel_address(struct vcpu *vcpu, uint64_t vaddr, uint64_t *physical);
void page_tables(struct vcpu *vcpu, struct snapshot *s);	/* as they are now, into @s */

/* address_spaces.c: the kernel's own record of them, where the guest told where it is. */
bool address_spaces_begin(unsigned int vcpu, uint64_t argument);	/* false: it makes no sense */
bool address_spaces_known(void);
bool address_spaces_switch_at(uint64_t address);	/* the switching function begins there */
void address_spaces_read(unsigned int vcpu);
void address_spaces_cr3(unsigned int vcpu, uint64_t value);	/* before it is fed */

/* plugin.c */
void on_vcpu(unsigned int vcpu);	/* it is there, and has not run yet */
void on_end(void);

/* callbacks.c */
void callbacks_register(void);
void translate_anew(void);	/* throws all blocks away; feed_armed() comes before the next one */

/* translate.c */
void on_translate(struct qemu_plugin_tb *tb);

/* data_side.c */
void data_side_translate(struct qemu_plugin_insn *insn);

/* feed.c: what the guest does, to the model and to the trace. */
void feed_core(unsigned int vcpu);
void feed_page(unsigned int vcpu, uint64_t address);	/* the instruction stream is there */
void feed_data(unsigned int vcpu, uint64_t address, bool store);
void feed_context(unsigned int vcpu, uint64_t id, uint64_t generation);
void feed_cr3(unsigned int vcpu, uint64_t value);
void feed_flush(unsigned int vcpu, enum flush_kind kind);
void feed_invlpg(unsigned int vcpu, uint64_t address);
void feed_marker(unsigned int vcpu, uint64_t command, uint64_t argument);
void feed_armed(void);	/* all blocks from here on were translated with all watches */
bool feed_end(void);	/* writes the report and ends the trace */

#endif
