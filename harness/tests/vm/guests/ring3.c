// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that flush the TLB, in ring 3: each faults, and the handler skips it. Window 1
 * has none of them, window 2 has 1,000 of each kind. Runs as init.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <ucontext.h>
#include <unistd.h>

#define TIMES 1000

static volatile unsigned int faults;

static void marker(uint64_t command, uint64_t window)
{
	__asm__ volatile(".byte 0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
			 ".byte 0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
			 : : "D"(command), "S"(window), "d"(0) : "memory");
}

static void skip(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	(void)signal;
	(void)info;
	at->uc_mcontext.gregs[REG_RIP] += 3;	/* all of them are three bytes long */
	faults++;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = skip, .sa_flags = SA_SIGINFO };
	int i;

	sigaction(SIGSEGV, &action, NULL);
	marker(1, 1);
	marker(2, 1);
	marker(1, 2);
	for (i = 0; i < TIMES; i++) {
		__asm__ volatile("mov %0, %%cr3" : : "r"(0ull) : "memory");
		__asm__ volatile("mov %0, %%cr0" : : "r"(0ull) : "memory");
		__asm__ volatile("mov %0, %%cr4" : : "r"(0ull) : "memory");
		__asm__ volatile("invlpg (%0)" : : "r"(&faults) : "memory");
	}
	marker(2, 2);
	printf("ring3: %u faults\n", faults);
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
