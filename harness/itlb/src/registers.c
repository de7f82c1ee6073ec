// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's registers. QEMU's interface finds each one by name and copies it through an
 * array, which costs more than the model does where the instruction pointer is read for
 * every block of user text. So the place in QEMU's memory where the general registers and
 * the instruction pointer stand one after the other is looked for, by their values. It is
 * used only where it is found without doubt, and compared with the interface ever after.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

#define GENERAL 16
#define MIN_DISTINCT 10		/* values among the registers that make a place certain */
#define MAX_TRIES 64
#define CHECK_EVERY 4096	/* reads */

static const char *const general_names[GENERAL] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

void registers_find(struct vcpu *vcpu)
{
	GArray *all = qemu_plugin_get_registers();
	unsigned int i, r;

	for (i = 0; i < all->len; i++) {
		qemu_plugin_reg_descriptor *d = &g_array_index(all, qemu_plugin_reg_descriptor, i);

		for (r = 0; r < GENERAL; r++)
			if (!strcmp(d->name, general_names[r]))
				vcpu->general[r] = d->handle;
		if (!strcmp(d->name, "cr0"))
			vcpu->cr0 = d->handle;
		else if (!strcmp(d->name, "cr3"))
			vcpu->cr3 = d->handle;
		else if (!strcmp(d->name, "cr4"))
			vcpu->cr4 = d->handle;
		else if (!strcmp(d->name, "efer"))
			vcpu->efer = d->handle;
		else if (!strcmp(d->name, "rip"))
			vcpu->rip = d->handle;
	}
	g_array_free(all, TRUE);
	for (r = 0; r < GENERAL; r++)
		if (!vcpu->general[r])
			break;
	if (r < GENERAL || !vcpu->cr0 || !vcpu->cr3 || !vcpu->cr4 || !vcpu->efer || !vcpu->rip) {
		fprintf(stderr, "itlb: this QEMU does not show the registers needed\n");
		exit(1);
	}
}

uint64_t read_register(struct vcpu *vcpu, struct qemu_plugin_register *handle)
{
	uint64_t value = 0;
	int size;

	g_byte_array_set_size(vcpu->buffer, 0);
	size = qemu_plugin_read_register(handle, vcpu->buffer);
	if (size > 0)
		memcpy(&value, vcpu->buffer->data,
		       size < (int)sizeof(value) ? (size_t)size : sizeof(value));
	return value;
}

static unsigned int distinct(const uint64_t *values, unsigned int count)
{
	unsigned int i, j, n = 0;

	for (i = 0; i < count; i++) {
		for (j = 0; j < i; j++)
			if (values[j] == values[i])
				break;
		n += j == i && values[i];
	}
	return n;
}

/* The only place in the vCPU's memory with these values in a row, or NULL. */
static const uint64_t *place_of(unsigned int index, const uint64_t *values, size_t count)
{
	void *(*get_cpu)(int) = (void *(*)(int))dlsym(RTLD_DEFAULT, "qemu_get_cpu");
	const uint64_t *memory = get_cpu ? get_cpu(index) : NULL, *found = NULL;
	size_t words, i;

	if (!memory)
		return NULL;
	words = malloc_usable_size((void *)memory) / sizeof(*memory);
	for (i = 0; i + count <= words; i++) {
		if (memcmp(memory + i, values, count * sizeof(*values)))
			continue;
		if (found)
			return NULL;
		found = memory + i;
	}
	return found;
}

static uint64_t read_rip_slowly(unsigned int index, struct vcpu *vcpu)
{
	uint64_t values[GENERAL + 1], rip = read_register(vcpu, vcpu->rip);
	const uint64_t *place;
	unsigned int r;

	if (vcpu->rip_place) {
		if (*vcpu->rip_place != rip)
			plugin.register_errors++;
		return rip;
	}
	/* Real mode and firmware use few registers: only user programs of 64 bits will do. */
	if (vcpu->rip_tries >= MAX_TRIES || rip <= UINT32_MAX)
		return rip;
	for (r = 0; r < GENERAL; r++)
		values[r] = read_register(vcpu, vcpu->general[r]);
	values[GENERAL] = rip;
	if (distinct(values, GENERAL + 1) < MIN_DISTINCT)
		return rip;
	vcpu->rip_tries++;
	place = place_of(index, values, GENERAL + 1);
	if (place)
		vcpu->rip_place = place + GENERAL;
	return rip;
}

uint64_t read_rip(unsigned int index)
{
	struct vcpu *vcpu = &plugin.vcpus[index];

	if (!vcpu->rip_place || ++vcpu->rip_reads % CHECK_EVERY == 0)
		return read_rip_slowly(index, vcpu);
	return *vcpu->rip_place;
}
