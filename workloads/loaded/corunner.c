// SPDX-License-Identifier: GPL-2.0-only
/*
 * corunner walk PAGES ROUNDS SEED: a program with a big text. Calls a function on each of
 * PAGES 4 kB pages from TEXT on, in a random order, ROUNDS times, with a system call after
 * each round. Prints how many rounds it made in how many nanoseconds.
 *
 * corunner press MIB: takes MIB of memory page by page and gives it back, for ever.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TEXT 0x500000000000ul	/* known to loaded.py */
#define PAGE 4096ul
#define LINE 64ul

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33) % limit;
}

static char *map(char *at, size_t bytes, int protection, int flags)
{
	char *got = mmap(at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (got == MAP_FAILED) {
		perror("corunner: mmap");
		exit(1);
	}
	madvise(got, bytes, MADV_NOHUGEPAGE);
	return got;
}

static int walk(size_t pages, long rounds, uint64_t seed)
{
	char *text = map((char *)TEXT, pages * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_FIXED_NOREPLACE);
	void (**calls)(void) = calloc(pages, sizeof(*calls));
	uint64_t began;
	size_t i;
	long round;

	if (!calls || !pages || rounds < 1)
		return 1;
	for (i = 0; i < pages; i++) {
		size_t j = random_below(&seed, (uint32_t)i + 1);
		char *at = text + i * PAGE + LINE * random_below(&seed, PAGE / LINE);

		*at = (char)0xc3; /* ret */
		calls[i] = calls[j];
		memcpy(&calls[j], &at, sizeof(at));
	}
	began = now();
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < pages; i++)
			calls[i]();
		syscall(SYS_sched_get_priority_max, 0);
	}
	printf("rounds %ld nanoseconds %llu\n", rounds, (unsigned long long)(now() - began));
	return 0;
}

static _Noreturn void press(size_t mib)
{
	size_t bytes = mib << 20, at;

	for (;;) {
		char *memory = map(NULL, bytes, PROT_READ | PROT_WRITE, 0);

		for (at = 0; at < bytes; at += PAGE)
			memory[at] = 1;
		munmap(memory, bytes);
		usleep(10000);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "press"))
		press(strtoul(argv[2], NULL, 10));
	if (argc == 5 && !strcmp(argv[1], "walk"))
		return walk(strtoul(argv[2], NULL, 10), atol(argv[3]), strtoull(argv[4], NULL, 10));
	fprintf(stderr, "corunner walk PAGES ROUNDS SEED | corunner press MIB\n");
	return 2;
}
