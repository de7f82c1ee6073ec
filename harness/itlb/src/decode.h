/* SPDX-License-Identifier: GPL-2.0-only */
/* The few x86-64 instructions that matter here, recognised from their bytes. */
#ifndef EMB_DECODE_H
#define EMB_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_kind {
	INSN_OTHER,
	INSN_MOV_TO_CR0,
	INSN_MOV_TO_CR3,
	INSN_MOV_TO_CR4,
	INSN_INVLPG,
	INSN_INVPCID,
};

struct decoded {
	enum insn_kind kind;
	unsigned int reg;	/* general register: source of MOV, type operand of INVPCID */
	/* Memory operand of INVLPG: base + index * scale + displacement. */
	bool rip_relative;
	int base;		/* -1: none */
	int index;		/* -1: none */
	unsigned int scale;
	int64_t displacement;
	bool segment;		/* an fs or gs prefix: its base is not known here */
};

void decode(const uint8_t *bytes, size_t size, struct decoded *out);

/*
 * Whether a block that ends with this instruction at @vaddr can only go on inside the
 * page of @vaddr + @size - 1 as far as its direct targets tell: a direct jump or branch
 * with its target and the next instruction in that page, or no jump at all.
 */
bool stays_in_page(const uint8_t *bytes, size_t size, uint64_t vaddr);

/* The marker: two no-ops with tags, one after the other. */
#define MARKER_SIZE 7
extern const uint8_t marker_first[MARKER_SIZE];
extern const uint8_t marker_second[MARKER_SIZE];

#endif
