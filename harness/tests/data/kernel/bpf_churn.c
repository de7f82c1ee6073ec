// SPDX-License-Identifier: GPL-2.0-only
/*
 * bpf_churn THREADS LOADS: loads and unloads BPF programs of mixed kinds and sizes from
 * several threads, each keeping a few, and some classic filters between them.
 */
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
#include <unistd.h>

#define KEPT 16
#define MAX_INSNS 2000

static atomic_long left, loaded, failed;

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33) % limit;
}

/* r0 = 0, r0 += 1 as often as it takes, exit: what is JITed is as long as asked. */
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

static int attach_classic(uint32_t insns)
{
	struct sock_filter text[64];
	struct sock_fprog filter = { .len = (unsigned short)insns, .filter = text };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	uint32_t i;

	for (i = 0; i < insns - 1; i++)
		text[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, i);
	text[insns - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0xffff);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void *churn(void *argument)
{
	static const uint32_t types[] = {
		BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_XDP, BPF_PROG_TYPE_TRACEPOINT,
	};
	uint64_t state = (uintptr_t)argument;
	int kept[KEPT], i;

	for (i = 0; i < KEPT; i++)
		kept[i] = -1;
	while (atomic_fetch_sub(&left, 1) > 0) {
		int *slot = &kept[random_below(&state, KEPT)];
		uint32_t kind = random_below(&state, 4);
		uint32_t big = !random_below(&state, 50);

		if (*slot >= 0)
			close(*slot);
		*slot = kind == 3 ? attach_classic(2 + random_below(&state, 60)) :
			load(2 + random_below(&state, big ? MAX_INSNS - 2 : 120), types[kind]);
		atomic_fetch_add(*slot >= 0 ? &loaded : &failed, 1);
	}
	for (i = 0; i < KEPT; i++)
		if (kept[i] >= 0)
			close(kept[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	long threads = argc > 1 ? atol(argv[1]) : 4, i;
	pthread_t *all = calloc((size_t)threads, sizeof(*all));

	atomic_store(&left, argc > 2 ? atol(argv[2]) : 1000);
	for (i = 0; i < threads; i++)
		if (pthread_create(&all[i], NULL, churn, (void *)(i + 1)))
			return 1;
	for (i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	printf("churn: %ld loaded, %ld failed\n", atomic_load(&loaded), atomic_load(&failed));
	return atomic_load(&failed) != 0;
}
