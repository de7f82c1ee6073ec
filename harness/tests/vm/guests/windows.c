// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first CPU opens and closes window 1 many times, while a thread on each other CPU calls
 * more pages than any first level holds: TIMES at least, and until each has called all of them
 * PASSES times. Runs as init.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 3000
#define TIMES 20000
#define PASSES 20
#define MAX_CPUS 64

static uint8_t *code;
static atomic_int done, passes[MAX_CPUS];

static void marker(uint64_t command, uint64_t window)
{
	__asm__ volatile(".byte 0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
			 ".byte 0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
			 : : "D"(command), "S"(window), "d"(0) : "memory");
}

static void *call(void *cpu)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	CPU_SET((long)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	while (!done) {
		for (i = 0; i < PAGES; i++)
			((void (*)(void))(code + i * PAGE))();
		passes[(long)cpu]++;
	}
	return NULL;
}

static int all_have_called(long cpus)
{
	long i;

	for (i = 1; i < cpus; i++)
		if (passes[i] < PASSES)
			return 0;
	return 1;
}

int main(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	pthread_t threads[MAX_CPUS];

	code = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED || cpus > MAX_CPUS)
		goto out;
	memset(code, 0xc3, PAGES * PAGE);	/* ret */
	for (i = 1; i < cpus; i++)
		if (pthread_create(&threads[i], NULL, call, (void *)i))
			goto out;
	for (i = 0; i < TIMES || !all_have_called(cpus); i++) {
		marker(1, 1);
		marker(2, 1);
	}
	done = 1;
	for (i = 1; i < cpus; i++)
		pthread_join(threads[i], NULL);
	printf("windows: done on %ld\n", cpus);
out:
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
