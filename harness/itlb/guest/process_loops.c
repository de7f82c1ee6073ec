// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs as init: processes that take turns on one CPU, each calling code pages of its own, in a
 * window that the first of them opens and closes (see the marker in
 * harness/guest/agent/marker.py). What runs comes from the file /loops, a line each:
 *
 *	contexts OFFSET
 *	WINDOW KIND PROCESSES PAGES WARM ROUNDS BASE
 *
 * OFFSET is that of ctxs[0] in struct tlb_state of this kernel. WARM and ROUNDS count turns of
 * every process before and in the window; BASE is the hexadecimal address of the first page of
 * the first process, those of the others follow. KIND says what one of the others does in each
 * round, one after the other, before it calls its pages:
 *
 *	stay	nothing
 *	exec	it executes this program again, and goes on
 *	fork	it forks a child that takes its place, and ends
 *
 * All have one real-time priority, so that each runs until it yields, and in the order in which
 * they began to wait. The address of the code that switches between them is printed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define SHARED_FD 20
#define CODE_FD 21
#define MAX_PROCESSES 16

enum { OPEN = 1, CLOSE, ARM = 5, ADDRESS_SPACES };
enum kind { STAY, EXEC, FORK };
static const char *const kind_names[] = { "stay", "exec", "fork" };

/* What the processes of a line have in common. */
struct shared {
	enum kind kind;
	unsigned int processes, pages;
	uint64_t base;
	atomic_uint ready, round, done;
	unsigned int renewed[MAX_PROCESSES];	/* the round in which each was last replaced */
};

static struct shared *shared;

static void marker(uint64_t command, uint64_t argument)
{
	__asm__ volatile(".byte 0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
			 ".byte 0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
			 : : "D"(command), "S"(argument), "d"(0) : "memory");
}

