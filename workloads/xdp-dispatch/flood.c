// SPDX-License-Identifier: GPL-2.0-only
/*
 * flood PAIRS PACKETS NAMESPACE: sends PACKETS small frames over the interfaces y0, y1, ...
 * of the network namespace (a path) in turn. Prints how many were sent in how many
 * nanoseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define ETHERTYPE 0x88b5	/* for local experiments: IEEE 802 */
#define MAX_PAIRS 256

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	long pairs = argc > 1 ? atol(argv[1]) : 0, packets = argc > 2 ? atol(argv[2]) : 0, i;
	struct sockaddr_ll to[MAX_PAIRS] = { 0 };
	uint8_t frame[64] = { [12] = ETHERTYPE >> 8, [13] = ETHERTYPE & 0xff };
	int fd = argc > 3 ? open(argv[3], O_RDONLY) : -1;
	uint64_t began;
	char name[16];

	if (pairs < 1 || pairs > MAX_PAIRS || packets < 1 || fd < 0) {
		fprintf(stderr, "flood PAIRS PACKETS NAMESPACE\n");
		return 2;
	}
	if (setns(fd, CLONE_NEWNET) || (fd = socket(AF_PACKET, SOCK_RAW, 0)) < 0) {
		perror(argv[3]);
		return 1;
	}
	memset(frame, 0xff, 6);
	for (i = 0; i < pairs; i++) {
		snprintf(name, sizeof(name), "y%ld", i);
		to[i].sll_family = AF_PACKET;
		to[i].sll_protocol = htons(ETHERTYPE);
		to[i].sll_halen = 6;
		to[i].sll_ifindex = (int)if_nametoindex(name);
		if (!to[i].sll_ifindex) {
			perror(name);
			return 1;
		}
	}
	began = now();
	for (i = 0; i < packets; i++) {
		if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to[i % pairs],
			   sizeof(to[0])) < 0) {
			perror("sendto");
			return 1;
		}
	}
	printf("packets %ld nanoseconds %llu\n", packets, (unsigned long long)(now() - began));
	return 0;
}
