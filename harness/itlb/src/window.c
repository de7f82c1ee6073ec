// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "plugin.h"

/* Every field of struct tally is a uint64_t counter, so that two can be subtracted. */
#define FIELDS (sizeof(struct tally) / sizeof(uint64_t))

void tally_now(unsigned int index, struct tally *out)
{
	struct vcpu *vcpu = &plugin.vcpus[index];

	out->model = vcpu->tlb.counts;
	out->data = vcpu->tlb.data;
	memcpy(out->flushes, vcpu->flushes, sizeof(out->flushes));
	if (plugin.one_thread && index)
		memset(&out->score, 0, sizeof(out->score));	/* all is in the first */
	else
		out->score = *score_of(index);
	out->score.page = 0;
}

void tally_add(struct tally *sum, const struct tally *from, const struct tally *to)
{
	uint64_t *s = (uint64_t *)sum;
	const uint64_t *f = (const uint64_t *)from, *t = (const uint64_t *)to;
	size_t i;

	for (i = 0; i < FIELDS; i++)
		s[i] += t[i] - f[i];
}

void window_open(uint64_t id)
{
	unsigned int i;

	if (!id || id >= MAX_WINDOWS || plugin.window) {
		plugin.marker_errors++;
		return;
	}
	for (i = 0; i < MAX_VCPUS; i++)
		if (plugin.vcpus[i].present)
			tally_now(i, &plugin.vcpus[i].opened);
	plugin.seen[id] = true;
	plugin.window = id;
}

void window_close(uint64_t id)
{
	struct tally now;
	unsigned int i;

	if (!id || plugin.window != id) {
		plugin.marker_errors++;
		return;
	}
	plugin.window = 0;
	for (i = 0; i < MAX_VCPUS; i++) {
		struct vcpu *vcpu = &plugin.vcpus[i];

		if (!vcpu->present)
			continue;
		tally_now(i, &now);
		tally_add(&vcpu->windows[id], &vcpu->opened, &now);
	}
}
