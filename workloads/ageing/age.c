// SPDX-License-Identifier: GPL-2.0-only
/*
 * age press MIB: takes MIB of memory in 4 kB pages, gives back all but one page of every
 * 2 MB, says so, and keeps those until it is killed.
 *
 * age walk PAGES ROUNDS SEED: a co-runner with a big text: calls a function on each of PAGES
 * 4 kB pages, in a random order, ROUNDS times, with a system call after each round. Prints
 * how many calls it made in how many nanoseconds.
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

#define PAGE 4096ul
#define LARGE (512 * PAGE)
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

static char *map(size_t bytes, int protection)
{
	char *at = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		perror("age: mmap");
		exit(1);
	}
	madvise(at, bytes, MADV_NOHUGEPAGE);
	return at;
}

static _Noreturn void press(size_t mib)
{
	size_t bytes = mib << 20, at;
	char *memory = map(bytes, PROT_READ | PROT_WRITE);

	for (at = 0; at < bytes; at += PAGE)
		memory[at] = 1;
	for (at = 0; at + LARGE <= bytes; at += LARGE)
		madvise(memory + at + PAGE, LARGE - PAGE, MADV_DONTNEED);
	printf("pressed\n");
	fflush(stdout);
	for (;;)
		pause();
}

static int walk(size_t pages, long rounds, uint64_t seed)
{
	char *text = map(pages * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	void (**calls)(void) = calloc(pages, sizeof(*calls));
	uint64_t began;
	size_t i;

	if (!calls || !pages)
		return 1;
	for (i = 0; i < pages; i++) {
		size_t j = random_below(&seed, (uint32_t)i + 1);
		char *at = text + i * PAGE + LINE * random_below(&seed, PAGE / LINE);

		*at = (char)0xc3; /* ret */
		calls[i] = calls[j];
		memcpy(&calls[j], &at, sizeof(at));
	}
	began = now();
	for (long round = 0; round < rounds; round++) {
		for (i = 0; i < pages; i++)
			calls[i]();
		syscall(SYS_getppid);
	}
	printf("calls %llu nanoseconds %llu\n", (unsigned long long)pages * (unsigned long long)rounds,
	       (unsigned long long)(now() - began));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "press"))
		press(strtoul(argv[2], NULL, 10));
	if (argc == 5 && !strcmp(argv[1], "walk"))
		return walk(strtoul(argv[2], NULL, 10), atol(argv[3]), strtoull(argv[4], NULL, 10));
	fprintf(stderr, "age press MIB | age walk PAGES ROUNDS SEED\n");
	return 2;
}
