// SPDX-License-Identifier: GPL-2.0-only
/* caller CPU: calls getpgid(2) on CPU for ever, which runs every program that is attached to it. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	cpu_set_t cpus;

	if (argc != 2) {
		fprintf(stderr, "caller CPU\n");
		return 2;
	}
	CPU_ZERO(&cpus);
	CPU_SET(atoi(argv[1]), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus)) {
		perror("caller: sched_setaffinity");
		return 1;
	}
	for (;;)
		syscall(SYS_getpgid, 0);
}
