// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thread on each CPU calls code that begins at the end of one page and ends at the start
 * of the next, the same number of times. Window 1: nothing ends a turn in it. Window 2: the
 * last instruction of the page is a PAUSE, at which QEMU gives the turn to the next vCPU;
 * every other CPU calls one page further on, so that a vCPU goes on in a page that the one
 * before it has just stopped in. Runs as init.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#define PAGE 4096
#define FIRST ((uint8_t *)0x10000000)
#define PAGES 3
#define ENTRY (PAGE - 8)
#define TIMES 20000
#define MAX_CPUS 64

static pthread_barrier_t all;

static void marker(uint64_t command, uint64_t window)
{
	__asm__ volatile(".byte 0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
			 ".byte 0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
			 : : "D"(command), "S"(window), "d"(0) : "memory");
}

/* The code of window @window: the end of each page runs on into the next one. */
static void write_code(int window)
{
	int i;

	for (i = 0; i < PAGES; i++) {
		memset(FIRST + i * PAGE, 0xc3, ENTRY);	/* ret */
		memset(FIRST + i * PAGE + ENTRY, 0x90, PAGE - ENTRY);	/* nop */
		if (window == 2)
			memcpy(FIRST + i * PAGE + PAGE - 2, "\xf3\x90", 2);	/* pause */
	}
}

static void call_all(long cpu, int window)
{
	int i;

	if (pthread_barrier_wait(&all) == PTHREAD_BARRIER_SERIAL_THREAD) {
		write_code(window);
		marker(1, window);
	}
	pthread_barrier_wait(&all);
	for (i = 0; i < TIMES; i++)
		((void (*)(void))(FIRST + cpu % 2 * PAGE + ENTRY))();
	if (pthread_barrier_wait(&all) == PTHREAD_BARRIER_SERIAL_THREAD)
		marker(2, window);
}

static void *call(void *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((long)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	call_all((long)cpu, 1);
	call_all((long)cpu, 2);
	return NULL;
}

int main(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	pthread_t threads[MAX_CPUS];

	if (cpus > MAX_CPUS || mmap(FIRST, PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != FIRST)
		goto out;
	pthread_barrier_init(&all, NULL, cpus);
	for (i = 1; i < cpus; i++)
		if (pthread_create(&threads[i], NULL, call, (void *)i))
			goto out;
	call(NULL);
	for (i = 1; i < cpus; i++)
		pthread_join(threads[i], NULL);
	printf("turns: done on %ld\n", cpus);
out:
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
