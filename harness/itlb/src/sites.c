// SPDX-License-Identifier: GPL-2.0-only
#include "sites.h"

#include <stdlib.h>

#define FIRST 1024

static size_t hash(uint64_t address, uint8_t size)
{
	uint64_t h = (address ^ ((uint64_t)size << 62)) * 0x9e3779b97f4a7c15ull;

	return h ^ (h >> 32);
}

static struct site *place(struct site *slots, size_t capacity, uint64_t address, uint8_t size,
			  bool global)
{
	size_t i = hash(address, size) & (capacity - 1);

	while (slots[i].used && (slots[i].address != address || slots[i].size != size ||
				 slots[i].global != global))
		i = (i + 1) & (capacity - 1);
	return &slots[i];
}

static bool grow(struct sites *sites)
{
	size_t capacity = sites->capacity ? 2 * sites->capacity : FIRST, i;
	struct site *slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return false;
	for (i = 0; i < sites->capacity; i++) {
		struct site *old = &sites->slots[i];

		if (old->used)
			*place(slots, capacity, old->address, old->size, old->global) = *old;
	}
	free(sites->slots);
	sites->slots = slots;
	sites->capacity = capacity;
	return true;
}

struct site *sites_get(struct sites *sites, uint64_t address, uint8_t size, bool global)
{
	struct site *site;

	if (4 * (sites->count + 1) > 3 * sites->capacity && !grow(sites))
		return NULL;
	site = place(sites->slots, sites->capacity, address, size, global);
	if (!site->used) {
		*site = (struct site){
			.address = address, .size = size, .global = global, .used = true,
		};
		sites->count++;
	}
	return site;
}

void sites_free(struct sites *sites)
{
	free(sites->slots);
	*sites = (struct sites){ 0 };
}
