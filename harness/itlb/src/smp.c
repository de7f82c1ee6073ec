// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several vCPUs: in one host thread (exact mode), or each in one of its own (fast mode).
 *
 * In one thread QEMU 10.0 takes a translated block for private to the vCPU that translated it and
 * makes that vCPU's index a constant of the block, for callbacks and for the place in the
 * scoreboard; yet blocks are shared by all vCPUs. Blocks for vCPUs with threads of their
 * own read the index where they run. So before a vCPU executes anything it is told to
 * translate as those do, by the function with which QEMU itself does so; atomic instructions
 * are then atomic on the host too, which changes nothing that the guest sees.
 *
 * That it worked is checked by each callback: the vCPU that QEMU told is the one that runs.
 *
 * In several threads a window is opened and closed by one of them while others are in the
 * model. Each vCPU's part of it has a lock, and a marker takes them all.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include "plugin.h"

typedef void *(*get_cpu_fn)(int index);
typedef void (*init_cflags_fn)(void *cpu, bool several_threads);

static get_cpu_fn get_cpu;
static init_cflags_fn init_cflags;
static void *cpus[MAX_VCPUS];
static bool locks[MAX_VCPUS];
static bool several, threads;
static pthread_t first_thread;
static void **first_current;	/* where QEMU says which vCPU runs, in the first thread */

static void *running(void)
{
	static _Thread_local void **current;

	if (!threads)
		return *first_current;
	if (!current)
		current = dlsym(RTLD_DEFAULT, "current_cpu");
	return *current;
}

bool smp_init(int vcpus)
{
	plugin.scoreboard = qemu_plugin_scoreboard_new(sizeof(struct score));
	several = vcpus > 1;
	if (!several)
		return true;
	get_cpu = (get_cpu_fn)dlsym(RTLD_DEFAULT, "qemu_get_cpu");
	init_cflags = (init_cflags_fn)dlsym(RTLD_DEFAULT, "tcg_cpu_init_cflags");
	if (get_cpu && init_cflags && dlsym(RTLD_DEFAULT, "current_cpu"))
		return true;
	fprintf(stderr, "itlb: this QEMU does not tell which of several vCPUs runs: use one vCPU\n");
	return false;
}

bool smp_vcpu_begins(unsigned int index)
{
	plugin.scores = qemu_plugin_scoreboard_find(plugin.scoreboard, 0);
	if (!several)
		return true;
	cpus[index] = get_cpu(index);
	init_cflags(cpus[index], true);
	if (!index) {
		first_thread = pthread_self();
		first_current = dlsym(RTLD_DEFAULT, "current_cpu");
	}
	if (pthread_equal(pthread_self(), first_thread))
		return true;
	threads = true;
	if (!plugin.trace)
		return true;
	fprintf(stderr, "itlb: a trace needs all vCPUs in one thread: exact mode\n");
	return false;
}

void smp_lock(unsigned int vcpu)
{
	if (threads)
		while (__atomic_test_and_set(&locks[vcpu], __ATOMIC_ACQUIRE))
			sched_yield();
}

void smp_unlock(unsigned int vcpu)
{
	if (threads)
		__atomic_clear(&locks[vcpu], __ATOMIC_RELEASE);
}

unsigned int smp_vcpu(unsigned int told)
{
	if (several && cpus[told] != running())
		__atomic_fetch_add(&plugin.machine.vcpu_errors, 1, __ATOMIC_RELAXED);
	return told;
}

qemu_plugin_u64 smp_score(size_t field)
{
	return (qemu_plugin_u64){ plugin.scoreboard, field };
}

struct score *score_of(unsigned int vcpu)
{
	/*
	 * It moves when vCPUs beyond the 16th are announced, which in one thread happens while
	 * none executes.
	 */
	if (threads && !plugin.ended)
		plugin.scores = qemu_plugin_scoreboard_find(plugin.scoreboard, 0);
	return &plugin.scores[vcpu];
}

void scores_now(struct score *scores)
{
	unsigned int i;

	for (i = 0; i < MAX_VCPUS; i++) {
		scores[i] = plugin.machine.cores[i].present ? *score_of(i) : (struct score){ 0 };
		scores[i].page = 0;
	}
}
