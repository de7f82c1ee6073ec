// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs as init: loops over code pages, each in a window of its own (see the marker in
 * harness/guest/agent/marker.py). The loops come from the file /loops, a line each:
 *
 *	WINDOW SIZE PAGES STRIDE WARM ROUNDS BASE
 *
 * SIZE is 4k, 2m, or 16k: four pages of 4 kB that are so in memory too, of which PAGES and STRIDE
 * count the small ones. STRIDE counts pages, WARM and ROUNDS count rounds over all pages before
 * and in the window, BASE is the hexadecimal address of the first page.
 *
 * Lines "event NAME TYPE CONFIG" before them (CONFIG hexadecimal, both as perf_event_open(2)
 * has them) are counted in user mode over PERF_TIMES as many rounds once more, and printed:
 * "perf WINDOW NAME COUNT", or "perf-none NAME REASON" once where an event cannot be had.
 *
 * One page of code (of 16k, four) is mapped at all addresses. Each entry counts down and jumps to
 * the next address; when the count is through, the marker is executed in that very page, so that
 * from the first warm round to the end of the window nothing but the loop's pages is fetched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif

/*
 * rax: this page; r8: the first; rbx: after the last; r9: to the next; ecx: entries until the
 * marker; r10d: entries in the window; r11d: markers to come; rdi, rsi: the marker's command
 * and window.
 */
__asm__(".pushsection .rodata\n"
	"loop_text:\n"
	"	dec	%ecx\n"
	"	jz	2f\n"
	"1:	add	%r9, %rax\n"
	"	cmp	%rbx, %rax\n"
	"	cmovae	%r8, %rax\n"
	"	jmp	*%rax\n"
	"2:	.byte	0x0f,0x1f,0x80,0x31,0x42,0x4d,0x45\n"
	"	.byte	0x0f,0x1f,0x80,0x4b,0x52,0x41,0x4d\n"
	"	mov	$2, %edi\n"
	"	mov	%r10d, %ecx\n"
	"	dec	%r11d\n"
	"	jns	1b\n"
	"	ret\n"
	"loop_text_end:\n"
	".popsection\n");
extern const uint8_t loop_text[], loop_text_end[];

#define SMALL 4096
#define FOUR (4 * SMALL)
#define FOUR_AMONG 1024		/* pages among which four in a row are looked for */
#define MAX_EVENTS 8
#define PERF_TIMES 100

static struct {
	char name[64];
	int fd;
} events[MAX_EVENTS];
static unsigned int nr_events;

struct loop {
	unsigned int window, pages, stride, warm, rounds;
	uint64_t base;
	size_t size;		/* of a page */
	size_t mapped;		/* of what is mapped for it */
	off_t offsets[4];	/* in its file, of the pages of that */
};

static void run(const struct loop *loop, uint64_t command, uint32_t warm, uint32_t counted,
		uint32_t markers)
{
	register uint64_t r8 __asm__("r8") = loop->base;
	register uint64_t r9 __asm__("r9") = loop->stride * loop->size;
	register uint64_t r10 __asm__("r10") = counted;
	register uint64_t r11 __asm__("r11") = markers;
	uint64_t rax = loop->base, rcx = warm, rdi = command;
	uint64_t end = loop->base + (uint64_t)loop->pages * loop->stride * loop->size;

	/* The call's own push must not hit the red zone. */
	__asm__ volatile("sub	$128, %%rsp\n\tcall	*%%rax\n\tadd	$128, %%rsp"
			 : "+a"(rax), "+c"(rcx), "+D"(rdi), "+r"(r10), "+r"(r11)
			 : "b"(end), "S"((uint64_t)loop->window), "r"(r8), "r"(r9)
			 : "memory", "cc");
}

static int code_file(size_t size)
{
	int fd = memfd_create("code", size == SMALL ? 0 : MFD_HUGETLB | MFD_HUGE_2MB);
	uint8_t *page;

	if (fd < 0 || ftruncate(fd, (off_t)size))
		return -1;
	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -1;
	memcpy(page, loop_text, (size_t)(loop_text_end - loop_text));
	munmap(page, size);
	return fd;
}

static uint64_t frame_of(int map, const void *page)
{
	uint64_t frame = 0;
	off_t at = (off_t)((uintptr_t)page / SMALL * sizeof(frame));

	return pread(map, &frame, sizeof(frame), at) == sizeof(frame) ?
		frame & ((1ull << 55) - 1) : 0;
}

/*
 * A file whose pages are all code, and in @offsets where four of them are that are one after
 * the other in memory, from a multiple of 16 kB on. The kernel hands pages out in either order.
 */
