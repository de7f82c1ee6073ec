/* SPDX-License-Identifier: GPL-2.0-only */
/* A CPU's TLBs as a file of `key = value` lines; `#` begins a comment. */
#ifndef EMB_PROFILE_H
#define EMB_PROFILE_H

#include <stddef.h>
#include <stdio.h>

#include "tlb.h"

/*
 * What a core may have. Instruction fetches look in the L1s and then in the second level;
 * loads look in the data buffers, then in the second level where it is shared, then in the
 * data side's own second level; stores in the store buffer where there is one.
 */
enum buffer {
	L1_4K, L1_2M, L1, STLB,
	DATA_4K, DATA_2M, DATA_1G, DATA, STORE, DATA_STLB,
	BUFFERS
};

enum second_level {
	SECOND_SHARED,		/* holds translations of code and data */
	SECOND_CODE,		/* of code only: the data side cannot disturb it */
};

struct profile {
	char name[64];
	enum second_level second_level;
	struct tlb_geometry buffers[BUFFERS];
};

/*
 * Parses @text (of the file @path, for messages) into @profile. On failure returns false
 * with one line in @error that names the file, the line, the value and what it should be.
 */
bool profile_parse(const char *text, const char *path, struct profile *profile, char *error,
		   size_t error_size);
bool profile_load(const char *path, struct profile *profile, char *error, size_t error_size);

/* Why the profile as a whole is not a CPU, or NULL when it is. */
const char *profile_error(const struct profile *profile);
/* Whether some buffer has entries for pages of @size. */
bool profile_holds(const struct profile *profile, enum page_size size);
/* Whether loads and stores can change what instruction fetches find. */
bool profile_data_competes(const struct profile *profile);
/* The members of a JSON object: "name", the kind of second level, and each buffer that there is. */
void profile_write_json(FILE *f, const struct profile *profile);

#endif
