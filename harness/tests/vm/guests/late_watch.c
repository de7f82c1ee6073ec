// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two system calls are watched after they have run many times, on every CPU. Runs as init.
 *
 * Window 1: getpgid, armed: exact. Window 2: getsid is watched but not armed. Window 3: both
 * are armed. Snapshots 1 and 2 stand around window 1, 3 is at the end.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BEFORE 1000
#define CALLS 12345
#define CALLS_ELSEWHERE 5000	/* of them, on the other CPUs together */

enum { OPEN = 1, CLOSE, WATCH, SNAPSHOT, ARM };

/* Not inlined: what is armed takes effect at the end of a block, here the return. */
__attribute__((noinline)) static void marker(uint64_t command, uint64_t argument)
{
	__asm__ volatile(".byte 0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
			 ".byte 0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
			 : : "D"(command), "S"(argument), "d"(0) : "memory");
}

static uint64_t address_of(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long address;
	char symbol[256];

	while (f && fscanf(f, "%llx %*c %255s%*[^\n]", &address, symbol) == 2)
		if (!strcmp(symbol, name)) {
			fclose(f);
			return address;
		}
	printf("late_watch: no %s\n", name);
	return 0;
}

static void stay_on(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void call(int count)
{
	while (count--) {
		syscall(SYS_getpgid, 0);
		syscall(SYS_getsid, 0);
	}
}

struct part {
	long cpu;
	int count;
};

static void *call_on(void *argument)
{
	const struct part *part = argument;

	stay_on(part->cpu);
	call(part->count);
	return NULL;
}

/* @count calls of each on the first CPU, @elsewhere on the others together. */
static void call_everywhere(long cpus, int count, int elsewhere)
{
	pthread_t threads[16];
	struct part parts[16];
	long i;

	for (i = 1; i < cpus && i < 16; i++) {
		parts[i] = (struct part){ i, i == 1 ? elsewhere - elsewhere / (cpus - 1) * (cpus - 2) :
						      elsewhere / (cpus - 1) };
		if (pthread_create(&threads[i], NULL, call_on, &parts[i]))
			abort();
	}
	call(cpus > 1 ? count : count + elsewhere);
	for (i = 1; i < cpus && i < 16; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t getpgid, getsid;
	int window;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	getpgid = address_of("__x64_sys_getpgid");
	getsid = address_of("__x64_sys_getsid");
	if (!getpgid || !getsid)
		goto out;
	stay_on(0);
	call_everywhere(cpus, BEFORE, BEFORE);

	marker(WATCH, getpgid);
	marker(ARM, 0);
	for (window = 1; window <= 3; window++) {
		if (window == 3)
			marker(ARM, 0);
		if (window == 1)
			marker(SNAPSHOT, 1);
		marker(OPEN, window);
		call_everywhere(cpus, CALLS - CALLS_ELSEWHERE, CALLS_ELSEWHERE);
		marker(CLOSE, window);
		if (window == 1) {
			marker(SNAPSHOT, 2);
			marker(WATCH, getsid);
		}
	}
	marker(SNAPSHOT, 3);
	printf("late_watch: watched %#llx %#llx\n", (unsigned long long)getpgid,
	       (unsigned long long)getsid);
	printf("late_watch: done on %ld\n", cpus);
out:
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
