// SPDX-License-Identifier: GPL-2.0-only
/*
 * One page of code mapped at two addresses, called in turn; then a jump from one address
 * straight to the other. Runs as init; the window is opened and closed by the marker.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#define PAGE 4096
#define FIRST ((uint8_t *)0x10000000)
#define SECOND ((uint8_t *)0x20000000)
#define TIMES 100000

static void marker(uint64_t command, uint64_t window)
{
	__asm__ volatile(".byte 0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
			 ".byte 0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
			 : : "D"(command), "S"(window), "d"(0) : "memory");
}

static uint8_t *map_at(uint8_t *address, int fd)
{
	return mmap(address, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0);
}

int main(void)
{
	/* offset 0: ret. Offset 16: jmp *%rdi. Offset 32: jmp *%rsi. */
	static const uint8_t code[] = { 0xc3, [16] = 0xff, 0xe7, [32] = 0xff, 0xe6 };
	int fd = memfd_create("code", 0), i;

	if (fd < 0 || ftruncate(fd, PAGE) || map_at(FIRST, fd) != FIRST ||
	    map_at(SECOND, fd) != SECOND) {
		puts("two_addresses: no mapping");
		goto out;
	}
	memcpy(FIRST, code, sizeof(code));

	marker(1, 1);
	for (i = 0; i < TIMES; i++) {
		((void (*)(void))FIRST)();
		((void (*)(void))SECOND)();
	}
	marker(2, 1);

	/* From FIRST+16 straight to SECOND+32, from there to FIRST, and back by its ret. */
	marker(1, 2);
	for (i = 0; i < TIMES; i++)
		((void (*)(void *, void *))(FIRST + 16))(SECOND + 32, FIRST);
	marker(2, 2);
	puts("two_addresses: done");
out:
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
