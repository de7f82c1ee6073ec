// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks page tables that are given as text, for the tests: the snapshot's JSON on the first
 * lines of standard output, the number of entries that were read on the last.
 *
 *   c CR3 LEVELS BOUND      LEVELS is 4 or 5
 *   e TABLE SLOT VALUE      an entry
 *   f TABLE VALUE           all 512 entries
 *   u TABLE                 a page that cannot be read
 *
 * Numbers are hexadecimal. What is not given reads as 0.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "snapshot.h"

#define PAGES 65536u

static uint64_t *memory[PAGES];
static bool unreadable[PAGES];
static uint64_t reads;

static bool read_memory(void *context, uint64_t physical, uint64_t *value)
{
	uint64_t page = physical >> 12;

	(void)context;
	reads++;
	if (page >= PAGES || unreadable[page])
		return false;
	*value = memory[page] ? memory[page][physical / 8 % 512] : 0;
	return true;
}

static bool put(uint64_t table, uint64_t slot, uint64_t value)
{
	uint64_t page = table >> 12;

	if (page >= PAGES || slot >= 512)
		return false;
	if (!memory[page])
		memory[page] = calloc(512, sizeof(**memory));
	if (!memory[page])
		return false;
	memory[page][slot] = value;
	return true;
}

static bool take(const char *line, struct tables *tables)
{
	uint64_t n[3];
	unsigned int i;
	char op;

	switch (sscanf(line, "%c %" SCNx64 " %" SCNx64 " %" SCNx64, &op, &n[0], &n[1], &n[2])) {
	case 4:
		if (op == 'e')
			return put(n[0], n[1], n[2]);
		tables->cr3 = n[0];
		tables->five_levels = n[1] == 5;
		tables->bound = n[2];
		return op == 'c' && (n[1] == 4 || n[1] == 5);
	case 3:
		for (i = 0; i < 512; i++)
			if (op != 'f' || !put(n[0], i, n[1]))
				return false;
		return true;
	case 2:
		unreadable[n[0] / 4096 % PAGES] = true;
		return op == 'u';
	default:
		return false;
	}
}

int main(void)
{
	struct tables tables = { .read = read_memory, .bound = SNAPSHOT_BOUND };
	struct snapshot *s = snapshot_new(1, 0);
	unsigned int i;
	char line[128];

	while (s && fgets(line, sizeof(line), stdin)) {
		if (!take(line, &tables)) {
			fprintf(stderr, "walker: not understood: %.60s\n", line);
			return 2;
		}
	}
	if (!s)
		return 3;
	snapshot_walk(s, &tables);
	snapshot_write_json(stdout, s);
	printf("\n%" PRIu64 "\n", reads);
	snapshot_free(s);
	for (i = 0; i < PAGES; i++)
		free(memory[i]);
	return 0;
}