static void give_up(const char *what)
{
	printf("process_loops: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static uint8_t *pages_of(unsigned int process)
{
	return (uint8_t *)(shared->base + (uint64_t)process * shared->pages * PAGE);
}

static void map_pages(unsigned int process)
{
	uint8_t *at = pages_of(process), *end = at + shared->pages * PAGE;

	/* One page at all addresses: four in a row could share an entry. */
	for (; at < end; at += PAGE)
		if (mmap(at, PAGE, PROT_READ | PROT_EXEC,
			 MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, CODE_FD, 0) != at)
			give_up("no pages");
}

static void call_pages(unsigned int process)
{
	uint8_t *at = pages_of(process), *end = at + shared->pages * PAGE;

	for (; at < end; at += PAGE)
		((void (*)(void))at)();
}

static void yield(void)
{
	syscall(SYS_sched_yield);
}

static void be_real_time(void)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		give_up("no real-time priority");
}

/* This process is the one to be replaced in this round, and was not yet. */
static int is_to_go(unsigned int process)
{
	unsigned int round = shared->round;

	return shared->kind != STAY && round && shared->renewed[process] != round &&
	       round % (shared->processes - 1) + 1 == process;
}

static void renew(unsigned int process)
{
	char number[16];
	char *words[] = { "process_loops", number, NULL };

	shared->renewed[process] = shared->round;
	if (shared->kind == EXEC) {
		snprintf(number, sizeof(number), "%u", process);
		execv("/init", words);
		give_up("exec");
	}
	switch (fork()) {
	case -1:
		give_up("fork");
		return;
	case 0:
		return;		/* it waits at the end of the line */
	default:
		_exit(0);
	}
}

/* One of the others, from its pages on. */
static void take_turns(unsigned int process)
{
	for (;;) {
		if (shared->done)
			_exit(0);
		if (is_to_go(process))
			renew(process);
		call_pages(process);
		yield();
	}
}

static void begin(unsigned int process)
{
	map_pages(process);
	shared->ready++;
	yield();
	take_turns(process);
}

static void run(unsigned int window, unsigned int warm, unsigned int rounds)
{
	unsigned int i;

	for (i = 1; i < shared->processes; i++) {
		pid_t child = fork();

		if (child < 0)
			give_up("fork");
		if (!child)
			begin(i);
	}
	map_pages(0);
	while (shared->ready < shared->processes - 1)
		yield();
	for (i = 1; i <= warm + rounds; i++) {
		shared->round = i;
		if (i == warm + 1)
			marker(OPEN, window);
		call_pages(0);
		yield();
	}
	marker(CLOSE, window);
	shared->done = 1;
	while (waitpid(-1, NULL, 0) > 0)
		;
	munmap(pages_of(0), shared->pages * PAGE);
}

static void tell_contexts(uint64_t offset)
{
	static uint64_t places[3];
	unsigned long long address;
	FILE *f = fopen("/proc/kallsyms", "r");
	char symbol[256];

	while (f && fscanf(f, "%llx %*c %255s%*[^\n]", &address, symbol) == 2) {
		if (!strcmp(symbol, "cpu_tlbstate"))
			places[0] = address + offset;
		else if (!strcmp(symbol, "__per_cpu_offset"))
			places[1] = address;
		else if (!strcmp(symbol, "switch_mm_irqs_off"))
			places[2] = address;
	}
	if (!f || !places[0] || !places[2])
		give_up("the kernel does not say where its contexts are");
	fclose(f);
	printf("process_loops: switch_mm_irqs_off at %llx\n", (unsigned long long)places[2]);
	fflush(stdout);
	marker(ADDRESS_SPACES, (uintptr_t)places);
	marker(ARM, 0);
}

static int shared_file(int number, size_t size)
{
	int fd = memfd_create("shared", 0);

	if (fd < 0 || ftruncate(fd, (off_t)size) || dup2(fd, number) != number)
		return -1;
	return close(fd);
}

static void map_shared(void)
{
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
	if (shared == MAP_FAILED)
		give_up("nothing shared");
}

static void make_code(void)
{
	uint8_t *page;

	if (shared_file(CODE_FD, PAGE))
		give_up("no code");
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, CODE_FD, 0);
	if (page == MAP_FAILED)
		give_up("no code");
	memset(page, 0xc3, PAGE);	/* ret */
	munmap(page, PAGE);
}

static void do_line(const char *line)
{
	unsigned int window, warm, rounds, kind;
	char name[8];

	memset(shared, 0, sizeof(*shared));
	if (sscanf(line, "%u %7s %u %u %u %u %lx", &window, name, &shared->processes,
		   &shared->pages, &warm, &rounds, &shared->base) != 7 ||
	    !shared->processes || shared->processes > MAX_PROCESSES ||
	    shared->pages > MAX_PROCESSES)
		give_up(line);
	for (kind = STAY; kind < FORK && strcmp(name, kind_names[kind]); kind++)
		;
	shared->kind = kind;
	run(window, warm, rounds);
}

int main(int argc, char **argv)
{
	char line[256];
	uint64_t offset;
	FILE *loops, *limit;

	if (argc == 2 && !strcmp(argv[0], "process_loops")) {
		map_shared();
		map_pages(atoi(argv[1]));
		take_turns(atoi(argv[1]));
	}
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	/* Else the kernel takes the CPU from them for a while each second. */
	limit = fopen("/proc/sys/kernel/sched_rt_runtime_us", "w");
	if (limit) {
		fputs("-1", limit);
		fclose(limit);
	}
	if (shared_file(SHARED_FD, PAGE))
		give_up("nothing shared");
	map_shared();
	make_code();
	be_real_time();
	loops = fopen("/loops", "r");
	if (!loops)
		give_up("/loops");
	while (fgets(line, sizeof(line), loops)) {
		if (sscanf(line, "contexts %lu", &offset) == 1)
			tell_contexts(offset);
		else
			do_line(line);
	}
	puts("process_loops: done");
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
