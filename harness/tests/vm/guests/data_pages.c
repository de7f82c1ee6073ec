// SPDX-License-Identifier: GPL-2.0-only
/*
 * Code on 200 pages, which a second-level TLB holds with ease, called in rounds: alone, with
 * loads from 3072 other pages between the rounds, and with stores to 32 pages. Runs as init.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#define PAGE 4096
#define CODE ((uint8_t *)0x10000000)
#define DATA ((volatile uint8_t *)0x40000000)
#define CODE_PAGES 200
#define LOADED 3072
#define STORED 32
#define ROUNDS 20

static void marker(uint64_t command, uint64_t window)
{
	__asm__ volatile(".byte 0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
			 ".byte 0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
			 : : "D"(command), "S"(window), "d"(0) : "memory");
}

static int map(uint8_t *address, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	if (mmap(address, size, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0) != address)
		return -1;
	madvise(address, size, MADV_NOHUGEPAGE);	/* fails where there are none */
	return 0;
}

static void call_code(void)
{
	int i;

	for (i = 0; i < CODE_PAGES; i++)
		((void (*)(void))(CODE + i * PAGE))();
}

int main(void)
{
	int i, round;

	if (map(CODE, CODE_PAGES * PAGE) || map((uint8_t *)DATA, LOADED * PAGE)) {
		puts("data_pages: no mapping");
		goto out;
	}
	for (i = 0; i < CODE_PAGES; i++)
		CODE[i * PAGE] = 0xc3;	/* ret */
	for (i = 0; i < LOADED; i++)
		DATA[i * PAGE] = 1;
	call_code();

	marker(1, 1);
	for (round = 0; round < ROUNDS; round++)
		call_code();
	marker(2, 1);

	marker(1, 2);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < LOADED; i++)
			(void)DATA[i * PAGE];
		call_code();
	}
	marker(2, 2);

	call_code();
	marker(1, 3);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < STORED; i++)
			DATA[i * PAGE] = round;
		call_code();
	}
	marker(2, 3);
	puts("data_pages: done");
out:
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
