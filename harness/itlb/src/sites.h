/* SPDX-License-Identifier: GPL-2.0-only */
/* Misses by the address whose fetch missed: a hash table that grows. */
#ifndef EMB_SITES_H
#define EMB_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct site {
	uint64_t address;
	uint64_t l1_hits;	/* only where they were asked for */
	uint64_t stlb_hits;
	uint64_t walks;
	uint8_t size;		/* enum page_size */
	bool global;
	bool used;
};

struct sites {
	struct site *slots;
	size_t capacity;	/* a power of two, or 0 */
	size_t count;
};

/* The site for @address on a page of @size, made if need be; NULL when memory is short. */
struct site *sites_get(struct sites *sites, uint64_t address, uint8_t size, bool global);
void sites_free(struct sites *sites);

#endif
