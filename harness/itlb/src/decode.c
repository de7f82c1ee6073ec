// SPDX-License-Identifier: GPL-2.0-only
#include "decode.h"

#include <string.h>

const uint8_t marker_first[MARKER_SIZE] = { 0x0f, 0x1f, 0x80, 0x31, 0x42, 0x4d, 0x45 };
const uint8_t marker_second[MARKER_SIZE] = { 0x0f, 0x1f, 0x80, 0x4b, 0x52, 0x41, 0x4d };

#define REX_B 1
#define REX_X 2
#define REX_R 4

struct prefixes {
	size_t length;
	uint8_t rex;
	bool segment;
	bool operand;		/* 66 */
};

static struct prefixes prefixes_of(const uint8_t *bytes, size_t size)
{
	struct prefixes p = { 0 };

	for (; p.length < size; p.length++) {
		uint8_t byte = bytes[p.length];

		if (byte == 0x64 || byte == 0x65)
			p.segment = true;
		else if (byte == 0x66)
			p.operand = true;
		else if (byte != 0x26 && byte != 0x2e && byte != 0x36 && byte != 0x3e &&
			 byte != 0x67 && byte != 0xf0 && byte != 0xf2 && byte != 0xf3)
			break;
	}
	if (p.length < size && (bytes[p.length] & 0xf0) == 0x40)
		p.rex = bytes[p.length++];
	return p;
}

static int64_t read_signed(const uint8_t *bytes, unsigned int size)
{
	int32_t wide;

	if (size == 1)
		return (int8_t)bytes[0];
	memcpy(&wide, bytes, sizeof(wide));
	return wide;
}

/* The memory operand whose ModRM byte is @bytes[0]; false when it is cut short. */
static bool memory_operand(const uint8_t *bytes, size_t size, uint8_t rex, struct decoded *out)
{
	unsigned int mod = bytes[0] >> 6, rm = bytes[0] & 7, width;
	size_t at = 1;

	out->base = out->index = -1;
	out->scale = 1;
	if (rm == 4) {
		uint8_t sib;

		if (size < 2)
			return false;
		sib = bytes[at++];
		out->scale = 1u << (sib >> 6);
		out->index = ((sib >> 3) & 7) | (rex & REX_X ? 8 : 0);
		if (out->index == 4)
			out->index = -1;
		out->base = (sib & 7) | (rex & REX_B ? 8 : 0);
		if ((sib & 7) == 5 && mod == 0) {
			out->base = -1;
			mod = 2;	/* four bytes of displacement */
		}
	} else if (rm == 5 && mod == 0) {
		out->rip_relative = true;
		mod = 2;
	} else {
		out->base = rm | (rex & REX_B ? 8 : 0);
	}
	width = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	if (at + width > size)
		return false;
	out->displacement = width ? read_signed(bytes + at, width) : 0;
	return true;
}

void decode(const uint8_t *bytes, size_t size, struct decoded *out)
{
	struct prefixes p = prefixes_of(bytes, size);
	const uint8_t *op = bytes + p.length;
	size_t left = size - p.length;
	unsigned int reg;

	memset(out, 0, sizeof(*out));
	if (left < 3 || op[0] != 0x0f)
		return;
	out->segment = p.segment;
	reg = (op[2] >> 3) & 7;
	if (op[1] == 0x22 && !(p.rex & REX_R)) {
		out->reg = (op[2] & 7) | (p.rex & REX_B ? 8 : 0);
		out->kind = reg == 0 ? INSN_MOV_TO_CR0 : reg == 3 ? INSN_MOV_TO_CR3 :
			    reg == 4 ? INSN_MOV_TO_CR4 : INSN_OTHER;
	} else if (op[1] == 0x01 && reg == 7 && op[2] >> 6 != 3) {
		if (memory_operand(op + 2, left - 2, p.rex, out))
			out->kind = INSN_INVLPG;
	} else if (left >= 4 && op[1] == 0x38 && op[2] == 0x82 && p.operand) {
		out->reg = ((op[3] >> 3) & 7) | (p.rex & REX_R ? 8 : 0);
		if (memory_operand(op + 3, left - 3, p.rex, out))
			out->kind = INSN_INVPCID;
	}
}

static bool same_page(uint64_t a, uint64_t b)
{
	return a >> 12 == b >> 12;
}

bool stays_in_page(const uint8_t *bytes, size_t size, uint64_t vaddr)
{
	struct prefixes p = prefixes_of(bytes, size);
	const uint8_t *op = bytes + p.length;
	size_t left = size - p.length;
	uint64_t next = vaddr + size, last = next - 1;
	bool falls_through = true;
	int64_t distance;

	if (!left)
		return false;
	if (op[0] == 0xeb || (op[0] >= 0xe0 && op[0] <= 0xe3) || (op[0] & 0xf0) == 0x70) {
		if (left < 2)
			return false;
		distance = read_signed(op + 1, 1);
		falls_through = op[0] != 0xeb;
	} else if (op[0] == 0xe8 || op[0] == 0xe9) {
		if (left < 5)
			return false;
		distance = read_signed(op + 1, 4);
		falls_through = false;
	} else if (op[0] == 0x0f && left >= 6 && (op[1] & 0xf0) == 0x80) {
		distance = read_signed(op + 2, 4);
	} else if (op[0] == 0xc2 || op[0] == 0xc3 || op[0] == 0xca || op[0] == 0xcb ||
		   op[0] == 0xcf || op[0] == 0xea || op[0] == 0x9a || op[0] == 0xff ||
		   op[0] == 0xcc || op[0] == 0xcd || op[0] == 0xf4 ||
		   (op[0] == 0x0f && left >= 2 && (op[1] == 0x05 || op[1] == 0x34))) {
		return false;	/* returns, far and indirect transfers, traps */
	} else {
		return same_page(next, last);
	}
	if (falls_through && !same_page(next, last))
		return false;
	return same_page(next + distance, last);
}
