/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the QEMU plugin share. */
#ifndef EMB_PLUGIN_H
#define EMB_PLUGIN_H

#include <stdio.h>

#include "asid.h"
#include "hierarchy.h"
#include "profile.h"
#include "qemu_plugin_api.h"
#include "sites.h"

/* QEMU sizes a scoreboard for 16 vCPUs from the start; more would move it. */
#define MAX_VCPUS 16
#define MAX_WINDOWS 32		/* window 0 is the whole run */
#define MAX_WATCH 8
#define NO_PAGE UINT64_MAX	/* no page: not aligned, so never equal to one */

enum flush_kind {
	FLUSH_CR3_SWITCH, FLUSH_CR3_SLOT, FLUSH_CR3_SAME, FLUSH_CR3, FLUSH_CR0, FLUSH_CR4,
	FLUSH_INVLPG, FLUSH_INVPCID, FLUSH_KINDS
};

/* What translated code reads and writes by itself; one element of the scoreboard. */
struct score {
	uint64_t page;		/* page that the instruction stream is in, or NO_PAGE */
	uint64_t insns_kernel;
	uint64_t insns_user;
	uint64_t watch[MAX_WATCH];
};

/* Everything that is counted, so that a window is the difference of two. */
struct tally {
	struct counts model;
	struct counts data;
	uint64_t flushes[FLUSH_KINDS];
	struct score score;
};

struct vcpu {
	struct hierarchy tlb;
	struct asid_state asid;
	uint64_t page;		/* as score.page, but kept when only the shortcut is dropped */
	uint64_t flushes[FLUSH_KINDS];
	uint64_t data_page[2];	/* page of the last load or store, of the last store */
	uint64_t unreadable;	/* page-table reads that failed */
	GByteArray *buffer;
	struct qemu_plugin_register *cr0, *cr3, *cr4, *efer, *rip;
	struct qemu_plugin_register *general[16];
	const uint64_t *rip_place;	/* in QEMU's memory; NULL: not known */
	unsigned int rip_reads, rip_tries;
	struct tally opened;	/* at the opening of the current window */
	struct tally windows[MAX_WINDOWS];
	struct sites sites[MAX_WINDOWS];
	bool present;
};

enum kernel_image { IMAGE_TABLES, IMAGE_PCID };

struct options {
	char *out;
	char *profile_path;
	enum asid_policy pcid;
	enum kernel_image kernel_image;
	bool isolation;
	bool data;		/* loads and stores are followed */
	unsigned int reserve;	/* ways of the STLB left to data */
	bool hits;		/* sites count first-level hits too */
};

struct plugin {
	struct options options;
	struct profile profile;
	struct vcpu vcpus[MAX_VCPUS];
	struct qemu_plugin_scoreboard *scoreboard;
	struct score *scores;	/* one each vCPU; NULL when one is shared */
	bool one_thread;	/* several vCPUs take turns in one host thread: see smp.c */
	struct score shared;
	const char *physical_reads;	/* which way, for the report */
	uint64_t watch[MAX_WATCH];
	unsigned int watches;
	unsigned int window;	/* the one that is open, 0: none */
	bool seen[MAX_WINDOWS];
	unsigned int marker_errors;	/* opened twice, closed unopened, out of range */
	unsigned int register_errors;	/* the two ways to read one did not agree */
	int api;
};

extern struct plugin plugin;

/* smp.c */
bool smp_init(int vcpus);	/* false with a line on standard error */
unsigned int smp_vcpu(unsigned int told);	/* the vCPU that runs, whatever QEMU told */
bool smp_can_translate(void);
qemu_plugin_u64 smp_score(size_t field);	/* for the block that is being translated */
struct score *score_of(unsigned int vcpu);

/* physical.c: reads guest memory; false when there is no such memory. */
bool physical_init(const char **way);
bool physical_read64(struct vcpu *vcpu, uint64_t address, uint64_t *value);

/* registers.c */
void registers_find(struct vcpu *vcpu);		/* ends QEMU when one is missing */
uint64_t read_register(struct vcpu *vcpu, struct qemu_plugin_register *handle);
uint64_t read_rip(unsigned int vcpu);

/* pagewalk.c */
bool page_walk(void *vcpu, uint64_t vaddr, struct translation *found);

/* data_side.c */
bool data_side_followed(void);
void data_side_translate(struct qemu_plugin_insn *insn);
void data_side_drop_page(struct vcpu *vcpu);

/* window.c */
void window_open(uint64_t id);
void window_close(uint64_t id);
void tally_now(unsigned int vcpu, struct tally *out);
void tally_add(struct tally *sum, const struct tally *from, const struct tally *to);

/* report.c: false with a line on standard error when it could not be written. */
bool report_write(const char *path);

#endif
