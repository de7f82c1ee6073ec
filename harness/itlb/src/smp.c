// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several vCPUs in one host thread (exact mode).
 *
 * There QEMU 10.0 takes a block for private to the vCPU that translated it: it bakes that
 * vCPU's index into the block as a constant, for callbacks and for the place in the
 * scoreboard, and multiplies that constant in place by the size of a scoreboard element,
 * so that from the second vCPU on it grows without bound. Blocks are shared by all vCPUs,
 * so the index would be wrong even without that.
 *
 * What is done instead: elements of one byte leave the constant alone; all blocks use one
 * shared score, reached by an offset that takes the translating vCPU's index off again;
 * and who runs is asked of QEMU's own current_cpu. Since the shortcut to the current page
 * is shared, the first fetch after a turn is seen only when it is in another page than
 * the one where the vCPU before it stood: at most one fetch a turn, and the same in every
 * run. Instructions and watched addresses are counted for all vCPUs together.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "plugin.h"

typedef void *(*get_cpu_fn)(int index);

static get_cpu_fn get_cpu;
static void **current;		/* QEMU's thread-local current_cpu, in the one vCPU thread */
static int vcpu_count;

bool smp_init(int vcpus)
{
	const bool *several_threads = dlsym(RTLD_DEFAULT, "mttcg_enabled");

	vcpu_count = vcpus;
	plugin.one_thread = vcpus > 1 && !(several_threads && *several_threads);
	if (!plugin.one_thread) {
		plugin.scoreboard = qemu_plugin_scoreboard_new(sizeof(struct score));
		return true;
	}
	get_cpu = (get_cpu_fn)dlsym(RTLD_DEFAULT, "qemu_get_cpu");
	if (!several_threads || !get_cpu || !dlsym(RTLD_DEFAULT, "current_cpu")) {
		fprintf(stderr, "itlb: this QEMU does not tell which of several vCPUs runs: use one vCPU, or fast mode\n");
		return false;
	}
	plugin.scoreboard = qemu_plugin_scoreboard_new(1);
	return true;
}

unsigned int smp_vcpu(unsigned int told)
{
	static void *cpus[MAX_VCPUS];
	static int last;
	int i;

	if (!plugin.one_thread)
		return told;
	if (!current)
		current = dlsym(RTLD_DEFAULT, "current_cpu");
	if (cpus[last] && cpus[last] == *current)
		return last;
	for (i = 0; i < vcpu_count; i++) {
		if (!cpus[i])
			cpus[i] = get_cpu(i);
		if (cpus[i] == *current) {
			last = i;
			return i;
		}
	}
	return 0;
}

/* Blocks translated before QEMU has announced a vCPU are firmware; they go uncounted. */
bool smp_can_translate(void)
{
	return plugin.machine.cores[0].present;
}

qemu_plugin_u64 smp_score(size_t field)
{
	char *first;

	if (!plugin.one_thread)
		return (qemu_plugin_u64){ plugin.scoreboard, field };
	first = qemu_plugin_scoreboard_find(plugin.scoreboard, 0);
	return (qemu_plugin_u64){
		plugin.scoreboard, (char *)&plugin.shared + field - first - smp_vcpu(0),
	};
}

struct score *score_of(unsigned int vcpu)
{
	if (plugin.one_thread)
		return &plugin.shared;
	/* It moves when vCPUs beyond the 16th are announced. */
	if (!plugin.ended)
		plugin.scores = qemu_plugin_scoreboard_find(plugin.scoreboard, 0);
	return &plugin.scores[vcpu];
}

void scores_now(struct score *scores)
{
	unsigned int i;

	for (i = 0; i < MAX_VCPUS; i++) {
		if (!plugin.machine.cores[i].present || (plugin.one_thread && i))
			scores[i] = (struct score){ 0 };	/* all is in the first */
		else
			scores[i] = *score_of(i);
		scores[i].page = 0;
	}
}
