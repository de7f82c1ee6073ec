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

	/* Later versions of the interface have more behind the members that are known here. */
	for (i = 0; i < all->len; i++) {
		const qemu_plugin_reg_descriptor *d =
			(void *)(all->data + i * g_array_get_element_size(all));

		for (r = 0; r < GENERAL; r++)
			if (!strcmp(d->name, general_names[r]))
				vcpu->general[r] = d->handle;
		if (!strcmp(d->name, "cs"))
			vcpu->cs = d->handle;
		else if (!strcmp(d->name, "cr0"))
			vcpu->cr0 = d->handle;
		else if (!strcmp(d->name, "cr2"))
			vcpu->cr2 = d->handle;
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
	if (r < GENERAL || !vcpu->cs || !vcpu->cr0 || !vcpu->cr2 || !vcpu->cr3 || !vcpu->cr4 ||
	    !vcpu->efer || !vcpu->rip) {
		fprintf(stderr, "itlb: this QEMU does not show the registers needed\n");
		exit(1);
	}
}

uint64_t read_register(struct vcpu *vcpu, struct qemu_plugin_register *handle)
{
	uint64_t value = 0;

	g_byte_array_set_size(vcpu->buffer, 0);
	qemu_plugin_read_register(handle, vcpu->buffer);
	memcpy(&value, vcpu->buffer->data, MIN(vcpu->buffer->len, sizeof(value)));
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

/*
 * The only place in the vCPU's memory with these values in a row, or NULL. The value at
 * @skip may be any.
 */
static const uint64_t *place_of(unsigned int index, const uint64_t *values, size_t count,
				size_t skip)
{
	void *(*get_cpu)(int) = (void *(*)(int))dlsym(RTLD_DEFAULT, "qemu_get_cpu");
	const uint64_t *memory = get_cpu ? get_cpu(index) : NULL, *found = NULL;
	size_t words, i, n;

	if (!memory)
		return NULL;
	words = malloc_usable_size((void *)memory) / sizeof(*memory);
	for (i = 0; i + count <= words; i++) {
		for (n = 0; n < count; n++)
			if (n != skip && memory[i + n] != values[n])
				break;
		if (n < count)
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
			plugin.machine.register_errors++;
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
	place = place_of(index, values, GENERAL + 1, GENERAL + 1);
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

/* CR0 to CR4 stand in a row; there is no CR1. */
enum { CR0, CR1, CR2, CR3, CR4, CRS };

static void read_paging_slowly(unsigned int index, struct paging *now)
{
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t values[CRS] = { 0 };
	const uint64_t *place;

	now->cr0 = read_register(vcpu, vcpu->cr0);
	now->cr3 = read_register(vcpu, vcpu->cr3);
	now->cr4 = read_register(vcpu, vcpu->cr4);
	now->efer = read_register(vcpu, vcpu->efer);
	if (vcpu->cr_place || vcpu->cr_tries >= MAX_TRIES || now->cr3 <= UINT16_MAX)
		return;
	values[CR0] = now->cr0;
	values[CR2] = read_register(vcpu, vcpu->cr2);
	values[CR3] = now->cr3;
	values[CR4] = now->cr4;
	if (distinct(values, CRS) < CRS - 1)
		return;
	vcpu->cr_tries++;
	place = place_of(index, values, CRS, CR1);
	if (place) {
		vcpu->cr_place = place;
		vcpu->paging = *now;
	}
}

void read_paging(unsigned int index, struct paging *now)
{
	struct vcpu *vcpu = &plugin.vcpus[index];
	const uint64_t *cr = vcpu->cr_place;
	struct paging slow;
	bool check;

	if (!cr) {
		read_paging_slowly(index, now);
		return;
	}
	*now = (struct paging){ cr[CR0], cr[CR3], cr[CR4], vcpu->paging.efer };
	check = ++vcpu->cr_reads % CHECK_EVERY == 0;
	/* What matters of EFER, long mode, changes with CR0 only: SDM vol. 3, 10.8.5. */
	if (!check && now->cr0 == vcpu->paging.cr0 && now->cr4 == vcpu->paging.cr4)
		return;
	read_paging_slowly(index, &slow);
	if (slow.cr0 != now->cr0 || slow.cr3 != now->cr3 || slow.cr4 != now->cr4)
		plugin.machine.register_errors++;
	*now = slow;
	vcpu->paging = slow;
}
