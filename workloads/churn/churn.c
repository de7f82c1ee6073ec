// SPDX-License-Identifier: GPL-2.0-only
/*
 * churn THREADS LOADS KEPT SEED [LARGEST]: loads and unloads BPF programs from several
 * threads. LARGEST cuts JITed sizes, in bytes.
 *
 * Each thread keeps up to KEPT programs and replaces a random one at a time. Three of four
 * are eBPF programs of different types, one is a classic filter on a socket. JITed sizes
 * follow the published fleet: half under 500 bytes, three quarters under 2 kB, the rest up
 * to 16 kB. Prints one JSON object: how many, how many failed, latencies in ns.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_INSNS 2400
#define BYTES_PER_INSN 7	/* add $imm32,%rax, as the x86 JIT writes it */
#define MAX_CLASSIC 500

enum { LOAD, UNLOAD, ATTACH, DETACH, KINDS };
static const char *const kind_names[KINDS] = { "load", "unload", "attach", "detach" };

struct worker {
	pthread_t thread;
	uint64_t random;
	uint32_t *ns[KINDS];
	size_t count[KINDS];
};

static atomic_long left, failed;
static atomic_int last_error;
static long kept, loads;
static uint32_t largest = UINT32_MAX;

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33) % limit;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void took(struct worker *w, int kind, uint64_t began)
{
	uint64_t ns = now() - began;

	w->ns[kind][w->count[kind]++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static uint32_t random_bytes(uint64_t *state)
{
	uint32_t quarter = random_below(state, 4);

	if (quarter < 2)
		return 64 + random_below(state, 436);
	if (quarter == 2)
		return 500 + random_below(state, 1500);
	return 2000 + random_below(state, 14000);
}

/* r0 = 0, r0 += a constant as often as it takes, exit. */
static int load(uint32_t insns, uint32_t type)
{
	struct bpf_insn text[MAX_INSNS];
	union bpf_attr attr;
	uint32_t i;

	text[0] = (struct bpf_insn){ .code = 0xb7 };
	for (i = 1; i < insns - 1; i++)
		text[i] = (struct bpf_insn){ .code = 0x07, .imm = (int32_t)(i * 1000) };
	text[insns - 1] = (struct bpf_insn){ .code = 0x95 };
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.insns = (uintptr_t)text;
	attr.insn_cnt = insns;
	attr.license = (uintptr_t) "GPL";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int attach(int socket, uint32_t insns)
{
	struct sock_filter text[MAX_CLASSIC];
	struct sock_fprog filter = { .len = (unsigned short)insns, .filter = text };
	uint32_t i;

	for (i = 0; i < insns - 1; i++)
		text[i] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, i * 1000 + 1000);
	text[insns - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0xffff);
	return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

static int one_program(struct worker *w, int *kind)
{
	static const uint32_t types[] = {
		BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_XDP, BPF_PROG_TYPE_TRACEPOINT,
	};
	uint32_t chosen = random_below(&w->random, 4);
	uint32_t bytes = random_bytes(&w->random), insns;
	uint64_t began;
	int fd;

	insns = 2 + (bytes < largest ? bytes : largest) / BYTES_PER_INSN;
	if (chosen < 3) {
		*kind = LOAD;
		began = now();
		fd = load(insns, types[chosen]);
	} else {
		*kind = ATTACH;
		fd = socket(AF_UNIX, SOCK_DGRAM, 0);
		began = now();
		if (fd >= 0 && attach(fd, insns > MAX_CLASSIC ? MAX_CLASSIC : insns)) {
			int error = errno;

			close(fd);
			errno = error;
			fd = -1;
		}
	}
	if (fd < 0) {
		atomic_store(&last_error, errno);
		atomic_fetch_add(&failed, 1);
	} else {
		took(w, *kind, began);
	}
	return fd;
}

static void drop(struct worker *w, int fd, int kind)
{
	uint64_t began = now();

	close(fd);
	took(w, kind == LOAD ? UNLOAD : DETACH, began);
}

static void *churn(void *argument)
{
	struct worker *w = argument;
	int *fds = malloc((size_t)kept * sizeof(*fds));
	int *kinds = malloc((size_t)kept * sizeof(*kinds));
	long i;

	if (!fds || !kinds)
		abort();
	for (i = 0; i < kept; i++)
		fds[i] = -1;
	while (atomic_fetch_sub(&left, 1) > 0) {
		i = (long)random_below(&w->random, (uint32_t)kept);
		if (fds[i] >= 0)
			drop(w, fds[i], kinds[i]);
		fds[i] = one_program(w, &kinds[i]);
	}
	for (i = 0; i < kept; i++)
		if (fds[i] >= 0)
			drop(w, fds[i], kinds[i]);
	free(fds);
	free(kinds);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_latencies(const struct worker *workers, long threads, int kind)
{
	static const double quantiles[] = { 0.5, 0.9, 0.99, 1.0 };
	static const char *const names[] = { "p50", "p90", "p99", "max" };
	uint32_t *all = malloc((size_t)loads * sizeof(*all) + 1);
	size_t n = 0;
	long t;
	int q;

	if (!all)
		abort();
	for (t = 0; t < threads; t++) {
		memcpy(all + n, workers[t].ns[kind], workers[t].count[kind] * sizeof(*all));
		n += workers[t].count[kind];
	}
	qsort(all, n, sizeof(*all), by_value);
	printf(", \"%s\": {\"count\": %zu", kind_names[kind], n);
	for (q = 0; n && q < 4; q++)	/* the smallest value that this share is at most */
		printf(", \"%s\": %u", names[q], all[(size_t)(quantiles[q] * (double)(n - 1) + 0.5)]);
	printf("}");
	free(all);
}

int main(int argc, char **argv)
{
	struct worker *workers;
	long threads, t;
	int kind;

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "churn THREADS LOADS KEPT SEED [LARGEST]\n");
		return 2;
	}
	threads = atol(argv[1]);
	loads = atol(argv[2]);
	kept = atol(argv[3]);
	if (argc == 6)
		largest = (uint32_t)atol(argv[5]);
	workers = calloc((size_t)threads, sizeof(*workers));
	if (threads < 1 || loads < 1 || kept < 1 || !workers)
		return 2;
	atomic_store(&left, loads);
	for (t = 0; t < threads; t++) {
		workers[t].random = strtoull(argv[4], NULL, 0) * 1000003u + (uint64_t)t;
		for (kind = 0; kind < KINDS; kind++) {
			workers[t].ns[kind] = malloc((size_t)loads * sizeof(uint32_t));
			if (!workers[t].ns[kind])
				return 1;
		}
	}
	for (t = 0; t < threads; t++)
		if (pthread_create(&workers[t].thread, NULL, churn, &workers[t]))
			return 1;
	for (t = 0; t < threads; t++)
		pthread_join(workers[t].thread, NULL);
	printf("{\"loads\": %ld, \"failed\": %ld, \"error\": \"%s\"", loads, atomic_load(&failed),
	       atomic_load(&failed) ? strerror(atomic_load(&last_error)) : "");
	for (kind = 0; kind < KINDS; kind++)
		print_latencies(workers, threads, kind);
	printf("}\n");
	return atomic_load(&failed) != 0;
}
