// SPDX-License-Identifier: GPL-2.0-only
/*
 * driver PROCESSES TURNS: a mixed system-call load. Each process makes TURNS turns of
 * getpgid, getppid, read, write and sched_yield. Prints the nanoseconds that all took.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int drive(long turns)
{
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	char buffer[64];

	if (zero < 0 || null < 0)
		return 1;
	while (turns-- > 0) {
		syscall(SYS_getpgid, 0);
		syscall(SYS_getppid);
		if (read(zero, buffer, sizeof(buffer)) != sizeof(buffer) ||
		    write(null, buffer, sizeof(buffer)) != sizeof(buffer))
			return 1;
		sched_yield();
	}
	return 0;
}

int main(int argc, char **argv)
{
	long processes = argc > 1 ? atol(argv[1]) : 0, turns = argc > 2 ? atol(argv[2]) : 0, i;
	uint64_t began = now();
	int status, bad = 0;

	if (processes < 1 || turns < 1) {
		fprintf(stderr, "driver PROCESSES TURNS\n");
		return 2;
	}
	for (i = 0; i < processes; i++) {
		pid_t child = fork();

		if (child < 0)
			return 1;
		if (!child)
			_exit(drive(turns));
	}
	while (wait(&status) > 0)
		bad |= status;
	printf("nanoseconds %llu\n", (unsigned long long)(now() - began));
	return bad != 0;
}
