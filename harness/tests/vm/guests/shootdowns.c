// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thread on each CPU calls code pages that all share, while the first makes them
 * unwritable and writable again, so that the kernel flushes them on every CPU. Runs as
 * init; the window is opened and closed by the marker.
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
#define PAGES 24
#define MAX_CPUS 64
#define ROUNDS 200

static uint8_t *code;
static atomic_int done;

static void marker(uint64_t command, uint64_t window)
{
	__asm__ volatile(".byte 0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
			 ".byte 0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
			 : : "D"(command), "S"(window), "d"(0) : "memory");
}

static void stay_on(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void call_all(void)
{
	int i;

	for (i = 0; i < PAGES; i++)
		((void (*)(void))(code + i * PAGE))();
}

static void *follow(void *cpu)
{
	stay_on((long)cpu);
	while (!done)
		call_all();
	return NULL;
}

int main(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	pthread_t threads[MAX_CPUS];

	code = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		goto out;
	memset(code, 0xc3, PAGES * PAGE);	/* ret */
	marker(1, 1);
	for (i = 1; i < cpus && i < MAX_CPUS; i++)
		if (pthread_create(&threads[i], NULL, follow, (void *)i))
			goto out;
	stay_on(0);
	for (i = 0; i < ROUNDS; i++) {
		call_all();
		mprotect(code + i % PAGES * PAGE, PAGE, PROT_READ | PROT_EXEC);
		mprotect(code + i % PAGES * PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	}
	done = 1;
	for (i = 1; i < cpus && i < MAX_CPUS; i++)
		pthread_join(threads[i], NULL);
	marker(2, 1);
	printf("shootdowns: done on %ld\n", cpus);
out:
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
