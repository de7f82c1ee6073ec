// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs as init: loops over code pages, each in a window of its own (see the marker in
 * harness/guest/agent/marker.py). The loops come from the file /loops, a line each:
 *
 *	WINDOW SIZE PAGES STRIDE WARM ROUNDS BASE
 *
 * SIZE is 4k or 2m, STRIDE counts pages, WARM and ROUNDS count rounds over all pages before
 * and in the window, BASE is the hexadecimal address of the first page.
 *
 * Lines "event NAME TYPE CONFIG" before them (CONFIG hexadecimal, both as perf_event_open(2)
 * has them) are counted in user mode over PERF_TIMES as many rounds once more, and printed:
 * "perf WINDOW NAME COUNT", or "perf-none NAME REASON" once where an event cannot be had.
 *
 * One page of code is mapped at all addresses. Each entry counts down and jumps to the next
 * address; when the count is through, the marker is executed in that very page, so that from
 * the first warm round to the end of the window nothing but the loop's pages is fetched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
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
	size_t size;
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
	int fd = memfd_create("code", size == 4096 ? 0 : MFD_HUGETLB | MFD_HUGE_2MB);
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
	unsigned int i;

	for (i = 0; i < loop->pages; i++) {
		void *at = (void *)(loop->base + i * step);

		if (mmap(at, loop->size, PROT_READ | PROT_EXEC,
			 MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, 0) != at)
			return -1;
	}
	run(loop, 1, loop->warm * loop->pages, loop->rounds * loop->pages, 1);
	count_events(loop);
	for (i = 0; i < loop->pages; i++)
		munmap((void *)(loop->base + i * step), loop->size);
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
	int small, large;
	struct loop loop;
	FILE *loops;

	mount("proc", "/proc", "proc", 0, NULL);
	write_file("/proc/sys/vm/nr_hugepages", "2\n");
	small = code_file(4096);
	large = code_file(2 << 20);
	loops = fopen("/loops", "r");
	if (!loops || small < 0 || large < 0) {
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
		loop.size = strcmp(size, "2m") ? 4096 : 2 << 20;
		if (do_loop(&loop, loop.size == 4096 ? small : large)) {
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