static int four_pages(off_t *offsets)
{
	static uint64_t frames[FOUR_AMONG];
	int fd = memfd_create("four", 0), map = open("/proc/self/pagemap", O_RDONLY);
	unsigned int i, j, found;
	uint8_t *pages;

	if (fd < 0 || map < 0 || ftruncate(fd, FOUR_AMONG * SMALL))
		return -1;
	pages = mmap(NULL, FOUR_AMONG * SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (pages == MAP_FAILED)
		return -1;
	for (i = 0; i < FOUR_AMONG; i++) {
		memcpy(pages + i * SMALL, loop_text, (size_t)(loop_text_end - loop_text));
		frames[i] = frame_of(map, pages + i * SMALL);
	}
	close(map);
	munmap(pages, FOUR_AMONG * SMALL);
	for (i = 0; i < FOUR_AMONG; i++) {
		for (j = found = 0; !(frames[i] % 4) && j < FOUR_AMONG; j++) {
			if (frames[j] < frames[i] || frames[j] > frames[i] + 3)
				continue;
			offsets[frames[j] - frames[i]] = j * SMALL;
			found++;
		}
		if (frames[i] && found == 4)
			return fd;
	}
	errno = ENOMEM;
	return -1;
}

static bool map_code(const struct loop *loop, int fd, uint64_t at)
{
	unsigned int i;

	for (i = 0; i < loop->mapped / loop->size; i++, at += loop->size)
		if (mmap((void *)at, loop->size, PROT_READ | PROT_EXEC,
			 MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, loop->offsets[i]) !=
		    (void *)at)
			return false;
	return true;
}

static void open_event(const char *name, unsigned int type, uint64_t config)
{
	struct perf_event_attr attr = {
		.type = type, .size = sizeof(attr), .config = config,
		.exclude_kernel = 1, .exclude_hv = 1,
	};
	int fd = nr_events < MAX_EVENTS ?
		(int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0) : -1;

	if (fd < 0) {
		printf("perf-none %s %s\n", name, strerror(errno));
		return;
	}
	snprintf(events[nr_events].name, sizeof(events[nr_events].name), "%s", name);
	events[nr_events++].fd = fd;
}

static void count_events(const struct loop *loop)
{
	uint64_t before[MAX_EVENTS] = { 0 }, after;
	unsigned int i;

	if (!nr_events)
		return;
	run(loop, 1, loop->warm * loop->pages, 0, 0);
	for (i = 0; i < nr_events; i++)
		if (read(events[i].fd, &before[i], sizeof(before[i])) != sizeof(before[i]))
			return;
	run(loop, 1, PERF_TIMES * loop->rounds * loop->pages, 0, 0);
	for (i = 0; i < nr_events; i++)
		if (read(events[i].fd, &after, sizeof(after)) == sizeof(after))
			printf("perf %u %s %llu\n", loop->window, events[i].name,
			       (unsigned long long)(after - before[i]));
}

static int do_loop(const struct loop *loop, int fd)
{
	uint64_t step = loop->stride * loop->size;
	uint64_t at, last = 0;
	unsigned int i;

	for (i = 0; i < loop->pages; i++) {
		at = (loop->base + i * step) / loop->mapped * loop->mapped;
		if (at == last)
			continue;
		last = at;
		if (!map_code(loop, fd, at))
			return -1;
	}
	run(loop, 1, loop->warm * loop->pages, loop->rounds * loop->pages, 1);
	count_events(loop);
	for (i = 0; i < loop->pages; i++)
		munmap((void *)((loop->base + i * step) / loop->mapped * loop->mapped),
		       loop->mapped);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file) {
		fputs(text, file);
		fclose(file);
	}
}

int main(void)
{
	char line[256], name[64], size[8];
	unsigned int type;
	uint64_t config;
	int small, four, large, fd;
	off_t offsets[4];
	struct loop loop;
	FILE *loops;

	mount("proc", "/proc", "proc", 0, NULL);
	write_file("/proc/sys/vm/nr_hugepages", "2\n");
	small = code_file(SMALL);
	four = four_pages(offsets);
	large = code_file(2 << 20);
	loops = fopen("/loops", "r");
	if (!loops || small < 0 || four < 0 || large < 0) {
		printf("page_loops: no code page: %s\n", strerror(errno));
		goto out;
	}
	while (fgets(line, sizeof(line), loops)) {
		if (sscanf(line, "event %63s %u %lx", name, &type, &config) == 3) {
			open_event(name, type, config);
			continue;
		}
		if (sscanf(line, "%u %7s %u %u %u %u %lx", &loop.window, size, &loop.pages,
			   &loop.stride, &loop.warm, &loop.rounds, &loop.base) != 7) {
			printf("page_loops: not a line: %s", line);
			goto out;
		}
		loop.size = strcmp(size, "2m") ? SMALL : 2 << 20;
		loop.mapped = strcmp(size, "16k") ? loop.size : FOUR;
		memset(loop.offsets, 0, sizeof(loop.offsets));
		if (loop.mapped == FOUR)
			memcpy(loop.offsets, offsets, sizeof(offsets));
		fd = loop.mapped == FOUR ? four : loop.size == SMALL ? small : large;
		if (do_loop(&loop, fd)) {
			printf("page_loops: window %u: %s\n", loop.window, strerror(errno));
			goto out;
		}
	}
	puts("page_loops: done");
out:
	fflush(stdout);
	sync();
	reboot(RB_AUTOBOOT);
	return 1;
}
