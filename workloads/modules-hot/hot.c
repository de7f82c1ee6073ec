// SPDX-License-Identifier: GPL-2.0-only
/*
 * hot PROCESSES ROUNDS SEED: keeps the text of many modules hot. Each process gives 64 bytes to
 * every algorithm of the kernel's crypto that is there, in a random order, ROUNDS times, one
 * sendmsg() each. Prints how many algorithms there are and how long all took.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_alg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SOL_ALG
#define SOL_ALG 279
#endif
#define BYTES 64

/* One module each, or more; the generic ones, so that it is the same code on each CPU. */
static const struct { const char *type, *name; unsigned int key, iv; } all[] = {
	{ "hash", "md4-generic", 0, 0 }, { "hash", "md5-generic", 0, 0 },
	{ "hash", "rmd160-generic", 0, 0 }, { "hash", "sha384-generic", 0, 0 },
	{ "hash", "sha512-generic", 0, 0 }, { "hash", "sha3-256-generic", 0, 0 },
	{ "hash", "wp512-generic", 0, 0 }, { "hash", "xxhash64-generic", 0, 0 },
	{ "skcipher", "ctr(aes-generic)", 16, 16 }, { "skcipher", "ctr(blowfish-generic)", 16, 8 },
	{ "skcipher", "ctr(camellia-generic)", 16, 16 }, { "skcipher", "ctr(cast5-generic)", 16, 8 },
	{ "skcipher", "ctr(cast6-generic)", 16, 16 }, { "skcipher", "ctr(serpent-generic)", 16, 16 },
	{ "skcipher", "ctr(twofish-generic)", 16, 16 }, { "skcipher", "ctr(des-generic)", 8, 8 },
	{ "skcipher", "chacha20-generic", 32, 16 },
};

#define ALL (sizeof(all) / sizeof(all[0]))

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

/* A socket that takes operations of algorithm @n; -1: there is none. */
static int open_algorithm(size_t n)
{
	static const uint8_t key[32] = { 1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31 };
	struct sockaddr_alg name = { .salg_family = AF_ALG };
	int sock = socket(AF_ALG, SOCK_SEQPACKET, 0), operations = -1;

	snprintf((char *)name.salg_type, sizeof(name.salg_type), "%s", all[n].type);
	snprintf((char *)name.salg_name, sizeof(name.salg_name), "%s", all[n].name);
	if (sock < 0)
		return -1;
	if (!bind(sock, (struct sockaddr *)&name, sizeof(name)) &&
	    (!all[n].key || !setsockopt(sock, SOL_ALG, ALG_SET_KEY, key, all[n].key)))
		operations = accept(sock, NULL, 0);
	close(sock);
	return operations;
}

static int operate(int operations, size_t n)
{
	static uint8_t data[BYTES];
	struct iovec io = { data, sizeof(data) };
	union {
		char room[CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(struct af_alg_iv) + 16)];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };
	struct cmsghdr *part;
	struct af_alg_iv *iv;

	if (all[n].key) {
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE(sizeof(uint32_t)) +
					 CMSG_SPACE(sizeof(*iv) + all[n].iv);
		part = CMSG_FIRSTHDR(&message);
		part->cmsg_level = SOL_ALG;
		part->cmsg_type = ALG_SET_OP;
		part->cmsg_len = CMSG_LEN(sizeof(uint32_t));
		*(uint32_t *)CMSG_DATA(part) = ALG_OP_ENCRYPT;
		part = CMSG_NXTHDR(&message, part);
		part->cmsg_level = SOL_ALG;
		part->cmsg_type = ALG_SET_IV;
		part->cmsg_len = CMSG_LEN(sizeof(*iv) + all[n].iv);
		iv = (struct af_alg_iv *)CMSG_DATA(part);
		iv->ivlen = all[n].iv;
	}
	return sendmsg(operations, &message, 0) == BYTES &&
	       read(operations, data, sizeof(data)) > 0 ? 0 : -1;
}

static int work(long rounds, uint64_t seed)
{
	size_t order[ALL], found = 0, i;
	int operations[ALL];
	long round;

	for (i = 0; i < ALL; i++) {
		operations[i] = open_algorithm(i);
		if (operations[i] >= 0)
			order[found++] = i;
	}
	if (!found)
		return 0;
	for (round = 0; round < rounds; round++) {
		for (i = found - 1; i; i--) {
			size_t other = random_below(&seed, (uint32_t)i + 1), kept = order[i];

			order[i] = order[other];
			order[other] = kept;
		}
		for (i = 0; i < found; i++) {
			if (operate(operations[order[i]], order[i])) {
				fprintf(stderr, "hot: %s: %s\n", all[order[i]].name, strerror(errno));
				return 0;
			}
		}
	}
	return (int)found;
}

int main(int argc, char **argv)
{
	long processes = argc == 4 ? atol(argv[1]) : 0, rounds = argc == 4 ? atol(argv[2]) : -1, i;
	int status, found = 0, failed = 0;
	uint64_t began = now();

	if (processes < 1 || processes > 256 || rounds < 1) {
		fprintf(stderr, "usage: hot PROCESSES ROUNDS SEED\n");
		return 2;
	}
	for (i = 0; i < processes; i++) {
		pid_t child = fork();

		if (child < 0) {
			perror("hot: fork");
			return 1;
		}
		if (!child)
			_exit(work(rounds, strtoull(argv[3], NULL, 10) + (uint64_t)i));
	}
	while (wait(&status) > 0) {
		found = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		failed |= !found;
	}
	printf("algorithms %d nanoseconds %llu\n", failed ? 0 : found,
	       (unsigned long long)(now() - began));
	return 0;
}
